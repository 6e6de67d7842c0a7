"""All search ranges of a spec, each by the name that `--set` gives the value before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dlspec.ir.losses import AnyLoss
from dlspec.ir.metrics import AnyMetric
from dlspec.ir.optimizers import AnyOptimizer
from dlspec.ir.schedules import AnySchedule
from dlspec.ir.search import Search
from dlspec.ir.sources import AnySource
from dlspec.ir.trainoptions import AnyRegularization, Patience, WeightsFile
from dlspec.ir.transforms import AnyTransform
from dlspec.passes.context import Frame
from dlspec.passes.options import classes_of, option
from dlspec.passes.search import as_text
from dlspec.source import Span
from dlspec.syntax import tree

_NAMED: dict[str, tuple[str, Any]] = {
    "loss": ("E0508", AnyLoss),
    "optimizer": ("E0508", AnyOptimizer),
    "schedule": ("E0508", AnySchedule),
    "source": ("E0603", AnySource),
}
"""Settings that name one thing: the code of their mistakes, and the family."""


def argument_names(callee: tree.Expr) -> tuple[str, ...]:
    """The arguments, in order, of the loss, optimizer, source … that is called."""
    families = (
        *(AnyLoss, AnyOptimizer, AnySchedule, AnyMetric, AnySource, AnyTransform),
        AnyRegularization,
    )
    classes = [cls for family in families for cls in classes_of(family)]
    for cls in (*classes, Patience, WeightsFile):
        if isinstance(callee, tree.Name | tree.TypeName) and cls.kind_name() == callee.id:
            return cls.argument_names()
    return ()


def data_heads(module: tree.Module) -> dict[str, str]:
    """What `--set` calls each `data` of a file: `data` where it is the only one, else its name."""
    names = [d.name.id for d in module.declarations if isinstance(d, tree.DataDeclaration)]
    return {name: "data" if len(names) == 1 else name for name in names}


def searches(
    module: tree.Module, used: Mapping[str, tree.NetworkDeclaration], frame: Frame
) -> tuple[Search, ...]:
    """The ranges that elaborating a module has kept. Reports E0310 for one that nothing can set.

    used: the networks that the module brings from other files, by name.
    """
    kept = frame.context.ranges
    found: dict[Span, Search] = {}
    networks = {
        **used,
        **{d.name.id: d for d in module.declarations if isinstance(d, tree.NetworkDeclaration)},
    }
    for key, search in _places(module, networks, frame):
        if search.span in kept and search.span not in found:
            found[search.span] = kept[search.span].model_copy(update={"key": key})
    for span in kept:
        if span not in found and span.source is module.span.source:
            frame.report.error(
                "E0310",
                span,
                "search ranges belong to parameters and settings",
                help="give the block or model a parameter with this range, and use it here",
            )
    return tuple(found.values())


def _places(
    module: tree.Module, networks: Mapping[str, tree.NetworkDeclaration], frame: Frame
) -> Iterator[tuple[str, tree.Expr]]:
    """Every range at a place that has a name, with the name."""
    for name, network in networks.items():
        for parameter in network.parameters:
            if parameter.search is not None:
                yield f"{name}.{parameter.name.id}", parameter.search
    heads = data_heads(module)
    for declaration in module.declarations:
        if isinstance(declaration, tree.DataDeclaration):
            yield from _settings(heads[declaration.name.id], declaration.body, frame)
        elif isinstance(declaration, tree.TrainDeclaration):
            for model in declaration.models:
                yield from _given(model, networks)
            yield from _settings("train", declaration.body, frame)


def _given(
    model: tree.TypeName | tree.Call, networks: Mapping[str, tree.NetworkDeclaration]
) -> Iterator[tuple[str, tree.Expr]]:
    """The ranges of `train Net(width=8 in [8, 16]) on …`."""
    if not isinstance(model, tree.Call) or not isinstance(model.callee, tree.TypeName):
        return
    network = networks.get(model.callee.id)
    names = tuple(p.name.id for p in network.parameters) if network is not None else ()
    yield from _arguments(model.callee.id, model, names)


def _settings(head: str, body: tree.Body, frame: Frame) -> Iterator[tuple[str, tree.Expr]]:
    for statement in body.statements:
        if isinstance(statement, tree.StepStatement):
            yield from _settings(f"{head}.{statement.name.id}", statement.body, frame)
        if not isinstance(statement, tree.Bind):
            continue
        key = f"{head}.{statement.names[0].id}"
        if statement.search is not None:
            if statement.search.span not in frame.context.ranges and not frame.report.failed:
                _check_named(statement, statement.search, frame)
            yield key, statement.search
        yield from _inner(key, statement.value)


def _check_named(statement: tree.Bind, search: tree.Expr, frame: Frame) -> None:
    """Keep the choices of what is named: `optimizer = adam(1e-3) in [adam(1e-3), sgd(0.1)]`."""
    value = as_text(statement.value)
    if not isinstance(search, tree.ListExpr):
        text = "what is named here is no number: its search range is a list of choices"
        frame.report.error("E0310", search.span, text)
        return
    texts = tuple(as_text(item) for item in search.items)
    if value not in texts:
        frame.report.error("E0310", search.span, f"`{value}` is not one of the choices")
        return
    name = statement.names[0].id
    if name in _NAMED:
        code, family = _NAMED[name]
        for item in search.items:
            option(item, name, code, classes_of(family), frame)
    frame.context.ranges[search.span] = Search(
        key="", written=search.span.text, value=value, choices=texts
    )


def _inner(key: str, value: tree.Expr) -> Iterator[tuple[str, tree.Expr]]:
    """The ranges among the arguments of what a setting names."""
    if isinstance(value, tree.Pipeline):
        for stage in value.stages:
            if isinstance(stage, tree.Call) and isinstance(stage.callee, tree.TypeName):
                yield from _arguments(f"{key}.{stage.callee.id}", stage, None)
    elif isinstance(value, tree.Call):
        yield from _arguments(key, value, None)


def _arguments(
    key: str, call: tree.Call, names: tuple[str, ...] | None
) -> Iterator[tuple[str, tree.Expr]]:
    names = argument_names(call.callee) if names is None else names
    for number, argument in enumerate(call.arguments):
        name = argument.name.id if argument.name is not None else None
        if name is None and number < len(names):
            name = names[number]
        if argument.search is not None and name is not None:
            yield f"{key}.{name}", argument.search

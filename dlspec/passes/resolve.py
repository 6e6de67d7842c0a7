"""The resolved spec: the text of a spec with every override and every default written out.

It is a valid spec that gives the same program. Models stay as they were written,
their parameters with the values they had; `data` and `train` say every setting.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias, cast

from dlspec.ir.data import DataPlan, DataSettings
from dlspec.ir.graph import Program
from dlspec.ir.option import Option
from dlspec.ir.search import Search
from dlspec.ir.training import StepPlan, TrainPlan, TrainSettings
from dlspec.passes.arguments import option_words
from dlspec.passes.resolveranges import ranged
from dlspec.passes.searches import data_heads
from dlspec.passes.settings import CHAINS
from dlspec.passes.trainsteps import SETTINGS as STEP_SETTINGS
from dlspec.passes.uses import added_arguments
from dlspec.source import Source
from dlspec.syntax import tree

Ranges: TypeAlias = tuple[Search, ...]


class Edit(NamedTuple):
    """The characters `start` to `end` become `text`."""

    start: int
    end: int
    text: str


def resolved(
    source: Source, written: tree.Module, overridden: tree.Module, program: Program
) -> str:
    """The resolved text of a spec whose module, before and after overrides, is given."""
    edits: list[Edit] = []
    ranges = program.searches
    heads = data_heads(written)
    trains = iter(program.trains)
    for before, after in zip(written.declarations, overridden.declarations, strict=True):
        if isinstance(before, tree.DataDeclaration):
            name = before.name.id
            body = _data(program.data[name], heads[name], ranges)
            edits.append(Edit(before.body.span.start, before.body.span.end, body))
        elif isinstance(before, tree.TrainDeclaration) and isinstance(after, tree.TrainDeclaration):
            for old, new in zip(before.models, after.models, strict=True):
                edits += _model(old, new)
                edits += _added(old, new)
            edits.append(
                Edit(
                    before.body.span.start,
                    before.body.span.end,
                    _train(next(trains), after, ranges),
                )
            )
        elif isinstance(before, tree.LetDeclaration) and isinstance(after, tree.LetDeclaration):
            edits += _let(before.value, after.value)
        elif isinstance(before, tree.NetworkDeclaration) and isinstance(
            after, tree.NetworkDeclaration
        ):
            for old, new in zip(before.parameters, after.parameters, strict=True):
                edits += _parameter(old, new)
            edits += _added(before.body, after.body)
    return _applied(source.text, edits)


def _applied(text: str, edits: list[Edit]) -> str:
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _let(old: tree.Expr, new: tree.Expr) -> Iterator[Edit]:
    if new.span.source is not old.span.source:
        yield Edit(old.span.start, old.span.end, new.span.text)
    else:
        yield from _added(old, new)


def _added(old: object, new: object) -> Iterator[Edit]:
    """The arguments that uses of blocks and models got from overrides."""
    for place, text in added_arguments(old, new):
        yield Edit(place, place, text)


def _model(old: tree.TypeName | tree.Call, new: tree.TypeName | tree.Call) -> Iterator[Edit]:
    if isinstance(old, tree.Call) and isinstance(new, tree.Call):
        for before, after in zip(old.arguments, new.arguments, strict=False):
            # A search range goes with the value it was for.
            if after.value is not before.value:
                end = before.search.span.end if before.search else before.value.span.end
                yield Edit(before.value.span.start, end, after.value.span.text)


def _parameter(old: tree.Parameter, new: tree.Parameter) -> Iterator[Edit]:
    if new.default is None or new.default is old.default:
        return
    if old.default is not None and new.default.span.source is old.default.span.source:
        yield from _added(old.default, new.default)
        return
    if old.default is None:
        yield Edit(old.name.span.end, old.name.span.end, f"={new.default.span.text}")
        return
    # A search range goes with the value it was for.
    end = old.search.span.end if old.search is not None else old.default.span.end
    yield Edit(old.default.span.start, end, new.default.span.text)


# --- plans as settings ---------------------------------------------------------------


def _data(plan: DataPlan, head: str, ranges: Ranges) -> str:
    settings = {"source": _option(plan.source)}
    for name in CHAINS:
        stages = getattr(plan, name)
        if stages:
            settings[name] = " -> ".join(_option(stage) for stage in stages)
    settings |= {name: _literal(getattr(plan, name)) for name in DataSettings.model_fields}
    return _body(ranged(settings, head, ranges), ())


def _train(plan: TrainPlan, declaration: tree.TrainDeclaration, ranges: Ranges) -> str:
    settings: dict[str, str] = {}
    if plan.loss is not None:
        settings["loss"] = _option(plan.loss)
    steps = [s for s in declaration.body.statements if isinstance(s, tree.StepStatement)]
    if not steps:
        settings["optimizer"] = _option(plan.each_batch[0].optimizer)
        settings["schedule"] = _option(plan.each_batch[0].schedule)
    for name in TrainSettings.model_fields:
        value = getattr(plan, name)
        if value is not None:
            settings[name] = value if name == "precision" else _literal(value)
    for name in ("early_stopping", "regularization", "start_from"):
        option = getattr(plan, name)
        if option is not None:
            settings[name] = _option(option)
    if plan.freeze:
        settings["freeze"] = _literal(plan.freeze)
    if plan.init is not None:
        settings["init"] = _option(plan.init)
    if plan.metrics:
        settings["metrics"] = "[" + ", ".join(_option(metric) for metric in plan.metrics) + "]"
    further = [
        s.span.text for s in declaration.body.statements if isinstance(s, tree.MinimizeStatement)
    ]
    if steps:
        further += [
            _step(step, own, ranges) for step, own in zip(steps, plan.each_batch, strict=True)
        ]
    further += [f"require {r.metric} {r.operator} {_literal(r.value)}" for r in plan.requires]
    return _body(ranged(settings, "train", ranges), tuple(further))


def _step(written: tree.StepStatement, plan: StepPlan, ranges: Ranges) -> str:
    """A step with its settings in it; what it computes stands as it was written."""
    settings = {"optimizer": _option(plan.optimizer), "schedule": _option(plan.schedule)}
    if plan.gradient_clip is not None:
        settings["gradient_clip"] = _literal(plan.gradient_clip)
    settings = ranged(settings, f"train.{plan.name}", ranges)
    lines = [f"    {name} = {value}" for name, value in settings.items()]
    lines += [
        f"    {statement.span.text}"
        for statement in written.body.statements
        if not isinstance(statement, tree.Bind) or statement.names[0].id not in STEP_SETTINGS
    ]
    updates = ", ".join(plan.updates)
    head = f"step {plan.name} updates {updates} every {plan.every} {{"
    return "\n".join([head, *lines, "  }"])


def _body(settings: dict[str, str], promises: tuple[str, ...]) -> str:
    width = max(len(name) for name in settings)
    lines = [f"  {name.ljust(width)} = {value}" for name, value in settings.items()]
    return "\n".join(["{", *lines, *(f"  {promise}" for promise in promises), "}"])


def _option(option: Option) -> str:
    arguments = [f"{name}={_argument(option, name)}" for name in option.argument_names()]
    return f"{option.kind_name()}({', '.join(arguments)})"


def _argument(option: Option, name: str) -> str:
    """An argument as the language writes it: a choice among words has no quotes."""
    value = getattr(option, name)
    words = option_words(type(option).model_fields[name].annotation)
    return value if isinstance(value, str) and value in words else _literal(value)


def _literal(value: object) -> str:
    """A value as the language writes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return (
            '"'
            + value.translate(
                {ord('"'): '\\"', ord("\\"): "\\\\", ord("\n"): "\\n", ord("\t"): "\\t"}
            )
            + '"'
        )
    if isinstance(value, tuple):
        items = cast("tuple[object, ...]", value)
        return "[" + ", ".join(_literal(item) for item in items) + "]"
    return repr(value)

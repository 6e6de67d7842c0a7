"""The settings of a `train` beside loss, optimizer and schedule: `early_stopping`,
`regularization`, `freeze`, `start_from`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from dlspec.ir.data import DataPlan
from dlspec.ir.datacheck import path_problem
from dlspec.ir.graph import Program
from dlspec.ir.option import Option
from dlspec.ir.paths import covers
from dlspec.ir.trainoptions import AnyRegularization, Patience, WeightsFile
from dlspec.ir.walk import buffer_shapes, weight_shapes
from dlspec.layers import snake_case
from dlspec.passes.arguments import Given, construct
from dlspec.passes.context import Frame
from dlspec.passes.evaluate import evaluate
from dlspec.passes.options import classes_of, option
from dlspec.passes.scope import did_you_mean
from dlspec.passes.values import TrainedNetwork, contains_unknown, describe
from dlspec.syntax import tree

SETTINGS = ("early_stopping", "regularization", "freeze", "start_from")

Kind = TypeVar("Kind", bound=Option)
Path = tuple[str, tree.Expr]
"""A path of a layer and where it is written."""


class Trained(NamedTuple):
    """What these settings are about: the models, their data, the figures that are measured."""

    program: Program
    models: Sequence[TrainedNetwork]
    data: DataPlan
    figures: tuple[str, ...]
    """The names of what is minimised, then of the metrics."""
    measured: bool
    """Whether a validation split is measured: of one model trained in one step."""


def further_settings(
    found: Mapping[str, tree.Bind], trained: Trained, frame: Frame
) -> dict[str, Any]:
    """The settings by name, those that are given. Reports E0303, E0506 to E0509, E0605."""
    readers = (_early_stopping, _regularization, _freeze, _start_from)
    values: dict[str, Any] = {}
    for name, read in zip(SETTINGS, readers, strict=True):
        bound = found.get(name)
        if bound is not None and not _is_none(bound.value):
            values[name] = read(bound.value, trained, frame)
    return {name: value for name, value in values.items() if value is not None}


def _is_none(expression: tree.Expr) -> bool:
    return isinstance(expression, tree.NoneValue)


# --- early stopping ----------------------------------------------------------------------


def _early_stopping(value: tree.Expr, trained: Trained, frame: Frame) -> Patience | None:
    if not trained.measured:
        frame.report.error(
            "E0506", value.span,
            "`early_stopping` belongs to a `train` that minimises one thing, not in steps",
        )  # fmt: skip
        return None
    plain, figure = _without_metric(value)
    made = option(plain, "way to stop early", "E0508", (Patience,), frame)
    if made is None:
        return None
    name = made.metric
    if figure is not None:
        named = _word(figure)
        if named is None:
            frame.report.error(
                "E0303", figure.span, "`metric` of `patience` must be the name of a figure"
            )
            return None
        name = named
    span = (figure or value).span
    known = _figures(trained)
    if name not in known:
        frame.report.error(
            "E0507", span,
            f"`early_stopping` watches `{name}`, which this `train` does not measure",
            help=did_you_mean(name, known) or f"it measures {_listed(known)}",
        )  # fmt: skip
        return None
    if not (trained.data.validation or trained.data.source.may_divide):
        frame.report.error(
            "E0506", span,
            f"`{name}` is of the validation split, which `{trained.data.name}` does not have",
            help=f"add `validation = 10%` to `data {trained.data.name}`",
        )  # fmt: skip
        return None
    return made.model_copy(update={"metric": name})


def _figures(trained: Trained) -> tuple[str, ...]:
    """What may be watched: the figures of the validation split."""
    return tuple(f"val_{name}" for name in trained.figures)


def _without_metric(value: tree.Expr) -> tuple[tree.Expr, tree.Expr | None]:
    """`patience(…)` without its `metric`, whose value is a word and no name of the spec."""
    if not isinstance(value, tree.Call):
        return value, None
    kept: list[tree.Argument] = []
    found: tree.Expr | None = None
    for number, argument in enumerate(value.arguments):
        name = argument.name.id if argument.name is not None else None
        if found is None and (name == "metric" or (name is None and number == 1)):
            found = argument.value
        else:
            kept.append(argument)
    return value._replace(arguments=tuple(kept)), found


def _word(expression: tree.Expr) -> str | None:
    if isinstance(expression, tree.Name):
        return expression.id
    return expression.value if isinstance(expression, tree.String) else None


# --- regularization ----------------------------------------------------------------------


def _regularization(value: tree.Expr, trained: Trained, frame: Frame) -> Option | None:
    return option(value, "regularization", "E0508", classes_of(AnyRegularization), frame)


# --- freezing ----------------------------------------------------------------------------


def _freeze(value: tree.Expr, trained: Trained, frame: Frame) -> tuple[str, ...] | None:
    paths = _paths(value, "freeze", frame)
    if paths is None or not _known(paths, tensor_names(trained, learned=False), frame):
        return None
    patterns = tuple(path for path, _ in paths)
    for model in trained.models:
        names = _names_of(model, trained, learned=True)
        if names and all(any(covers(p, name) for p in patterns) for name in names):
            frame.report.error(
                "E0506", value.span, f"`freeze` leaves nothing of `{model.name}` to train",
                help="leave out the layers that are to learn",
            )  # fmt: skip
            return None
    return patterns


def _paths(value: tree.Expr, what: str, frame: Frame) -> list[Path] | None:
    """The paths of layers in a list. Reports E0303."""
    items = value.items if isinstance(value, tree.ListExpr | tree.TupleExpr) else (value,)
    found: list[Path] = []
    for item in items:
        path = _path(item)
        if path is None:
            given = evaluate(item, frame.as_argument())
            if not contains_unknown(given):
                frame.report.error(
                    "E0303", item.span,
                    f"`{what}` takes paths of layers, such as `stem` or `stage1.conv1`, "
                    f"not {describe(given)}",
                )  # fmt: skip
            return None
        found.append((path, item))
    return found


def _path(expression: tree.Expr) -> str | None:
    if isinstance(expression, tree.Attribute):
        head = _path(expression.value)
        return f"{head}.{expression.name.id}" if head is not None else None
    return _word(expression)


def tensor_names(trained: Trained, *, learned: bool) -> tuple[str, ...]:
    """The names of all weights, or of what is saved beside them too, as files have them."""
    return tuple(n for model in trained.models for n in _names_of(model, trained, learned=learned))


def _names_of(model: TrainedNetwork, trained: Trained, *, learned: bool) -> list[str]:
    program = trained.program
    graph = program.graphs[model.key]
    names = [*weight_shapes(program, graph)]
    names += [] if learned else [*buffer_shapes(program, graph)]
    head = f"{snake_case(model.name)}." if len(trained.models) > 1 else ""
    return [head + name for name in names]


def _known(paths: Iterable[Path], names: Sequence[str], frame: Frame) -> bool:
    """Whether every path means some weight. Reports E0509."""
    good = True
    for path, place in paths:
        if any(covers(path, name) for name in names):
            continue
        good = False
        layers = _layers(names)
        frame.report.error(
            "E0509", place.span, f"no layer with weights is called `{path}`",
            help=did_you_mean(path, layers) or f"there is {_listed(_outermost(layers))}",
        )  # fmt: skip
    return good


def _layers(names: Iterable[str]) -> list[str]:
    """The layers and blocks that weights belong to: every beginning of their names."""
    found: dict[str, None] = {}
    for name in names:
        parts = name.split(".")
        for count in range(1, max(len(parts), 2)):
            found[".".join(parts[:count])] = None
    return list(found)


def _outermost(layers: Iterable[str]) -> list[str]:
    return [layer for layer in layers if "." not in layer][:8]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# --- weights to begin with ---------------------------------------------------------------


def _start_from(value: tree.Expr, trained: Trained, frame: Frame) -> WeightsFile | None:
    made = _weights_file(value, trained, frame)
    if made is None:
        return None
    reason = path_problem(made.path)
    if reason is not None:
        frame.report.error(
            "E0605", value.span, f"the path of `start_from` {reason}",
            help="write a path relative to the spec's folder; on the command line,"
            " `--data-root DIR` moves where paths start",
        )  # fmt: skip
        return None
    return made


def _weights_file(value: tree.Expr, trained: Trained, frame: Frame) -> WeightsFile | None:
    """`"weights.safetensors"`, or `weights("…", fresh=[head])`."""
    if isinstance(value, tree.String):
        return WeightsFile.model_construct(path=value.value)
    if not isinstance(value, tree.Call) or _word(value.callee) != "weights":
        if not isinstance(value, tree.ErrorExpr):
            frame.report.error(
                "E0303", value.span,
                "`start_from` takes the path of a file of weights",
                help='write `start_from = "weights.safetensors"`, or '
                '`weights("…", fresh=[head])` where layers are to start anew',
            )  # fmt: skip
        return None
    given: list[Given] = []
    names = ("path", "fresh", "unused")
    for number, argument in enumerate(value.arguments):
        name = argument.name.id if argument.name is not None else None
        target = name or (names[number] if number < len(names) else "")
        if target in ("fresh", "unused"):
            paths = _paths(argument.value, target, frame)
            known = tensor_names(trained, learned=True)
            if paths is None or (target == "fresh" and not _known(paths, known, frame)):
                return None
            given.append(Given(name, tuple(path for path, _ in paths), argument.span))
        else:
            given.append(Given(name, evaluate(argument.value, frame.as_argument()), argument.span))
    return construct(WeightsFile, "weights", value.span, given, frame.report)

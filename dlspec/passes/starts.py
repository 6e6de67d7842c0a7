"""How weights start, as a spec says it: `he_normal`, `normal(0.02)`, or a number for all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from dlspec.ir.layer import Layer
from dlspec.ir.starts import STARTS, Constant, Start, chosen, matrices, start_problem
from dlspec.ir.types import TensorType
from dlspec.passes.arguments import Given, construct
from dlspec.passes.constants import FUNCTIONS
from dlspec.passes.context import Frame
from dlspec.passes.given import Evaluate
from dlspec.passes.scope import did_you_mean
from dlspec.passes.values import UNKNOWN, Unknown, Value, Word, contains_unknown, describe
from dlspec.source import Span
from dlspec.syntax import tree


@cache
def start_classes() -> dict[str, type[Start]]:
    """Every way to start by its name."""
    return {cls.kind_name(): cls for cls in STARTS}


def read_start(
    expression: tree.Expr, what: str, frame: Frame, evaluate: Evaluate
) -> Start | Unknown | None:
    """What `init=…` means; `none` is None. Reports E0303, then UNKNOWN.

    what: begins the sentence of a message, "`init` of `Conv`".
    """
    callee = expression.callee if isinstance(expression, tree.Call) else expression
    if (
        isinstance(callee, tree.Name | tree.TypeName)
        and callee.id not in FUNCTIONS
        and frame.scope.find(callee.id) is None
    ):
        arguments = expression.arguments if isinstance(expression, tree.Call) else ()
        inner = frame.as_argument()
        given = [
            Given(a.name.id if a.name else None, evaluate(a.value, inner), a.span)
            for a in arguments
        ]
        return start_called(callee.id, callee.span, given, what, frame)
    return _as_start(evaluate(expression, frame.as_argument()), expression.span, what, frame)


def start_called(
    name: str, span: Span, given: Sequence[Given], what: str, frame: Frame
) -> Start | Unknown:
    """`normal(0.02)` from its name and arguments. Reports E03 codes, then UNKNOWN."""
    cls = start_classes().get(name)
    if cls is None:
        foreign = next((c for c in STARTS if name in c.aliases), None)
        help = (
            f"dlspec calls it `{foreign.kind_name()}`"
            if foreign
            else did_you_mean(name, start_classes())
        )
        _refuse(f"`{name}`", span, what, frame, help)
        return UNKNOWN
    return construct(cls, name, span, given, frame.report) or UNKNOWN


def _as_start(value: Value, span: Span, what: str, frame: Frame) -> Start | Unknown | None:
    if value is None or isinstance(value, Start):
        return value
    if isinstance(value, Word):
        return start_called(value.id, span, (), what, frame)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Constant.model_construct(value=float(value))
    if not contains_unknown(value):
        _refuse(describe(value), span, what, frame, None)
    return UNKNOWN


def _refuse(shown: str, span: Span, what: str, frame: Frame, help: str | None) -> None:
    names = ", ".join(f"`{name}`" for name in start_classes())
    frame.report.error(
        "E0303",
        span,
        f"{what} must be how weights start, such as `he_normal` or `normal(0.02)`, not {shown}",
        help=help or f"it is a number or one of {names}",
    )


def start_of(
    layer: Layer, inputs: tuple[TensorType, ...], start: Start | None, span: Span, frame: Frame
) -> Start | Unknown | None:
    """How a layer's weights start: as its `init=` says, else as that of the `train` does."""
    general = frame.context.start
    if start is None:
        return general if general is not None and matrices(layer, inputs) else None
    shapes = layer.weights(inputs)
    problem = start_problem(
        start, layer.kind, tuple(shapes[name] for name in chosen(layer, inputs))
    )
    if problem is None:
        return start
    frame.report.error("E0303", span, problem)
    return UNKNOWN

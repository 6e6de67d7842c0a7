"""Operators and functions on tensors: each becomes a layer of its own."""

from __future__ import annotations

from dlspec.ir.layer import Layer
from dlspec.layers import find
from dlspec.passes import constants
from dlspec.passes.arguments import Given, construct
from dlspec.passes.constants import ValueProblem
from dlspec.passes.context import Frame
from dlspec.passes.stages import feed, place
from dlspec.passes.values import (
    ABSENT,
    STAGES,
    UNKNOWN,
    Absent,
    Tensor,
    Value,
    contains_unknown,
    describe,
)
from dlspec.source import Span

BOTH_TENSORS = {"+": "Add", "-": "Subtract", "*": "Multiply", "/": "Divide"}
TENSOR_FUNCTIONS = {
    "mean": "Mean",
    "sum": "Sum",
    "max": "Max",
    "min": "Min",
    "abs": "Abs",
    "square": "Square",
    "sqrt": "Sqrt",
    "exp": "Exp",
    "log": "Log",
}
"""Tensor function to the layer it is."""


def binary(operator: str, left: Value, right: Value, span: Span, frame: Frame) -> Value:
    """`left operator right` for tensors, stages (which are fed `it`) and plain values."""
    if isinstance(left, STAGES) or isinstance(right, STAGES):
        left, right = feed(left, frame, span), feed(right, frame, span)
    if contains_unknown(left) or contains_unknown(right):
        return UNKNOWN
    if isinstance(left, Absent) or isinstance(right, Absent):
        return _without(operator, left, right, span, frame)
    try:
        if isinstance(left, Tensor) or isinstance(right, Tensor):
            return _tensors(operator, left, right, span, frame)
        value = constants.binary(operator, left, right)
    except ValueProblem as problem:
        frame.report.error(problem.code, span, problem.message, help=problem.help)
        return UNKNOWN
    frame.context.check_list(value, span)
    return value


def _without(operator: str, left: Value, right: Value, span: Span, frame: Frame) -> Value:
    """A sum goes on without its absent term; a product is absent with one of its factors."""
    if operator not in ("+", "-") or (isinstance(left, Absent) and isinstance(right, Absent)):
        return ABSENT
    if isinstance(right, Absent):
        return left
    return negate(right, span, frame) if operator == "-" else right


def negate(value: Value, span: Span, frame: Frame) -> Value:
    """`-value`."""
    value = feed(value, frame, span)
    if contains_unknown(value):
        return UNKNOWN
    if isinstance(value, Absent):
        return value
    if isinstance(value, Tensor):
        return _layer("Scale", (value,), span, frame, factor=-1.0)
    try:
        return constants.negate(value)
    except ValueProblem as problem:
        frame.report.error(problem.code, span, problem.message, help=problem.help)
        return UNKNOWN


def _tensors(operator: str, left: Value, right: Value, span: Span, frame: Frame) -> Value:
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        if operator not in BOTH_TENSORS:
            raise ValueProblem("E0306", f"`{operator}` does not work on tensors")
        return _layer(BOTH_TENSORS[operator], (left, right), span, frame)
    other = right if isinstance(left, Tensor) else left
    if not isinstance(other, int | float) or isinstance(other, bool):
        raise ValueProblem("E0306", f"`{operator}` cannot take a tensor and {describe(other)}")
    if isinstance(left, Tensor):
        return _with_number(operator, left, float(other), span, frame)
    assert isinstance(right, Tensor)
    return _number_with(operator, float(other), right, span, frame)


def _with_number(operator: str, x: Tensor, number: float, span: Span, frame: Frame) -> Value:
    if operator == "+" or operator == "-":
        return _layer("Shift", (x,), span, frame, offset=number if operator == "+" else -number)
    if operator == "*":
        return _layer("Scale", (x,), span, frame, factor=number)
    if operator == "/":
        if number == 0:
            raise ValueProblem("E0307", "this divides by zero")
        return _layer("Scale", (x,), span, frame, factor=1 / number)
    if operator == "**":
        return _layer("Power", (x,), span, frame, exponent=number)
    raise ValueProblem("E0306", f"`{operator}` does not work on tensors")


def _number_with(operator: str, number: float, x: Tensor, span: Span, frame: Frame) -> Value:
    if operator in ("+", "*"):
        return _with_number(operator, x, number, span, frame)
    if operator == "-":
        negative = _layer("Scale", (x,), span, frame, factor=-1.0)
        if not isinstance(negative, Tensor):
            return UNKNOWN
        return _layer("Shift", (negative,), span, frame, offset=number)
    if operator == "/":
        return _layer("DivideInto", (x,), span, frame, numerator=number)
    raise ValueProblem("E0306", f"`{operator}` cannot take a number and a tensor in this order")


def call(name: str, given: list[Given], span: Span, frame: Frame) -> Value:
    """A tensor function, `mean(x, axis=0)`: its first argument flows, the rest configure."""
    first = feed(given[0].value, frame, span)
    if contains_unknown(first):
        return UNKNOWN
    if isinstance(first, Absent):
        return first
    if not isinstance(first, Tensor):
        frame.report.error(
            "E0306", given[0].span, f"`{name}` takes a tensor, not {describe(first)}"
        )
        return UNKNOWN
    if name == "max" and len(given) == 2 and isinstance(given[1].value, Tensor):
        return _layer("Maximum", (first, given[1].value), span, frame)
    cls = find(TENSOR_FUNCTIONS[name])
    assert cls is not None
    layer = construct(cls, name, span, given[1:], frame.report)
    return UNKNOWN if layer is None else _placed(layer, (first,), span, frame)


def index(x: Tensor, position: Value, span: Span, frame: Frame) -> Value:
    """`x[i]`, one index along axis 0."""
    if not isinstance(position, int) or isinstance(position, bool):
        frame.report.error("E0306", span, f"an index is a whole number, not {describe(position)}")
        return UNKNOWN
    return _layer("Index", (x,), span, frame, index=position)


def slice_(x: Tensor, start: Value, stop: Value, span: Span, frame: Frame) -> Value:
    """`x[a..b]`, a range along axis 0, without b."""
    for bound in (start, stop):
        if not isinstance(bound, int) or isinstance(bound, bool):
            frame.report.error(
                "E0306", span, f"the ends of a range are whole numbers, not {describe(bound)}"
            )
            return UNKNOWN
    return _layer("Slice", (x,), span, frame, start=start, stop=stop)


def _layer(
    name: str, inputs: tuple[Tensor, ...], span: Span, frame: Frame, **arguments: Value
) -> Value:
    cls = find(name)
    assert cls is not None, name
    given = [Given(key, value, span) for key, value in arguments.items()]
    layer = construct(cls, name, span, given, frame.report)
    return UNKNOWN if layer is None else _placed(layer, inputs, span, frame)


def _placed(layer: Layer, inputs: tuple[Tensor, ...], span: Span, frame: Frame) -> Value:
    result = place(layer, inputs, span, frame)
    return UNKNOWN if result is None else result[0]

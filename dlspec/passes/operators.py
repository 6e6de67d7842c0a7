"""Operators and functions on tensors: each becomes a layer."""

from __future__ import annotations

from dlspec.ir.dims import SymbolicDim
from dlspec.ir.layer import Layer
from dlspec.layers import find
from dlspec.passes import constants
from dlspec.passes.arguments import Given, construct
from dlspec.passes.constants import ValueProblem
from dlspec.passes.context import Frame
from dlspec.passes.stages import feed, place, tensors
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
    stages = isinstance(left, STAGES) or isinstance(right, STAGES)
    if stages and operator not in constants.EQUALITIES:
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
    """A tensor function, `mean(x, axis=0)`: its first argument flows, the rest configure.

    `max` and `min` of several, and functions of a list of tensors, go element by element.
    """
    first = feed(given[0].value, frame, span)
    if contains_unknown(first):
        return UNKNOWN
    if isinstance(first, Absent):
        return first
    if name in _EXTREMES and sum(argument.name is None for argument in given) > 1:
        named = next((argument for argument in given if argument.name is not None), None)
        if named is not None:
            what = f"`{name}` of several goes element by element and has no `{named.name}`"
            frame.report.error("E0301", named.span, what)
            return UNKNOWN
        values = (first, *(feed(argument.value, frame, span) for argument in given[1:]))
        return _extreme(name, values, span, frame)
    if isinstance(first, tuple) and name in _OF_LISTS and len(given) == 1:
        found = tensors(first, frame, span, f"`{name}`")
        return UNKNOWN if found is None else _layer(_OF_LISTS[name], found, span, frame)
    if not isinstance(first, Tensor):
        frame.report.error(
            "E0306", given[0].span, f"`{name}` takes a tensor, not {describe(first)}"
        )
        return UNKNOWN
    cls = find(TENSOR_FUNCTIONS[name])
    assert cls is not None
    layer = construct(cls, name, span, given[1:], frame.report)
    return UNKNOWN if layer is None else _placed(layer, (first,), span, frame)


_OF_LISTS = {"sum": "Add", "mean": "Average", "max": "Maximum", "min": "Minimum"}
"""Function of a list of tensors to the layer that it is."""
_EXTREMES = {"max": (max, "AtLeast"), "min": (min, "AtMost")}
"""Function to how it chooses from numbers, and the layer of a tensor and a number."""


def _extreme(name: str, values: tuple[Value, ...], span: Span, frame: Frame) -> Value:
    """`max(a, b, 0)`: tensors and numbers, element by element."""
    if any(contains_unknown(value) for value in values):
        return UNKNOWN
    found = tuple(value for value in values if isinstance(value, Tensor))
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(found) + len(numbers) < len(values):
        wrong = next(v for v in values if v not in (*found, *numbers))
        frame.report.error(
            "E0306",
            span,
            f"`{name}` takes tensors and numbers, not {describe(wrong)}",
            help=f"`{name}(x, axis=0)` goes along an axis",
        )
        return UNKNOWN
    result: Value = found[0]
    if len(found) > 1:
        result = _layer(_OF_LISTS[name], found, span, frame)
    choose, limited = _EXTREMES[name]
    if numbers and isinstance(result, Tensor):
        result = _layer(limited, (result,), span, frame, bound=choose(numbers))
    return result


def index(x: Tensor, position: Value, span: Span, frame: Frame) -> Value:
    """`x[i]`, one index along axis 0."""
    place = _from_an_end(x, position)
    if place == 0 and isinstance(position, SymbolicDim):
        message = f"index {position} is out of range: axis 0 of {x.type.shape_text()} ends there"
        frame.report.error("E0408", span, message)
        return UNKNOWN
    if not isinstance(place, int) or isinstance(place, bool):
        _not_a_place(f"an index is a whole number, not {describe(position)}", place, span, frame)
        return UNKNOWN
    return _layer("Index", (x,), span, frame, index=place)


def slice_(x: Tensor, start: Value, stop: Value, span: Span, frame: Frame) -> Value:
    """`x[a..b]`, a range along axis 0, without b."""
    first, last = _from_an_end(x, start), _from_an_end(x, stop)
    if first == 0 and isinstance(start, SymbolicDim):
        frame.report.error("E0403", span, f"nothing lies behind the end of {x.type.shape_text()}")
        return UNKNOWN
    if last == 0 and isinstance(stop, SymbolicDim):
        last = None  # up to the end
    for bound, written in ((first, start), (last, stop)):
        if bound is not None and (not isinstance(bound, int) or isinstance(bound, bool)):
            text = f"the ends of a range are whole numbers, not {describe(written)}"
            _not_a_place(text, bound, span, frame)
            return UNKNOWN
    return _layer("Slice", (x,), span, frame, start=first, stop=last)


def _from_an_end(x: Tensor, place: Value) -> Value:
    """A place along axis 0 that is known from the end, `x.shape[0] - 1`, as Python counts it."""
    if not isinstance(place, SymbolicDim) or not x.type.rank:
        return place
    distance = place - x.type.shape[0]
    return distance if isinstance(distance, int) and distance <= 0 else place


def _not_a_place(message: str, place: Value, span: Span, frame: Frame) -> None:
    if isinstance(place, SymbolicDim):
        message = f"{place} is known only at run time and cannot be counted from an end of axis 0"
        frame.report.error("E0410", span, message)
    else:
        frame.report.error("E0306", span, message)


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

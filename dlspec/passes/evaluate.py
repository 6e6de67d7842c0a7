"""The value of an expression: one function for each kind of syntax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dlspec.ir.dims import symbol
from dlspec.passes import constants, operators
from dlspec.passes.calls import call, named_stage
from dlspec.passes.constants import ValueProblem
from dlspec.passes.context import Frame, unknown
from dlspec.passes.flow import pipeline
from dlspec.passes.scope import did_you_mean
from dlspec.passes.spellings import foreign_help
from dlspec.passes.stages import apply, bind, feed
from dlspec.passes.values import (
    STAGES,
    UNKNOWN,
    Function,
    Tensor,
    Value,
    Word,
    contains_unknown,
    describe,
)
from dlspec.passes.whence import similar
from dlspec.passes.words import is_option
from dlspec.syntax import tree

ATTRIBUTES = ("channels", "height", "width", "features", "shape", "rank")


def evaluate(expression: tree.Expr, frame: Frame) -> Value:
    """The value of an expression. Mistakes are reported and give UNKNOWN."""
    return _RULES[type(expression)](expression, frame)


def evaluate_flow(expression: tree.Expr, frame: Frame, name: str | None = None) -> Value:
    """The value of an expression where data is meant: stages are fed the line's `it`.

    `name` is the path for the stage where there is just one.
    """
    frame = frame.as_flow()
    if isinstance(expression, tree.Pipeline):
        return pipeline(expression, frame, name, evaluate)
    value = evaluate(expression, frame)
    if name is not None and isinstance(value, STAGES):
        return apply(value, frame.current(expression.span), frame, name)
    return feed(value, frame, expression.span)


# --- literals and names --------------------------------------------------------


def _literal(expression: Any, frame: Frame) -> Value:
    return expression.value


def _it(expression: tree.It, frame: Frame) -> Value:
    return frame.current(expression.span)


def _name(expression: tree.Name, frame: Frame) -> Value:
    binding = frame.scope.find(expression.id)
    if binding is not None:
        binding.used = True
        return binding.value
    if expression.id in constants.FUNCTIONS or expression.id in operators.TENSOR_FUNCTIONS:
        return Function(expression.id, constants.call)
    if frame.arguments and is_option(expression.id):
        return Word(expression.id)
    help = did_you_mean(expression.id, frame.scope.visible())
    frame.report.error(
        "E0201",
        expression.span,
        f"there is no value `{expression.id}` here",
        labels=similar(expression.id, frame.scope),
        help=help or foreign_help(expression.id),
    )
    return UNKNOWN


def _type_name(expression: tree.TypeName, frame: Frame) -> Value:
    return named_stage(expression, (), expression.span, frame)


def _items(expression: tree.ListExpr | tree.TupleExpr, frame: Frame) -> Value:
    rule = evaluate if frame.arguments else evaluate_flow
    # One after the other, so that layers are numbered in the order of the page.
    values = tuple(rule(item, frame) for item in expression.items)
    frame.context.check_list(values, expression.span)
    return values


# --- calls, attributes, indices ---------------------------------------------------


def _call(expression: tree.Call, frame: Frame) -> Value:
    return call(expression, frame, evaluate)


def _attribute(expression: tree.Attribute, frame: Frame) -> Value:
    value = evaluate(expression.value, frame.as_flow())
    name = expression.name.id
    if contains_unknown(value):
        return UNKNOWN
    if not isinstance(value, Tensor):
        frame.report.error(
            "E0206",
            expression.name.span,
            f"{describe(value)} has no attributes",
            help="a tensor has " + ", ".join(f"`{a}`" for a in ATTRIBUTES),
        )
        return UNKNOWN
    if name not in ATTRIBUTES:
        frame.report.error(
            "E0206",
            expression.name.span,
            f"a tensor has no attribute `{name}`",
            help=did_you_mean(name, ATTRIBUTES)
            or foreign_help(name)
            or "it has " + ", ".join(f"`{a}`" for a in ATTRIBUTES),
        )
        return UNKNOWN
    shape = value.type.shape
    if name == "rank":
        return len(shape)
    if name == "shape":
        return shape
    axis = {"channels": 0, "height": -2, "width": -1, "features": -1}[name]
    least = 3 if name in ("height", "width") else 1
    if len(shape) < least:
        frame.report.error(
            "E0206", expression.name.span, f"a tensor {value.type.shape_text()} has no `{name}`"
        )
        return UNKNOWN
    return shape[axis]


def _index(expression: tree.Index, frame: Frame) -> Value:
    value = evaluate(expression.value, frame)
    inner = frame.as_argument()
    if isinstance(expression.subscript, tree.Range):
        start = evaluate(expression.subscript.start, inner)
        stop = evaluate(expression.subscript.stop, inner)
        if unknown(value, start, stop):
            return UNKNOWN
        if isinstance(value, Tensor):
            return operators.slice_(value, start, stop, expression.span, frame)
        return _list_slice(value, start, stop, expression, frame)
    position = evaluate(expression.subscript, inner)
    if unknown(value, position):
        return UNKNOWN
    if isinstance(value, Tensor):
        return operators.index(value, position, expression.span, frame)
    return _list_index(value, position, expression, frame)


def _list_index(value: Value, position: Value, expression: tree.Index, frame: Frame) -> Value:
    if not isinstance(value, tuple) or not isinstance(position, int):
        wrong = describe(value) if not isinstance(value, tuple) else describe(position)
        frame.report.error(
            "E0306",
            expression.span,
            f"`[ ]` takes one of a list or a tensor by a whole number, not {wrong}",
        )
        return UNKNOWN
    if not -len(value) <= position < len(value):
        frame.report.error(
            "E0408",
            expression.subscript.span,
            f"index {position} is out of range: the list has {len(value)} items",
        )
        return UNKNOWN
    return value[position]


def _list_slice(
    value: Value, start: Value, stop: Value, expression: tree.Index, frame: Frame
) -> Value:
    if isinstance(value, tuple) and isinstance(start, int) and isinstance(stop, int):
        first, last = (end + len(value) if end < 0 else end for end in (start, stop))
        if 0 <= first <= last <= len(value):
            return value[first:last]
    size = f" of {len(value)} items" if isinstance(value, tuple) else ""
    frame.report.error(
        "E0408", expression.subscript.span, f"this range does not lie in {describe(value)}{size}"
    )
    return UNKNOWN


def _range(expression: tree.Range, frame: Frame) -> Value:
    inner = frame.as_argument()
    bounds = (evaluate(expression.start, inner), evaluate(expression.stop, inner))
    try:
        return constants.call("range", bounds)
    except ValueProblem as problem:
        frame.report.error(problem.code, expression.span, problem.message, help=problem.help)
        return UNKNOWN


# --- operators -------------------------------------------------------------------


def _unary(expression: tree.Unary, frame: Frame) -> Value:
    value = evaluate(expression.operand, frame)
    if expression.operator == "not":
        truth = condition(value, expression.operand, frame)
        return UNKNOWN if truth is None else not truth
    return operators.negate(value, expression.span, frame.as_flow())


def _binary(expression: tree.Binary, frame: Frame) -> Value:
    """A chain hangs to the left, so its left edge is walked without recursion."""
    chain: list[tree.Binary] = []
    left: tree.Expr = expression
    while isinstance(left, tree.Binary):
        chain.append(left)
        left = left.left
    value = evaluate(left, frame)
    if isinstance(value, STAGES) and chain[-1].operator not in constants.EQUALITIES:
        # Fed before the right side is, so that layers are numbered in the order of the page.
        value = feed(value, frame.as_flow(), left.span)
    for node in reversed(chain):
        if node.operator in ("and", "or"):
            value = _logical(node, value, frame)
        else:
            right = evaluate(node.right, frame)
            value = operators.binary(node.operator, value, right, node.span, frame.as_flow())
    return value


def _logical(node: tree.Binary, left: Value, frame: Frame) -> Value:
    truth = condition(left, node.left, frame)
    if truth is None:
        return UNKNOWN
    if truth == (node.operator == "or"):
        return truth
    right = condition(evaluate(node.right, frame), node.right, frame)
    return UNKNOWN if right is None else right


def condition(value: Value, expression: tree.Expr, frame: Frame) -> bool | None:
    """A value as a condition. Reports E0308 where it is none; None then and after a mistake."""
    if isinstance(value, bool):
        return value
    if not contains_unknown(value):
        frame.report.error(
            "E0308",
            expression.span,
            f"a condition is `true` or `false`, not {describe(value)}",
            help="compare it: `> 0`" if isinstance(value, int | float) else None,
        )
    return None


# --- data through stages ----------------------------------------------------------


def _as(expression: tree.As, frame: Frame) -> Value:
    value = evaluate_flow(expression.value, frame, expression.name.id)
    bind(expression.name, value, frame)
    return value


def _pipeline_value(expression: tree.Pipeline, frame: Frame) -> Value:
    return pipeline(expression, frame, None, evaluate)


def _body(expression: Any, frame: Frame) -> Value:
    return frame.context.run_body(expression, frame)


def _error(expression: tree.ErrorExpr, frame: Frame) -> Value:
    return UNKNOWN


_RULES: dict[type, Callable[[Any, Frame], Value]] = {
    tree.Number: _literal,
    tree.String: _literal,
    tree.Bool: _literal,
    tree.NoneValue: lambda expression, frame: None,
    tree.It: _it,
    tree.Name: _name,
    tree.TypeName: _type_name,
    tree.Symbol: lambda expression, frame: symbol(expression.id),
    tree.ListExpr: _items,
    tree.TupleExpr: _items,
    tree.Call: _call,
    tree.Attribute: _attribute,
    tree.Index: _index,
    tree.Unary: _unary,
    tree.Binary: _binary,
    tree.Range: _range,
    tree.As: _as,
    tree.Pipeline: _pipeline_value,
    tree.Body: _body,
    tree.If: _body,
    tree.Repeat: _body,
    tree.For: _body,
    tree.ErrorExpr: _error,
}

"""Which bodies among a call's arguments are stages: `Block(repeat 2 { Conv(64, 3) -> ReLU })`.

A body of one expression is worth what the expression is, a number or a stage. A body that data
flows through is a stage itself and waits for it. The text tells which; nothing is evaluated.
"""

from __future__ import annotations

from enum import IntEnum

from dlspec.syntax import tree


class Kind(IntEnum):
    """A value, a stage that waits for data, or something that uses what flows."""

    PLAIN = 0
    STAGE = 1
    FLOW = 2


def waits_for_data(expression: tree.Body | tree.Repeat | tree.For) -> bool:
    """Whether data has to flow into a body before it has a value."""
    if isinstance(expression, tree.Body):
        kind = _kind_of_body(expression)
        return kind == Kind.FLOW or (kind == Kind.STAGE and len(expression.statements) > 1)
    return _kind_of_body(expression.body) != Kind.PLAIN


def _kind_of_body(body: tree.Body) -> Kind:
    """The kind of its lines, the one that asks for most."""
    kinds = [_kind(s.value) for s in body.statements if isinstance(s, tree.ExprStatement)]
    return max(kinds, default=Kind.PLAIN)


def _kind(expression: tree.Expr) -> Kind:
    if isinstance(expression, tree.Binary | tree.Unary):
        uses = any(_kind(operand) != Kind.PLAIN for operand in _operands(expression))
        return Kind.FLOW if uses else Kind.PLAIN
    if isinstance(expression, tree.Pipeline):
        return _kind(expression.stages[0])
    if isinstance(expression, tree.As):
        return _kind(expression.value)
    if isinstance(expression, tree.It):
        return Kind.FLOW
    if isinstance(expression, tree.TypeName):
        return Kind.STAGE
    if isinstance(expression, tree.Call):
        return Kind.STAGE if isinstance(expression.callee, tree.TypeName) else Kind.PLAIN
    if isinstance(expression, tree.TupleExpr):
        return max((_kind(item) for item in expression.items), default=Kind.PLAIN)
    return _kind_of_braces(expression)


def _operands(expression: tree.Expr) -> list[tree.Expr]:
    """What operators work on; a chain hangs to the left, so that is walked without recursion."""
    found: list[tree.Expr] = []
    while isinstance(expression, tree.Binary | tree.Unary):
        if isinstance(expression, tree.Binary):
            found.append(expression.right)
            expression = expression.left
        else:
            expression = expression.operand
    return [*found, expression]


def _kind_of_braces(expression: tree.Expr) -> Kind:
    if isinstance(expression, tree.Body):
        return Kind.FLOW if waits_for_data(expression) else _kind_of_body(expression)
    if isinstance(expression, tree.Repeat | tree.For):
        return Kind.FLOW if waits_for_data(expression) else Kind.PLAIN
    if isinstance(expression, tree.If):
        branches = (expression.then, expression.otherwise)
        kinds = [_kind_of_braces(branch) for branch in branches if branch is not None]
        return max(kinds)
    return Kind.PLAIN

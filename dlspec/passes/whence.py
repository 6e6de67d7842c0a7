"""Where a value came from, for labels: what a message finds wrong was often written elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter

from dlspec.diagnostics import Label
from dlspec.passes.builder import GraphBuilder
from dlspec.passes.scope import Scope, nearest
from dlspec.passes.values import Tensor
from dlspec.source import Span
from dlspec.syntax import tree

_MOST = 3
"""Labels of one kind at one mistake."""


def names_behind(expression: tree.Expr | None, scope: Scope) -> tuple[Label, ...]:
    """Where the names in an expression were given their values."""
    labels: dict[Span, Label] = {}
    for name in _names(expression):
        binding = scope.find(name.id)
        if binding is not None and binding.span is not None and not _is_inside(name, binding.span):
            labels.setdefault(binding.span, Label(binding.span, f"`{name.id}` comes from here"))
    return tuple(labels.values())[:_MOST]


def _names(expression: tree.Expr | None) -> Iterator[tree.Name]:
    """The names of values in an expression, from left to right."""
    pending: list[tree.Expr | None] = [expression]
    while pending:
        part = pending.pop()
        if isinstance(part, tree.Name):
            yield part
        elif isinstance(part, tree.Binary):
            pending += [part.right, part.left]
        elif isinstance(part, tree.Unary):
            pending.append(part.operand)
        elif isinstance(part, tree.Index):
            pending += [part.subscript, part.value]
        elif isinstance(part, tree.Call):
            pending += [argument.value for argument in reversed(part.arguments)]
        elif isinstance(part, tree.ListExpr | tree.TupleExpr):
            pending += reversed(part.items)


def _is_inside(name: tree.Name, span: Span) -> bool:
    return span.source is name.span.source and span.start <= name.span.start < span.end


def similar(name: str, scope: Scope) -> tuple[Label, ...]:
    """Where the known name most like an unknown one was bound."""
    like = nearest(name, scope.visible())
    binding = scope.find(like) if like is not None else None
    if binding is None or binding.span is None:
        return ()
    return (Label(binding.span, f"`{like}` is bound here"),)


def size_behind(inputs: Sequence[Tensor], builder: GraphBuilder) -> tuple[Label, ...]:
    """Where the greatest size arose that flows in."""
    sizes = ((size, value) for value in inputs for size in value.type.shape)
    known = [(size, value) for size, value in sizes if isinstance(size, int)]
    if not known:
        return ()
    size, value = max(known, key=itemgetter(0))
    return (Label(builder.birthplace(value, size).span, f"the size {size} comes from here"),)

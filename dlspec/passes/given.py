"""The arguments of a call as values, a bare word where the callee knows it as an option."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from dlspec.passes.arguments import Given
from dlspec.passes.context import Frame
from dlspec.passes.search import check_search
from dlspec.passes.values import Value, Word
from dlspec.syntax import tree

Evaluate: TypeAlias = Callable[[tree.Expr, Frame], Value]


def evaluated(
    arguments: Sequence[tree.Argument],
    frame: Frame,
    evaluate: Evaluate,
    words: dict[int | str, tuple[str, ...]] | None = None,
) -> list[Given]:
    """The arguments' values; a bare word is an option where the callee knows it as one."""
    inner = frame.as_argument()
    given: list[Given] = []
    for number, argument in enumerate(arguments):
        name = argument.name.id if argument.name is not None else None
        known = (words or {}).get(number if name is None else name, ())
        if _is_word(argument.value, known, frame):
            value: Value = Word(argument.value.span.text)
        else:
            value = evaluate(argument.value, inner)
        if argument.search is not None:
            check_search(value, argument.search, inner, evaluate)
        given.append(Given(name, value, argument.span, argument.value, frame.scope))
    return given


def _is_word(value: tree.Expr, known: tuple[str, ...], frame: Frame) -> bool:
    """Whether a bare name is an option: a known one, or one meant where options are expected."""
    if not isinstance(value, tree.Name) or not known:
        return False
    return value.id in known or frame.scope.find(value.id) is None

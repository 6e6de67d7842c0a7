"""Names and what they stand for, one scope in another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from dlspec.passes.values import Value
from dlspec.source import Span


class Binding:
    """What a name stands for, where it was bound, and whether anything has read it."""

    __slots__ = ("kind", "span", "used", "value")

    def __init__(self, value: Value, span: Span | None, kind: str) -> None:
        self.value = value
        self.span = span
        self.kind = kind
        self.used = False


class Scope:
    """Names of one body. `outer` is the scope around it; a `boundary` begins a declaration."""

    def __init__(self, outer: Scope | None = None, *, boundary: bool = False) -> None:
        self.outer = outer
        self.boundary = boundary
        self.names: dict[str, Binding] = {}

    def find(self, name: str) -> Binding | None:
        """The innermost binding of a name, or None."""
        scope: Scope | None = self
        while scope is not None:
            binding = scope.names.get(name)
            if binding is not None:
                return binding
            scope = scope.outer
        return None

    def in_declaration(self, name: str) -> Binding | None:
        """The binding of a name within the same declaration, or None."""
        scope: Scope | None = self
        while scope is not None:
            binding = scope.names.get(name)
            if binding is not None:
                return binding
            if scope.boundary:
                return None
            scope = scope.outer
        return None

    def bind(self, name: str, value: Value, span: Span | None, kind: str = "value") -> None:
        """Give a name a value. The caller has seen to it that the name is free."""
        self.names[name] = Binding(value, span, kind)

    def visible(self) -> Iterator[str]:
        """Every name that can be seen from here, inner ones first."""
        scope: Scope | None = self
        while scope is not None:
            yield from scope.names
            scope = scope.outer


_MOST_COMPARED = 300
"""Names that one unknown name is compared with: thousands of both must not take minutes."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like this one, where one is like it at all."""
    from difflib import get_close_matches  # only a mistake pays for it

    compared = islice(known, _MOST_COMPARED)
    choices = [choice for choice in dict.fromkeys(compared) if choice != name]
    by_lower = {choice.lower(): choice for choice in reversed(choices)}
    if name.lower() in by_lower:
        return by_lower[name.lower()]
    close = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The help line for an unknown name, or None."""
    choice = nearest(name, known)
    return f"did you mean `{choice}`?" if choice else None

"""Which names a piece of a file mentions, also where the arguments at hand do not lead.

`if depth < 50 { Basic(64) } else { Bottleneck(64) }` uses one block with these arguments
and the other with others: neither is superfluous.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from dlspec.source import Span
from dlspec.syntax import tree


def reachable(
    declarations: Mapping[str, tree.NetworkDeclaration], starts: Iterable[str]
) -> set[str]:
    """The names of declarations that these ones name, themselves or through each other."""
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        name = waiting.pop()
        if name in declarations and name not in found:
            found.add(name)
            waiting += type_names(declarations[name])
    return found


def type_names(node: object) -> Iterator[str]:
    """Every capitalised name in a piece of syntax tree."""
    return (item.id for item in _parts(node) if isinstance(item, tree.TypeName))


def value_names(node: object) -> Iterator[str]:
    """Every lower-case name in a piece of syntax tree."""
    return (item.id for item in _parts(node) if isinstance(item, tree.Name))


def _parts(node: object) -> Iterator[object]:
    waiting: list[object] = [node]
    while waiting:
        item = waiting.pop()
        yield item
        if isinstance(item, tuple) and not isinstance(item, Span):
            waiting += item

"""Which blocks a file names, also where the arguments at hand do not lead.

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
    waiting: list[object] = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, tree.TypeName):
            yield item.id
        elif isinstance(item, tuple) and not isinstance(item, Span):
            waiting += item

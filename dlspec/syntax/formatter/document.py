"""Documents: text that knows where its lines may be broken, and the printer that breaks them.

After Wadler, "A prettier printer" (2003): a group stands on one line where it fits, and
else is broken at all of its own line ends. Every document knows its width on one line,
so that printing takes time that grows with the length of the text alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf

WIDTH = 100
INDENT = 2


class Node:
    """A part of a document.

    `width` is what it takes on one line, infinite where it cannot stand on one;
    `open` tells that the line has to end behind it, since it ends with a comment.
    """

    __slots__ = ("open", "width")
    width: float
    open: bool


Document = str | Node


class Line(Node):
    """A place where a group may be broken: `flat` on one line, else a line end.

    `blank` keeps an empty line there. Where it is `hard` there is always a line end.
    """

    __slots__ = ("blank", "flat")

    def __init__(self, flat: str, *, hard: bool = False, blank: bool = False) -> None:
        self.flat = flat
        self.blank = blank
        self.width = inf if hard else len(flat)
        self.open = False


SOFT, SPACE = Line(""), Line(" ")
HARD, BLANK = Line("", hard=True), Line("", hard=True, blank=True)


class Behind(Node):
    """A comment behind what stands on its line."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text
        self.width = 0
        self.open = True


class Alone(Node):
    """A comment on a line of its own."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text
        self.width = inf
        self.open = True


class IfBroken(Node):
    """Text that is there only where the group around it is broken."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text
        self.width = 0
        self.open = False


class Row(Node):
    """Parts one behind the other."""

    __slots__ = ("parts",)

    def __init__(self, parts: Iterable[Document]) -> None:
        self.parts = tuple(parts)
        width: float = 0
        is_open = False
        for part in self.parts:
            if is_open:
                width = inf
            if isinstance(part, str):
                width += len(part)
                is_open = False
            else:
                width += part.width
                is_open = part.open
        self.width = width
        self.open = is_open


class Indent(Node):
    """A part whose lines are indented further."""

    __slots__ = ("part",)

    def __init__(self, part: Node) -> None:
        self.part = part
        self.width = part.width
        self.open = part.open


class Group(Node):
    """A part that stands on one line where it fits and has at most `limit` characters."""

    __slots__ = ("part",)

    def __init__(self, part: Node, limit: int = WIDTH) -> None:
        self.part = part
        self.width = part.width if part.width <= limit else inf
        self.open = part.open


class Choice(Node):
    """Two ways to break a part: one for the beginning of a line and one for elsewhere."""

    __slots__ = ("at_start", "elsewhere")

    def __init__(self, at_start: Node, elsewhere: Node) -> None:
        self.at_start = at_start
        self.elsewhere = elsewhere
        self.width = elsewhere.width
        self.open = elsewhere.open


class Stages(Node):
    """A pipeline. Where it does not fit on a line, one long stage may stay on it.

    `closed` tells for each stage whether it ends with a bracket or brace, so that the
    next arrow can stand behind it; `braced` whether the last one ends with braces.
    """

    __slots__ = ("arrows", "braced", "closed", "flat", "stages")

    def __init__(
        self,
        stages: Sequence[Document],
        arrows: Sequence[Document],
        closed: Sequence[bool],
        *,
        braced: bool,
    ) -> None:
        self.stages = stages
        self.arrows = arrows
        self.closed = closed
        self.braced = braced
        parts = [stages[0]]
        for arrow, stage in zip(arrows, stages[1:], strict=True):
            parts += [" ", arrow, " ", stage]
        self.flat = Row(parts)
        self.width = self.flat.width
        self.open = self.flat.open

    def around(self, place: int) -> tuple[Row, Document, Row]:
        """What stands before a stage, the stage, and what stands behind it."""
        parts = self.flat.parts
        middle = 4 * place  # each stage has an arrow and two blanks behind it
        return Row(parts[:middle]), parts[middle], Row(parts[middle + 1 :])


class Rest(Node):
    """The stages of a pipeline from one on, while it is printed.

    `broken` tells that the stage before it takes several lines.
    """

    __slots__ = ("broken", "part", "place")

    def __init__(self, part: Stages, place: int, *, broken: bool) -> None:
        self.part = part
        self.place = place
        self.broken = broken
        self.width = inf
        self.open = False


def width(part: Document) -> float:
    """What a part takes on one line."""
    return len(part) if isinstance(part, str) else part.width

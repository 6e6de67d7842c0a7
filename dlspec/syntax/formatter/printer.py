"""From a document to lines: each part is looked at once, with what may stand beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from math import isfinite

from dlspec.syntax.formatter.document import (
    INDENT,
    SPACE,
    WIDTH,
    Alone,
    Behind,
    Choice,
    Document,
    Group,
    IfBroken,
    Indent,
    Line,
    Rest,
    Row,
    Stages,
    width,
)


class Printer:
    """Breaks documents into lines, one document behind the other."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, str | None]] = []  # with the comments behind them
        self._line: list[str] = []
        self._indent = 0  # of the line that is being written
        self._column = 0
        self._comment: str | None = None
        self._must_end = False  # the line, since it ends with a comment
        self._pending: list[tuple[int, bool, Document]] = []

    def add(self, document: Document) -> None:
        """Print a document."""
        self._pending.append((0, True, document))
        while self._pending:
            self._print(*self._pending.pop())

    def text(self) -> str:
        """All lines, each with its end."""
        if self._line:
            self._end_line(0)
        return "".join(f"{line}\n" for line in _with_comments(self._lines))

    def _print(self, indent: int, broken: bool, part: Document) -> None:
        """Write a part, or put what it consists of on the stack of what is pending."""
        if isinstance(part, str):
            self._write(part, indent)
        elif isinstance(part, Row):
            self._pending.extend((indent, broken, inner) for inner in reversed(part.parts))
        elif isinstance(part, Indent):
            self._pending.append((indent + INDENT, broken, part.part))
        elif isinstance(part, Line):
            self._print_line(indent, broken, part)
        elif isinstance(part, Behind) and not self._must_end:
            self._comment = part.text
            self._must_end = True
        elif isinstance(part, Behind | Alone):
            self._print_alone(part.text, indent)
        elif isinstance(part, IfBroken):
            if broken:
                self._write(part.text, indent)
        elif isinstance(part, Rest):
            self._print_rest(indent, part)
        else:
            self._print_flat_or_broken(indent, broken, part)

    def _print_flat_or_broken(self, indent: int, broken: bool, part: Document) -> None:
        if self._must_end:
            self._end_line(indent)
        if isinstance(part, Group):
            broken = broken and not self._fits(part)
            self._pending.append((indent, broken, part.part))
        elif isinstance(part, Choice):
            chosen = part.at_start if broken and self._column == indent else part.elsewhere
            self._pending.append((indent, broken, chosen))
        elif isinstance(part, Stages):
            if broken and not self._fits(part):
                self._print_broken(indent, part)
            else:
                self._pending.append((indent, False, part.flat))

    def _print_line(self, indent: int, broken: bool, line: Line) -> None:
        if not broken:
            self._write(line.flat, indent)
            return
        self._end_line(indent)
        if line.blank:
            self._lines.append(("", None))

    def _print_alone(self, comment: str, indent: int) -> None:
        if self._line or self._must_end:
            self._end_line(indent)
        self._write(comment, indent)
        self._must_end = True

    def _print_broken(self, indent: int, part: Stages) -> None:
        """A pipeline on several lines: broken within its one long stage, else before arrows."""
        kept = self._kept(indent, part)
        if kept is None:
            first = part.stages[0]
            rest = Rest(part, 1, broken=self._column + width(first) > WIDTH)
            self._pending += [(indent + INDENT, True, rest), (indent, True, first)]
            return
        before, stage, behind = part.around(kept)
        self._pending += [(indent, False, behind), (indent, True, stage), (indent, False, before)]

    def _print_rest(self, indent: int, rest: Rest) -> None:
        """The stages from one on: as many on a line as fit, none behind one that is broken."""
        part, place = rest.part, rest.place
        arrow, stage = part.arrows[place - 1], part.stages[place]
        if place + 1 < len(part.stages):
            broken = indent + len("-> ") + width(stage) > WIDTH
            self._pending.append((indent, True, Rest(part, place + 1, broken=broken)))
        room = WIDTH - self._column - width(Row([" ", arrow, " ", stage]))
        if self._must_end or rest.broken or room < 0 or not self._pending_fit(room):
            self._end_line(indent)
        parts: list[Document] = [" ", arrow, " ", stage]
        self._pending.extend((indent, True, inner) for inner in reversed(parts))

    def _kept(self, indent: int, part: Stages) -> int | None:
        """The stage that alone is broken, with the others beside it on its lines, or None."""
        stages = part.stages
        if part.braced:
            place = len(stages) - 1
        else:
            limit = WIDTH - indent - INDENT - len("-> ")
            wide = [place for place, stage in enumerate(stages) if width(stage) > limit]
            if len(wide) != 1 or not part.closed[wide[0]]:
                return None
            place = wide[0]
        before, stage, behind = part.around(place)
        first = self._head_fits([stage], WIDTH - self._column - before.width)
        last = indent + len(")") + behind.width <= WIDTH
        return place if isfinite(before.width) and first and last else None

    def _fits(self, part: Group | Stages) -> bool:
        """Whether a part fits on the line, with what stands behind it up to the next line end."""
        room = WIDTH - self._column - part.width
        return room >= 0 and self._pending_fit(room)

    def _pending_fit(self, room: float) -> bool:
        return self._head_fits((part for _, _, part in reversed(self._pending)), room)

    def _head_fits(self, parts: Iterable[Document], room: float) -> bool:
        """Whether parts fit up to the first place where a line can end."""
        pending: list[Iterator[Document]] = [iter(parts)]
        while pending and room >= 0:
            part = next(pending[-1], None)
            if part is None:
                pending.pop()
            elif isinstance(part, str):
                room -= len(part)
            elif isinstance(part, Line | Behind | Alone | Rest):
                return True
            elif isinstance(part, Row):
                pending.append(iter(part.parts))
            elif isinstance(part, Group | Indent):
                pending.append(iter((part.part,)))
            elif isinstance(part, Choice):
                pending.append(iter((part.elsewhere,)))
            elif isinstance(part, Stages):
                pending.append(iter((part.stages[0], SPACE)))
        return room >= 0

    def _write(self, text: str, indent: int) -> None:
        if self._must_end:
            self._end_line(indent)
        if not self._line:
            if text in ("", " "):
                return
            self._line.append(" " * self._indent)
        self._line.append(text)
        self._column += len(text)

    def _end_line(self, indent: int) -> None:
        self._lines.append(("".join(self._line).rstrip(), self._comment))
        self._line = []
        self._indent = self._column = indent
        self._comment = None
        self._must_end = False


def _with_comments(lines: Iterable[tuple[str, str | None]]) -> Iterator[str]:
    """Lines with their comments, those below each other of neighbours that begin so too."""
    for _, neighbours in groupby(lines, _indentation):
        run = list(neighbours)
        commented = [(text, comment) for text, comment in run if comment is not None]
        column = max((len(text) for text, _ in commented), default=0)
        if any(len(text) + 2 + len(c) <= WIDTH < column + 2 + len(c) for text, c in commented):
            column = 0  # no comment leaves the page for the sake of its neighbours
        for text, comment in run:
            yield text if comment is None else f"{text.ljust(column)}  {comment}"


def _indentation(line: tuple[str, str | None]) -> int:
    text, _ = line
    return len(text) - len(text.lstrip(" ")) if text else -1

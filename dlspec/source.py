"""A source text and places in it.

A span is two offsets; lines and columns are found when something is printed,
so that the passes never pay for them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from pathlib import Path
from typing import NamedTuple


class Source:
    """One text with the name it is shown under. Two sources are equal only if they are one.

    `name` is what messages print (a path as the user gave it, or `<stdin>`);
    `path` is the resolved file, or None for text that came from elsewhere.
    """

    __slots__ = ("line_starts", "name", "path", "text")

    def __init__(self, name: str, text: str, path: Path | None = None) -> None:
        self.name = name
        self.text = text
        self.path = path
        starts = [0]
        starts.extend(match.end() for match in re.finditer("\n", text))
        self.line_starts = tuple(starts)

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1, columns in characters."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line_text(self, line: int) -> str:
        """The text of a line (from 1) without its line end."""
        start = self.line_starts[line - 1]
        end = self.line_starts[line] - 1 if line < len(self.line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r")


class Span(NamedTuple):
    """The characters `start` to `end` (exclusive) of a source."""

    source: Source
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    @property
    def end_line(self) -> int:
        return self.source.position(self.end)[0]

    @property
    def end_column(self) -> int:
        return self.source.position(self.end)[1]

    def with_parentheses(self) -> Span:
        """The span with the round brackets around it, which a syntax tree does not keep."""
        text, start, end = self.source.text, self.start, self.end
        while True:
            before, after = len(text[:start].rstrip(" \t")) - 1, end
            while after < len(text) and text[after] in " \t":
                after += 1
            if before < 0 or text[before] != "(" or text[after : after + 1] != ")":
                return Span(self.source, start, end)
            start, end = before, after + 1

    def to(self, other: Span) -> Span:
        """The span from the beginning of this one to the end of `other`."""
        return Span(self.source, min(self.start, other.start), max(self.end, other.end))

"""The lines of a source that a diagnostic talks of, with marks and texts under them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from dlspec.diagnostics.model import Diagnostic, Severity
from dlspec.diagnostics.render.cells import laid_out, printable
from dlspec.source import Source, Span

WINDOW = 160
"""Cells of a line that are shown; longer ones are cut around their marks."""


class Mark(NamedTuple):
    """A stretch of one line to be underlined, with the text that belongs to it."""

    span: Span
    line: int
    start: int
    """The column it begins at, in characters from 0."""
    end: int
    text: str
    primary: bool


class _Row(NamedTuple):
    """A mark in cells of the printed line."""

    start: int
    end: int
    text: str
    primary: bool


def marks_of(diagnostic: Diagnostic) -> list[Mark]:
    """All marks of a diagnostic, its own place first."""
    marks = _marks(diagnostic.span, diagnostic.label, primary=True)
    for label in diagnostic.labels:
        marks.extend(_marks(label.span, label.text, primary=False))
    return marks


def _marks(span: Span, text: str, *, primary: bool) -> list[Mark]:
    """One mark, or two for a span of several lines: where it begins and where it ends."""
    source = span.source
    start = min(span.start, len(source.text))
    end = max(start, start + len(source.text[start : span.end].rstrip()))
    first, column = source.position(start)
    last, end_column = source.position(end)
    if first == last:
        return [Mark(span, first, column - 1, end_column - 1, text, primary)]
    opening, closing = source.line_text(first), source.line_text(last)
    indentation = len(closing) - len(closing.lstrip())
    return [
        Mark(span, first, column - 1, len(opening.rstrip()), "", primary),
        Mark(span, last, indentation, end_column - 1, text or "to here", primary),
    ]


def excerpt(
    source: Source,
    marks: list[Mark],
    gutter: int,
    severity: Severity,
    paint: Callable[[str, Severity | Literal["frame", "label"]], str],
) -> list[str]:
    """The marked lines in order; `…` stands for lines that are left out.

    gutter: the width of the column of line numbers
    """
    printed: list[str] = []
    previous = 0
    for line in sorted({mark.line for mark in marks}):
        if previous and line > previous + 2:
            printed.append(paint("…", "frame"))
        elif previous and line == previous + 2:
            between, _ = _windowed(source.line_text(line - 1), [])
            printed.append(_numbered(line - 1, between, gutter, paint))
        text, rows = _windowed(source.line_text(line), [m for m in marks if m.line == line])
        printed.append(_numbered(line, text, gutter, paint))
        frame = paint(" " * gutter + "│", "frame")
        printed.extend(f"{frame} {row}" for row in _underline(rows, severity, paint))
        previous = line
    return printed


def _numbered(line: int, text: str, gutter: int, paint: Callable[..., str]) -> str:
    return (paint(f"{line:<{gutter}}│", "frame") + " " + text).rstrip()


def _windowed(text: str, marks: list[Mark]) -> tuple[str, list[_Row]]:
    """The printed line and its marks in cells; what lies far from the marks is cut off."""
    first = max(0, min((m.start for m in marks), default=0) - WINDOW // 4)
    cut_left = first > 0 and len(text) > WINDOW
    begin = first if cut_left else 0
    piece = text[begin : begin + WINDOW]
    cut_right = begin + WINDOW < len(text)
    printed, cells = laid_out(piece)
    shift = 1 if cut_left else 0
    rows: list[_Row] = []
    for mark in marks:
        start = cells[min(max(mark.start - begin, 0), len(piece))] + shift
        end = cells[min(max(mark.end - begin, 0), len(piece))] + shift
        rows.append(_Row(start, max(end, start + 1), mark.text, mark.primary))
    return "…" * cut_left + printed + "…" * cut_right, rows


def _underline(rows: list[_Row], severity: Severity, paint: Callable[..., str]) -> list[str]:
    """The row of marks, the rightmost with its text, then a row for each other text."""
    marked = [" "] * max(row.end for row in rows)
    owner: list[bool] = [False] * len(marked)
    for row in sorted(rows, key=lambda r: (r.start - r.end, r.primary)):  # the inner on top
        marked[row.start : row.end] = ("^" if row.primary else "-") * (row.end - row.start)
        owner[row.start : row.end] = [row.primary] * (row.end - row.start)
    texts = sorted((r for r in rows if r.text), key=lambda r: (r.start, r.end))
    trailing = texts.pop() if texts and texts[-1].end == len(marked) else None
    line = _painted("".join(marked), owner, severity, paint)
    if trailing:
        style = severity if trailing.primary else "label"
        line += " " + paint(printable(trailing.text), style)
    return [line, *_hanging(texts, severity, paint)]


def _painted(text: str, owner: list[bool], severity: Severity, paint: Callable[..., str]) -> str:
    pieces: list[str] = []
    begin = 0
    for i in range(1, len(text) + 1):
        if i == len(text) or owner[i] != owner[begin]:
            pieces.append(paint(text[begin:i], severity if owner[begin] else "label"))
            begin = i
    return "".join(pieces)


def _hanging(texts: list[_Row], severity: Severity, paint: Callable[..., str]) -> list[str]:
    """Texts below their marks, the rightmost first, each under where its mark begins."""
    lines: list[str] = []
    for number in range(len(texts) - 1, -1, -1):
        row = texts[number]
        stems = {other.start for other in texts[:number] if other.start < row.start}
        lead = "".join("│" if cell in stems else " " for cell in range(row.start))
        style = severity if row.primary else "label"
        lines.append(paint(lead, "frame") + paint("╰ " + printable(row.text), style))
    return lines

"""Diagnostics for people: the lines of the spec with marks under what matters.

error[E0402]: these tensors cannot be added: [64, 28, 28] and [128, 28, 28]
  ┌─ resnet.dlnet:14:3
  │
8 │   skip = it -> Conv(64, 1)
  │          ----------------- this is [64, 28, 28]
…
14│   it + skip -> ReLU
  │   ^^   ---- axis 0 differs: 128 and 64
  │
  = help: give the convolution on line 8 128 filters
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from dlspec.diagnostics.model import Diagnostic, Fix
from dlspec.diagnostics.render import count
from dlspec.diagnostics.render.cells import printable
from dlspec.diagnostics.render.excerpt import Mark, excerpt, marks_of
from dlspec.source import Source

Style: TypeAlias = Literal["error", "warning", "label", "frame", "help", "title"]
Paint: TypeAlias = Callable[[str, Style], str]


def plain(text: str, style: Style) -> str:
    """No colour at all."""
    return text


MOST = 100
"""Diagnostics that a person is shown at once; the other formats hold all."""


def render(diagnostics: Iterable[Diagnostic], paint: Paint = plain) -> str:
    """Every diagnostic with an empty line behind it, then how many there are.

    Of more than `MOST` the errors come first, and what is left out is said.
    """
    found = tuple(diagnostics)
    if not found:
        return ""
    shown, total = found, count(found)
    if len(found) > MOST:
        shown = tuple(sorted(found, key=lambda d: d.severity != "error")[:MOST])
        total += f"; {MOST} are shown, `--format json` lists all"
    blocks = [render_one(diagnostic, paint) for diagnostic in shown]
    return "\n".join([*blocks, total + "\n"])


def render_one(diagnostic: Diagnostic, paint: Paint = plain) -> str:
    """One diagnostic, ended by a newline."""
    severity = diagnostic.severity
    heading = paint(f"{severity}[{diagnostic.code}]", severity)
    lines = [heading + paint(f": {printable(diagnostic.message)}", "title")]
    groups = _by_source(diagnostic)
    gutter = max(2, *(len(str(mark.line)) for marks in groups.values() for mark in marks))
    for number, (source, marks) in enumerate(groups.items()):
        if number:
            lines.append(paint(" " * gutter + "│", "frame"))
        span = next(m.span for m in marks)
        place = f"{printable(source.name)}:{span.line}:{span.column}"
        lines.append(paint(" " * gutter + "┌─ ", "frame") + place)
        lines.append(paint(" " * gutter + "│", "frame"))
        lines.extend(excerpt(source, marks, gutter, severity, paint))
    notes = _notes(diagnostic)
    if notes:
        lines.append(paint(" " * gutter + "│", "frame"))
    for kind, text in notes:
        lines.extend(_note(kind, text, gutter, paint))
    return "\n".join(lines) + "\n"


def _by_source(diagnostic: Diagnostic) -> dict[Source, list[Mark]]:
    """The marks of each file, the diagnostic's own file first and its own mark first there."""
    groups: dict[Source, list[Mark]] = {}
    for mark in marks_of(diagnostic):
        groups.setdefault(mark.span.source, []).append(mark)
    return groups


def _notes(diagnostic: Diagnostic) -> list[tuple[str, str]]:
    notes: list[tuple[str, str]] = []
    if diagnostic.help:
        notes.append(("help", diagnostic.help))
    if diagnostic.fix:
        notes.append(("fix", _fix_text(diagnostic.fix)))
    return notes


def _fix_text(fix: Fix) -> str:
    one_line = fix.replacement and "\n" not in fix.replacement
    if not one_line or fix.replacement in fix.title:
        return fix.title
    return f"{fix.title}: `{fix.replacement}`"


def _note(kind: str, text: str, gutter: int, paint: Paint) -> list[str]:
    first, *rest = text.splitlines()
    head = paint(" " * gutter + "= ", "frame") + paint(f"{kind}: ", "help") + printable(first)
    margin = " " * (gutter + 2 + len(kind) + 2)
    return [head, *(margin + printable(line) for line in rest)]

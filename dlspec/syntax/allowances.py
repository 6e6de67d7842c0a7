"""`# dlspec: allow W0401`: comments that let a warning of one line be.

At the end of a line they speak of that line, on a line of their own of the next one that is
no comment. Behind the codes may stand a reason.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dlspec.source import Source, Span
from dlspec.syntax.comments import DIRECTIVE, comments

_CODES = re.compile(r"[ \t]*([A-Za-z]{1,2}[0-9]{1,8})\b[ \t]*,?")


class Allowance(NamedTuple):
    """One comment: its word (`allow`), its codes in its own spelling, the line it speaks of.

    span: from its `#` to its end
    """

    word: Span
    codes: tuple[Span, ...]
    line: int
    span: Span


def allowances(source: Source) -> tuple[Allowance, ...]:
    """Every comment of a text that is for the compiler, in order."""
    if not DIRECTIVE.search(source.text):
        return ()
    targets = _targets(source)
    found: list[Allowance] = []
    for start, end in comments(source.text):
        match = DIRECTIVE.search(source.text, start, end)
        if match is not None:
            line = source.position(start)[0]
            found.append(_read(source, match, end, targets.get(line, line)))
    return tuple(found)


def _read(source: Source, directive: re.Match[str], end: int, line: int) -> Allowance:
    codes: list[Span] = []
    place = directive.end()
    while (code := _CODES.match(source.text, place, end)) is not None:
        codes.append(Span(source, *code.span(1)))
        place = code.end()
    span = Span(source, directive.start(), codes[-1].end if codes else end)
    return Allowance(Span(source, *directive.span(1)), tuple(codes), line, span)


def _targets(source: Source) -> dict[int, int]:
    """For each line that is a comment alone, the next one that is none."""
    targets: dict[int, int] = {}
    target = len(source.line_starts) + 1
    for line in range(len(source.line_starts), 0, -1):
        if source.line_text(line).lstrip().startswith("#"):
            targets[line] = target
        else:
            target = line
    return targets

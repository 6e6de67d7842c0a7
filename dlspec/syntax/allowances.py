"""`# dlspec: allow W0401`: comments that let a warning of one line be.

At the end of a line they speak of that line, on a line of their own of the next one that is
no comment. A line is a statement here, however many lines it is laid out in: the formatter may
break one whose end has a comment. Behind the codes may stand a reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from dlspec.source import Source, Span
from dlspec.syntax.comments import DIRECTIVE, comments
from dlspec.syntax.lexer import pattern

_CODES = re.compile(r"[ \t]*([A-Za-z]{1,2}[0-9]{1,8})\b[ \t]*,?")


class Allowance(NamedTuple):
    """One comment: its word (`allow`), its codes in its own spelling, the line it speaks of.

    span: from its `#` to its last code
    """

    word: Span
    codes: tuple[Span, ...]
    line: int
    span: Span


class Allowances(NamedTuple):
    """The comments of a text that are for the compiler, in order.

    statements: of each line with words on it, the line that its statement begins on
    """

    comments: tuple[Allowance, ...]
    statements: Mapping[int, int]


def allowances(source: Source) -> Allowances:
    """Every comment of a text that is for the compiler, and how its lines belong together."""
    if not DIRECTIVE.search(source.text):
        return Allowances((), {})
    targets, statements = _targets(source), _statements(source.text)
    found: list[Allowance] = []
    for start, end in comments(source.text):
        match = DIRECTIVE.search(source.text, start, end)
        if match is not None:
            line = source.position(start)[0]
            line = targets.get(line, line)
            found.append(_read(source, match, end, statements.get(line, line)))
    return Allowances(tuple(found), statements)


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


def _statements(text: str) -> dict[int, int]:
    """For each line with words on it, the line that its statement begins on: a statement goes on
    within `( )` and `[ ]`, and where the next line begins with `->` or `else`."""
    statements: dict[int, int] = {}
    brackets: list[str] = []
    line = start = 1
    ended = True
    for match in pattern().finditer(text):
        word = match.group()
        if match.lastgroup == "NEWLINE":
            line += word.count("\n")
            ended = ended or not brackets or brackets[-1] == "{"
        elif match.lastgroup != "IGNORED":
            if ended and word not in ("->", "else"):
                start = line
            ended = False
            statements.setdefault(line, start)
            if word in ("(", "[", "{"):
                brackets.append(word)
            elif word in (")", "]", "}") and brackets:
                brackets.pop()
    return statements

"""Mistakes that show what was left out, or stands in front without need: words and callees."""

from __future__ import annotations

import re

from dlspec.diagnostics.model import Label
from dlspec.syntax.lexer import Token
from dlspec.syntax.lines import CLOSERS, OPENERS
from dlspec.syntax.parser import Parser

_LOOK_BACK = 1000
_HIDDEN = re.compile(r"#.*\b(?:block|model|data|train) +[A-Z].*\{")
"""A comment with the header of a declaration in it."""


def hidden_header(parser: Parser) -> tuple[Label, ...]:
    """The comment above a line outside all declarations, where it ends like a header."""
    source, token = parser.mistakes.source, parser.token
    if parser.accepts("NUMBER") or not parser.accepts("model"):
        return ()
    line = source.position(token.start)[0] - 1
    match = _HIDDEN.search(source.line_text(line)) if line > 0 else None
    if match is None:
        return ()
    start = source.line_starts[line - 1]
    span = parser.mistakes.span(start + match.start(), start + match.end())
    return (Label(span, "does a declaration begin in this comment?"),)


def nothing_called(parser: Parser) -> bool:
    """`-> (32, padding=2)`: arguments without what takes them, noticed at the `=`."""
    token = parser.token
    place = parser.position - 1
    if token.kind != "=" or place < 0 or parser.tokens[place].kind != "NAME":
        return False
    depth, first = 0, max(place - _LOOK_BACK, 0)
    while place > first and (depth or parser.tokens[place].kind != "("):
        kind = parser.tokens[place].kind
        depth += (kind in OPENERS) - (kind in CLOSERS)
        if depth < 0 or kind == "NEWLINE":
            return False
        place -= 1
    opened, callee = parser.tokens[place], None
    for number in range(place + 1, parser.position - 1):
        kind = parser.tokens[number].kind
        depth += (kind in CLOSERS) - (kind in OPENERS)
        if depth == 0 and kind == "TYPE_NAME" and parser.tokens[number + 1].kind != "(":
            callee = parser.tokens[number]
    if opened.kind != "(" or parser.tokens[place - 1].kind in ("NAME", "TYPE_NAME", ")", "]"):
        return False
    labels = (Label(parser.mistakes.span(token.start, token.end), "this gives an argument"),)
    if callee is not None:
        span = parser.mistakes.span(callee.start, callee.end)
        labels = (Label(span, "is a `(` missing behind this?"), *labels)
    parser.mistakes.error(
        "E0101",
        opened.start,
        opened.end,
        "nothing stands in front of this `(` that would take arguments",
        labels=labels,
        help="write the name of a layer or a function there: `Conv(64, padding=1)`",
    )
    return True


def untold_type(parser: Parser) -> bool:
    """`image: float[3, 32, 32]`, noticed at the `:`."""
    token, before = parser.token, parser.previous
    following = parser.tokens[parser.position + 1 : parser.position + 2]
    if (
        token.kind != ":"
        or before is None
        or before.kind != "NAME"
        or not following
        or following[0].text not in ("float", "int", "bool")
        or not parser.accepts("=")
        or parser.partial() != len(parser.values) - 1
    ):
        return False
    parser.mistakes.error(
        "E0101",
        before.start,
        token.end,
        "a line that gives a type begins with `input` or `parameter`",
        replacement=f"input {before.text}:",
        title=f"write `input {before.text}:`",
        safe=False,
    )
    del parser.values[-1], parser.extents[-1], parser.depths[-1], parser.states[-1]
    parser.feed(Token("input", "", before.start, before.start))
    parser.feed(Token("NAME", before.text, before.start, before.end))
    return True


def module_in_front(parser: Parser) -> bool:
    """`nn.Conv2d(…)`, noticed at the stage behind the point."""
    token, before = parser.token, parser.previous
    if token.kind != "TYPE_NAME" or before is None or before.kind != "." or len(parser.values) < 2:
        return False
    start = parser.extents[-2][0]
    if not re.fullmatch(r"[a-z_]\w*(?:\.\w+)*", parser.mistakes.source.text[start : before.start]):
        return False
    parser.mistakes.error(
        "E0101",
        start,
        before.end,
        "a stage stands by itself, with no module in front",
        replacement="",
        title="remove it",
        safe=False,
    )
    del parser.values[-2:], parser.extents[-2:], parser.depths[-2:], parser.states[-2:]
    return True

"""The tokens of a spec with the comments between them.

The parser needs no comments; the formatter must lose none. Each comment belongs to a
token: it stands behind it on its line, or on lines of its own before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dlspec.syntax.lexer import Token

BREAKING = {
    "->": 0,
    "or": 1,
    "and": 2,
    "==": 3,
    "!=": 3,
    "<": 3,
    "<=": 3,
    ">": 3,
    ">=": 3,
    "..": 4,
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    "//": 6,
    "%": 6,
}
"""The operators that a long line may be broken before, from the loosest to the tightest."""

OPERANDS = frozenset(
    {"NAME", "TYPE_NAME", "NUMBER", "STRING", "SYMBOL", "it", "true", "false", "none"}
)
"""The kinds of pieces that are operands by themselves."""

ENDS = OPERANDS | {")", "]", "}"}


class Comment(NamedTuple):
    """A comment on a line of its own, and whether an empty line stands before it."""

    text: str
    blank: bool


class Piece:
    """A token with its comments.

    `before` are the comments on lines of their own, `behind` the one on its line; `blank`
    tells of an empty line right before the token, `ends` of a line end that counts behind it.
    """

    __slots__ = ("before", "behind", "blank", "ends", "kind", "text")

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        self.text = text
        self.before: list[Comment] = []
        self.behind: str | None = None
        self.blank = False
        self.ends = False


def pieces(text: str, tokens: Sequence[Token]) -> list[Piece]:
    """The pieces of a text without mistakes, `$END` the last; `tokens` are the parser's."""
    found: list[Piece] = []
    end = 0
    for token in tokens:
        if token.kind == "NEWLINE":
            found[-1].ends = True
            continue
        piece = Piece(token.kind, token.text)
        gap = text[end : token.start]
        if gap and gap != " ":
            _read_gap(gap, found[-1] if found else None, piece)
        found.append(piece)
        end = token.end
    return found


def _read_gap(gap: str, last: Piece | None, piece: Piece) -> None:
    """Give the comments between two tokens to the one they belong to."""
    first, *lines = gap.split("\n")
    if last is None:
        lines.insert(0, first)
    elif "#" in first:
        last.behind = first.strip()
    for line in lines[:-1]:
        content = line.strip()
        if content:
            piece.before.append(Comment(content, piece.blank))
        piece.blank = not content
    if lines and (content := lines[-1].strip()):  # at the end of a file without a line end
        piece.before.append(Comment(content, piece.blank))
        piece.blank = False


def comments(all_pieces: Sequence[Piece]) -> Iterator[str]:
    """Every comment, in the order of the text."""
    for piece in all_pieces:
        for comment in piece.before:
            yield comment.text
        if piece.behind is not None:
            yield piece.behind


def settle_comments(all_pieces: Sequence[Piece]) -> None:
    """Move comments off operators and commas, next to which a line will be broken.

    Before an operator and behind a comma there will be the line ends, wherever they were: a
    comment behind an operator goes before it, one before a comma behind it. The order stays.
    """
    for place in range(1, len(all_pieces) - 1):
        last, piece, following = all_pieces[place - 1 : place + 2]
        if piece.kind == ",":
            _settle_comma(last, piece, following)
        elif piece.kind in BREAKING and last.kind in ENDS:
            _settle_operator(last, piece, following)


def _settle_operator(last: Piece, operator: Piece, following: Piece) -> None:
    if operator.behind is not None:
        if last.behind is None and not operator.before:
            last.behind = operator.behind
        else:
            operator.before.append(Comment(operator.behind, False))
        operator.behind = None
    operator.before += following.before
    following.before = []


def _settle_comma(last: Piece, comma: Piece, following: Piece) -> None:
    moved = comma.before
    comma.before = []
    if comma.behind is not None and (moved or last.behind is not None):
        moved = [*moved, Comment(comma.behind, False)]
        comma.behind = None
    if last.behind is not None:
        comma.behind, last.behind = last.behind, None
    following.before = moved + following.before

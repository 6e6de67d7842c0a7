"""The lines that tokens stand on: what indentation tells of brackets, and one mistake a line."""

from __future__ import annotations

import re
from bisect import bisect_right

from dlspec.diagnostics.model import Label
from dlspec.syntax.lexer import Token
from dlspec.syntax.mistakes import Mistakes

CLOSERS = {"(": ")", "[": "]", "{": "}"}
OPENERS = {")": "(", "]": "[", "}": "{"}
_BEGIN = re.compile(r"([ \t]*)([a-z]*)")


class Lines:
    """The lines of a list of tokens, which are named by their places in the list."""

    def __init__(self, tokens: list[Token], mistakes: Mistakes) -> None:
        self.tokens = tokens
        self.mistakes = mistakes
        self._reported: set[int] = set()

    def start(self, place: int) -> int:
        """The offset at which the line of a token begins."""
        starts = self.mistakes.source.line_starts
        return starts[bisect_right(starts, self.tokens[place].start) - 1]

    def begin(self, place: int) -> tuple[int, str]:
        """The indentation and the first word of the line of a token."""
        match = _BEGIN.match(self.mistakes.source.text, self.start(place))
        return (len(match.group(1)), match.group(2)) if match else (0, "")

    def indentation(self, place: int) -> int:
        """The number of blanks before the line of a token."""
        return self.begin(place)[0]

    def is_inside(self, place: int) -> bool:
        """Whether another token stands before this one on its line."""
        return place > 0 and self.tokens[place - 1].kind != "NEWLINE"

    def same(self, one: int, other: int) -> bool:
        """Whether two tokens stand on one line."""
        return self.start(one) == self.start(other)

    def report(
        self,
        code: str,
        place: int,
        message: str,
        *labels: Label,
        label: str = "",
        help: str | None = None,
        replacement: str | None = None,
        title: str = "",
    ) -> None:
        """Report a bracket, one a line: those behind it mostly follow from it."""
        token = self.tokens[place]
        self.mistakes.silence(token.start)
        line = self.start(place)
        if line in self._reported:
            return
        self._reported.add(line)
        self.mistakes.error(
            code,
            token.start,
            token.end,
            message,
            labels=labels,
            label=label,
            help=help,
            replacement=replacement,
            title=title,
            safe=False,
        )


def balanced_for_certain(tokens: list[Token]) -> list[Token]:
    """Tokens that are balanced for certain: two repairs may have crossed each other."""
    out: list[Token] = []
    open_kinds: list[str] = []
    for token in tokens:
        kind = token.kind
        if kind in CLOSERS:
            open_kinds.append(kind)
        elif kind in OPENERS or kind == "$END":
            wanted = OPENERS.get(kind)
            if wanted is not None and wanted not in open_kinds:
                continue
            while open_kinds and (last := open_kinds.pop()) != wanted:
                out.append(Token(CLOSERS[last], "", token.start, token.start))
        out.append(token)
    return out

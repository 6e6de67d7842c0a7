"""The lines that tokens stand on: what indentation tells of brackets, and one mistake a line."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping

from dlspec.diagnostics.model import Label
from dlspec.syntax.lexer import Token
from dlspec.syntax.mistakes import Mistakes

CLOSERS = {"(": ")", "[": "]", "{": "}"}
OPENERS = {")": "(", "]": "[", "}": "{"}
_LOOK_BACK = 1000
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

    def callee(self, closer: int, closed_at: Mapping[int, int]) -> tuple[Label, ...]:
        """The name on the line of a stray bracket behind which its opening one was forgotten.

        The arguments are what commas part, so it stands before the first of them. Of two
        brackets in a row, one is rather too many.

        closed_at: where brackets on the line are closed
        """
        kind = self.tokens[closer].kind
        if self.start(closer) in self._reported or self.tokens[closer - 1].kind == kind:
            return ()
        place = closer
        while place and closer - place < _LOOK_BACK and self.tokens[place - 1].kind != "NEWLINE":
            place -= 1
        names: list[int] = []
        while place < closer and (self.tokens[place].kind != "," or not names):
            token = self.tokens[place]
            if token.kind in CLOSERS and place not in closed_at:
                names = []
            elif token.kind in ("NAME", "TYPE_NAME"):
                names.append(place)
            place = closed_at.get(place, place) + 1
        capitals = [name for name in names if self.tokens[name].kind == "TYPE_NAME"]
        found = (capitals if kind == ")" else []) or names
        if not found:
            return ()
        name = self.tokens[found[-1]]
        self.mistakes.silence(name.start)
        span = self.mistakes.span(name.start, name.end)
        return (Label(span, f"is a `{OPENERS[kind]}` missing here?"),)

    def missing(self, bracket: str, place: int) -> Label:
        """Where a bracket is missing: before a token, or behind the line before it."""
        found = self.tokens[place]
        before = place - 1
        while before > 0 and self.tokens[before].kind == "NEWLINE":
            before -= 1
        if found.kind != "$END" and (found.kind == "NEWLINE" or not self.same(before, place)):
            found, where = self.tokens[before], "behind this"
        else:
            where = "before " + ("the end of the file" if found.kind == "$END" else "this")
        return Label(self.mistakes.span(found.start, found.end), f"`{bracket}` is missing {where}")

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

"""Brackets and lines: which bracket belongs to which, and which line ends count.

Brackets are matched before anything is parsed. A missing or surplus one is then
one mistake, put right here, and the parser sees balanced brackets alone.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

from dlspec.diagnostics.model import Label
from dlspec.syntax.lexer import Token
from dlspec.syntax.mistakes import Mistakes

DEPTH_LIMIT = 64
CLOSERS = {"(": ")", "[": "]", "{": "}"}
OPENERS = {")": "(", "]": "[", "}": "{"}
DECLARATIONS = frozenset({"use", "let", "block", "model", "data", "train"})
HEADERS = frozenset({"block", "model", "train", "repeat", "for", "if", "step"})
_LINE_BEGIN = re.compile(r"([ \t]*)([a-z]*)")
CONTINUERS = frozenset({"->", "else"})


def arrange(tokens: list[Token], mistakes: Mistakes) -> list[Token]:
    """The tokens that the parser sees: brackets balanced, line ends only where they count."""
    repair = _match(tokens, mistakes)
    if repair.dropped or repair.inserted:
        tokens = _repaired(tokens, repair)
    out: list[Token] = []
    add = out.append
    quiet = [False]  # whether line ends count for nothing, for each open bracket
    for token in tokens:
        kind = token.kind
        last = out[-1].kind if out else "NEWLINE"
        if kind == "NEWLINE":
            if quiet[-1] or last == "NEWLINE" or last == "{":
                continue
        elif kind in CONTINUERS:
            if last == "NEWLINE" and out:
                out.pop()
        elif kind in CLOSERS:
            quiet.append(kind != "{")
        elif kind in OPENERS:
            quiet.pop()
            if kind == "}" and last != "NEWLINE" and last != "{":
                add(Token("NEWLINE", "", token.start, token.start))
        elif kind == "$END" and last != "NEWLINE":
            add(Token("NEWLINE", "", token.start, token.start))
        add(token)
    return out


class _Repair(NamedTuple):
    """Tokens to leave out, and tokens to put in before others, by their places."""

    dropped: set[int]
    inserted: dict[int, list[Token]]


def _repaired(tokens: list[Token], repair: _Repair) -> list[Token]:
    out: list[Token] = []
    for place, token in enumerate(tokens):
        out.extend(repair.inserted.get(place, ()))
        if place not in repair.dropped:
            out.append(token)
    return out


def _match(tokens: list[Token], mistakes: Mistakes) -> _Repair:
    """Match all brackets; report and repair those without a partner, and too many."""
    matcher = _Matcher(tokens, mistakes)
    kinds = CLOSERS.keys() | OPENERS.keys() | DECLARATIONS | {"$END"}
    for place, token in enumerate(tokens):
        kind = token.kind
        if kind not in kinds:
            if matcher.surplus:
                matcher.dropped.add(place)
        elif kind in CLOSERS:
            matcher.open(place, token)
        elif kind in OPENERS:
            matcher.close(place, token)
        elif matcher.stack and (kind == "$END" or matcher.begins_declaration(place)):
            matcher.end_all(place)
    return _Repair(matcher.dropped, matcher.inserted)


class _Matcher:
    """The state of bracket matching: the places of the open brackets, and the repairs."""

    def __init__(self, tokens: list[Token], mistakes: Mistakes) -> None:
        self.tokens = tokens
        self.mistakes = mistakes
        self.stack: list[int] = []
        self.surplus = 0  # brackets open beyond the limit; what stands in them is left out
        self.dropped: set[int] = set()
        self.inserted: dict[int, list[Token]] = {}
        self._suspect: dict[int, int] = {}  # open brace -> inner one that ends at its indentation
        self._closed_at: dict[int, int] = {}

    def open(self, place: int, token: Token) -> None:
        if len(self.stack) < DEPTH_LIMIT and not self.surplus:
            self.stack.append(place)
            return
        if not self.surplus:
            self.mistakes.error("E0701", token.start, token.end,
                                f"brackets are nested deeper than {DEPTH_LIMIT} levels here",
                                help="bind a name to an inner part, on a line of its own")
            self.mistakes.silence(token.start)
        self.surplus += 1
        self.dropped.add(place)

    def close(self, place: int, token: Token) -> None:
        opener = OPENERS[token.kind]
        if self.surplus:
            self.surplus -= 1
            self.dropped.add(place)
        elif self.stack and self.tokens[self.stack[-1]].kind == opener:
            self._pair(self.stack.pop(), place)
        elif self._is_open(opener):
            unclosed: list[int] = []
            while self.tokens[self.stack[-1]].kind != opener:
                unclosed.append(self.stack.pop())
            self._report_unclosed(unclosed, place)
            self._pair(self.stack.pop(), place)
        else:
            self._report_surplus(place, token)

    def begins_declaration(self, place: int) -> bool:
        """Whether a word that begins declarations stands where the open one should have ended."""
        if place and self.tokens[place - 1].kind != "NEWLINE":
            return False
        return self._indentation(place) <= self._indentation(self.stack[0])

    def end_all(self, place: int) -> None:
        """Report every open bracket as not closed, and close it."""
        unclosed = self.stack[::-1]
        self.stack.clear()
        self.surplus = 0
        self._report_unclosed(unclosed, place)
        here = self.tokens[place].start
        self.inserted.setdefault(place, []).append(Token("NEWLINE", "", here, here))

    def _is_open(self, opener: str) -> bool:
        """Whether such a bracket is open; ( and [ only within the innermost braces."""
        for place in reversed(self.stack):
            kind = self.tokens[place].kind
            if kind == opener:
                return True
            if kind == "{":
                return False
        return False

    def _pair(self, opener: int, closer: int) -> None:
        self._closed_at[opener] = closer
        if self.tokens[opener].kind != "{" or not self.stack:
            return
        first_on_line = self.tokens[closer - 1].kind == "NEWLINE"
        if first_on_line and self._indentation(closer) < self._indentation(opener):
            self._suspect.setdefault(self.stack[-1], opener)

    def _line_start(self, place: int) -> int:
        starts = self.mistakes.source.line_starts
        return starts[bisect_right(starts, self.tokens[place].start) - 1]

    def _line_begin(self, place: int) -> tuple[int, str]:
        """The indentation and the first word of the line of a token."""
        match = _LINE_BEGIN.match(self.mistakes.source.text, self._line_start(place))
        return (len(match.group(1)), match.group(2)) if match else (0, "")

    def _indentation(self, place: int) -> int:
        return self._line_begin(place)[0]

    def _report_unclosed(self, unclosed: list[int], place: int) -> None:
        line_reported: int | None = None
        for opener in unclosed:
            token = self.tokens[opener]
            end = self._end_of(opener, place) if token.kind != "{" else place
            closer = CLOSERS[token.kind]
            self.inserted.setdefault(end, []).append(
                Token(closer, "", self.tokens[end].start, self.tokens[end].start))
            self.mistakes.silence(token.start)
            line = self._line_start(opener)
            if line != line_reported:
                line_reported = line
                self._report_one(opener, closer, end)

    def _report_one(self, opener: int, closer: str, end: int) -> None:
        if opener in self._suspect:
            # The indentation tells which one was forgotten: not the outer, an inner.
            opener = self._suspect[opener]
            end = self._closed_at[opener]
        token, found = self.tokens[opener], self.tokens[end]
        before = "the end of the file" if found.kind == "$END" else "this"
        missing = Label(self.mistakes.span(found.start, found.end),
                        f"`{closer}` is missing before {before}")
        self.mistakes.error("E0102", token.start, token.end,
                            f"this `{token.kind}` is not closed", label="opened here",
                            labels=(missing,), help=f"close it with `{closer}`")

    def _end_of(self, opener: int, limit: int) -> int:
        """Where an unclosed ( or [ was probably meant to end: with the lines indented below it."""
        indentation = self._indentation(opener)
        in_header = self._line_begin(opener)[1] in HEADERS
        place = opener + 1
        while place < limit:
            token = self.tokens[place]
            if in_header and token.kind == "{":
                return place
            if place in self._closed_at:
                place = self._closed_at[place]
            elif token.kind == "NEWLINE" and self.tokens[place + 1].kind != "NEWLINE":
                following = self.tokens[place + 1]
                if following.kind not in CONTINUERS and self._indentation(place + 1) <= indentation:
                    return place
            place += 1
        return limit

    def _report_surplus(self, place: int, token: Token) -> None:
        """Report a closing bracket without its opening one; leave it out, or replace it."""
        self.dropped.add(place)
        if self.stack and token.kind != "}" and self.tokens[self.stack[-1]].kind != "{":
            opener = self.stack.pop()
            opened = self.tokens[opener]
            right = CLOSERS[opened.kind]
            self._closed_at[opener] = place
            self.inserted.setdefault(place, []).append(Token(right, "", token.start, token.end))
            self.mistakes.error(
                "E0103", token.start, token.end, f"`{token.kind}` stands where `{right}` belongs",
                labels=(Label(self.mistakes.span(opened.start, opened.end), "opened here"),),
                replacement=right, title=f"write `{right}`")
            return
        if not token.text:
            return  # it was taken out of a string without an end
        opener = OPENERS[token.kind]
        self.mistakes.error("E0103", token.start, token.end,
                            f"this `{token.kind}` closes nothing: no `{opener}` is open",
                            replacement="", title="remove it", safe=False)

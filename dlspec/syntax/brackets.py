"""Which bracket belongs to which, and what was meant where one is missing.

Brackets are matched before anything is parsed. A missing or surplus one is then
one mistake, mended right here, and the parser sees balanced brackets alone. In
doubt, lines and their indentation tell which bracket was forgotten.
"""

from __future__ import annotations

from dlspec.diagnostics.model import Label
from dlspec.syntax.lexer import Token
from dlspec.syntax.lines import CLOSERS, OPENERS, Lines, balanced_for_certain
from dlspec.syntax.mistakes import Mistakes

DEPTH_LIMIT = 64
DECLARATIONS = frozenset({"use", "let", "block", "model", "data", "train"})
CONTINUERS = frozenset({"->", "else"})
_HEADERS = frozenset({"block", "model", "data", "train", "repeat", "for", "if", "step"})
_LOOK_AHEAD = 64
_LOOK_BACK = 1000


def balance(tokens: list[Token], mistakes: Mistakes) -> list[Token]:
    """The tokens with balanced brackets, at most 64 levels deep; the rest is reported."""
    matcher = _Matcher(tokens, mistakes)
    kinds = CLOSERS.keys() | OPENERS.keys() | DECLARATIONS | {"$END", "NEWLINE"}
    for place, token in enumerate(tokens):
        kind = token.kind
        if kind not in kinds:
            if matcher.surplus:
                matcher.dropped.add(place)
        elif kind in CLOSERS:
            matcher.open(place, token)
        elif kind in OPENERS:
            matcher.close(place, token)
        elif kind == "NEWLINE":
            matcher.end_line(place)
        elif kind == "$END" or matcher.begins_declaration(place):
            matcher.end_all(place)
    return matcher.mended()


class _Matcher:
    """The places of the open brackets, and the repairs: tokens to leave out and to put in."""

    def __init__(self, tokens: list[Token], mistakes: Mistakes) -> None:
        self.tokens = tokens
        self.mistakes = mistakes
        self.lines = Lines(tokens, mistakes)
        self.stack: list[int] = []
        self.surplus = 0  # brackets open beyond the limit; what stands in them is left out
        self.dropped: set[int] = set()
        self._too_deep = False
        self._inserted: dict[int, list[Token]] = {}
        self._closed_at: dict[int, int] = {}
        self._in_header = False  # behind a word that begins declarations, until its line ends
        self._headless: int | None = None  # where a header ended without `{`
        self._forgotten: dict[int, int] = {}  # open brace -> inner one that ends too far right
        self._early: int | None = None  # a brace that ended the declaration, but hardly should

    def mended(self) -> list[Token]:
        if not self.dropped and not self._inserted:
            return self.tokens
        out: list[Token] = []
        for place, token in enumerate(self.tokens):
            out.extend(self._inserted.get(place, ()))
            if place not in self.dropped:
                out.append(token)
        return balanced_for_certain(out)

    def open(self, place: int, token: Token) -> None:
        if len(self.stack) < DEPTH_LIMIT and not self.surplus:
            self.stack.append(place)
            if token.kind == "{" and len(self.stack) == 1:
                self._in_header = False
            return
        if not self.surplus:
            self.mistakes.silence(token.start)
            self._report_depth(token)
        self.surplus += 1
        self.dropped.add(place)

    def close(self, place: int, token: Token) -> None:
        opener = OPENERS[token.kind]
        if self.surplus:
            self.surplus -= 1
            self.dropped.add(place)
        elif self.stack and self.tokens[self.stack[-1]].kind == opener:
            self._pair(self.stack.pop(), place)
        elif self._is_open(opener) and not self._is_stray(place):
            unclosed: list[int] = []
            while self.tokens[self.stack[-1]].kind != opener:
                unclosed.append(self.stack.pop())
            self._report_unclosed(unclosed, place)
            self._pair(self.stack.pop(), place)
        elif not self._misspelt(place, token):
            self._report_stray(place, token)

    def begins_declaration(self, place: int) -> bool:
        """Whether a word that begins declarations stands where the one before should end."""
        named = self.tokens[place + 1].kind not in ("=", "==", ":")
        if self.lines.is_inside(place) or not named:
            return False
        indentation = self.lines.indentation
        return not self.stack or indentation(place) <= indentation(self.stack[0])

    def end_line(self, place: int) -> None:
        """Take note of a header that ends without a brace."""
        if self._in_header and not self.stack:
            self._in_header = False
            self._headless = place

    def end_all(self, place: int) -> None:
        """Report every open bracket as not closed, and close it; a declaration begins."""
        if self.stack:
            unclosed = self.stack[::-1]
            self.stack.clear()
            self.surplus = 0
            self._report_unclosed(unclosed, place)
            self._insert(place, "NEWLINE")
        self._in_header = self.tokens[place].kind in _HEADERS
        self._headless = self._early = None

    # --- judging ----------------------------------------------------------------

    def _is_open(self, opener: str) -> bool:
        """Whether such a bracket is open; ( and [ only within the innermost braces."""
        for place in reversed(self.stack):
            kind = self.tokens[place].kind
            if kind == opener:
                return True
            if kind == "{":
                return False
        return False

    def _is_stray(self, place: int) -> bool:
        """Whether a `}` in the middle of a line would tear an open ( of that line apart."""
        following = self.tokens[place + 1].kind
        return (
            self.tokens[place].kind == "}"
            and following not in ("NEWLINE", "$END", "}")
            and self.lines.same(self.stack[-1], place)
            and not any(
                self.tokens[opener].kind == "{" and self.lines.same(opener, place)
                for opener in self.stack
            )
        )

    def _pair(self, opener: int, closer: int) -> None:
        self._closed_at[opener] = closer
        if self.tokens[opener].kind != "{" or self.lines.same(opener, closer):
            return
        inside = self.lines.is_inside(closer)
        difference = self.lines.indentation(closer) - self.lines.indentation(opener)
        if self.stack:
            if not inside and difference < 0:
                self._forgotten.setdefault(self.stack[-1], opener)
        elif self._headless is None and (inside or difference > 0):
            self._early = closer

    def _misspelt(self, place: int, token: Token) -> bool:
        """Take `]` for the `)` that it stands for, where no `)` follows; likewise the other way."""
        if not self.stack or token.kind == "}" or self.tokens[self.stack[-1]].kind == "{":
            return False
        opener = self.stack[-1]
        opened = self.tokens[opener]
        right = CLOSERS[opened.kind]
        if self._closes_soon(place + 1, right):
            return False
        self.stack.pop()
        self._closed_at[opener] = place
        self.dropped.add(place)
        self._insert(place, right)
        self.lines.report(
            "E0103",
            place,
            f"`{token.kind}` stands where `{right}` belongs",
            Label(self.mistakes.span(opened.start, opened.end), "opened here"),
            replacement=right,
            title=f"write `{right}`",
        )
        return True

    def _closes_soon(self, place: int, closer: str) -> bool:
        """Whether the innermost bracket is closed on the same line."""
        depth = 0
        for token in self.tokens[place : place + _LOOK_AHEAD]:
            if token.kind in ("NEWLINE", "$END"):
                return False
            if token.kind in CLOSERS:
                depth += 1
            elif token.kind in OPENERS:
                if depth == 0:
                    return token.kind == closer
                depth -= 1
        return False

    def _end_of(self, opener: int, limit: int) -> int:
        """Where an unclosed ( or [ was probably meant to end: before lines not indented more."""
        indentation, word = self.lines.begin(opener)
        place = opener + 1
        while place < limit:
            token = self.tokens[place]
            if word in _HEADERS and token.kind == "{":
                return place
            if place in self._closed_at:
                place = self._closed_at[place]
            elif token.kind == "NEWLINE" and self.tokens[place + 1].kind != "NEWLINE":
                following = self.tokens[place + 1]
                if (
                    following.kind not in CONTINUERS
                    and self.lines.indentation(place + 1) <= indentation
                ):
                    return place
            place += 1
        return limit

    def _header_without_brace(self, before: int) -> int | None:
        """The place of the line end of a header that should have ended with `{`."""
        if self._early is None:
            return self._headless
        indentation = self.lines.indentation(before)
        place = next(
            (
                p
                for p in range(before - 1, max(before - _LOOK_BACK, 0), -1)
                if self.tokens[p].kind in _HEADERS
                and not self.lines.is_inside(p)
                and self.lines.indentation(p) == indentation
            ),
            None,
        )
        if place is None:
            return None
        while self.tokens[place].kind not in ("NEWLINE", "$END", "{"):
            place += 1
        return place if self.tokens[place].kind == "NEWLINE" else None

    # --- reporting and mending -----------------------------------------------------

    def _insert(self, place: int, kind: str) -> None:
        here = self.tokens[place].start
        self._inserted.setdefault(place, []).append(Token(kind, "", here, here))

    def _report_depth(self, token: Token) -> None:
        """Report brackets that are nested too deeply, once a text."""
        if not self._too_deep:
            self.mistakes.error(
                "E0701",
                token.start,
                token.end,
                f"brackets are nested deeper than {DEPTH_LIMIT} levels here",
                help="bind a name to an inner part, on a line of its own",
            )
        self._too_deep = True

    def _report_unclosed(self, unclosed: list[int], place: int) -> None:
        closed: list[tuple[int, int]] = []
        ends: dict[object, int] = {}  # of a line: looked for once, however many open on it
        for opener in unclosed:
            closer = CLOSERS[self.tokens[opener].kind]
            line = self.lines.begin(opener)
            if closer != "}" and ends.get(line, 0) <= opener:
                ends[line] = self._end_of(opener, place)
            end = ends[line] if closer != "}" else place
            for inner, inner_end in reversed(closed):
                if inner < end < inner_end:
                    end = inner_end  # brackets do not cross
            closed.append((opener, end))
            self._insert(end, closer)
            self.mistakes.silence(self.tokens[opener].start)
            if opener in self._forgotten:
                # The indentation tells that not the outer one was forgotten but an inner.
                opener = self._forgotten[opener]
                end = self._closed_at[opener]
            self.lines.report(
                "E0102",
                opener,
                f"this `{self.tokens[opener].kind}` is not closed",
                self.lines.missing(closer, end),
                label="opened here",
                help=f"close it with `{closer}`",
            )

    def _report_stray(self, place: int, token: Token) -> None:
        """Report a closing bracket without its opening one, and leave it out or open it."""
        if not self.stack and token.kind == "}" and self._reopen(place):
            return
        self.dropped.add(place)
        if not token.text:
            return  # it was taken out of a string without an end
        opener = OPENERS[token.kind]
        self.lines.report(
            "E0103",
            place,
            f"this `{token.kind}` closes nothing: no `{opener}` is open",
            *self.lines.callee(place, self._closed_at),
            replacement="",
            title="remove it",
        )

    def _reopen(self, place: int) -> bool:
        """Mend a `}` too many by the `{` that a header lacks, or by leaving out an earlier `}`."""
        early = place if self._early is None else self._early
        header = self._header_without_brace(early)
        if header is None and self._early is None:
            return False
        if header is None or header > early:
            self.dropped.add(early)
            self.mistakes.silence(self.lines.start(early) + self.lines.indentation(early))
            self.lines.report("E0103", early, "this `}` closes nothing: no `{` is open")
        else:
            self._insert(header, "{")
            closer = self.tokens[early]
            self.lines.report(
                "E0103",
                header - 1,
                "`{` is missing at the end of this line",
                Label(
                    self.mistakes.span(closer.start, closer.end), "this `}` has nothing to close"
                ),
            )
        self._headless = self._early = None
        return True

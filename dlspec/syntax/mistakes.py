"""Collects the mistakes of one text: capped, and silent about the echoes of others.

A string without its end or a bracket that is not closed makes the parser stumble
a second time in the same statement; that stumble is no mistake of its own.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from dlspec.diagnostics.model import Fix, Label, Report
from dlspec.source import Source, Span

LIMIT = 100


class Mistakes:
    """Hands errors of one source on to a report, at most `LIMIT` of them."""

    def __init__(self, source: Source, report: Report) -> None:
        self.source = source
        self._report = report
        self._left = LIMIT
        self._silent: list[int] = []

    @property
    def spent(self) -> bool:
        """Whether nothing more will be reported."""
        return self._left <= 0

    def span(self, start: int, end: int) -> Span:
        return Span(self.source, start, end)

    def error(
        self,
        code: str,
        start: int,
        end: int,
        message: str,
        *,
        label: str = "",
        labels: tuple[Label, ...] = (),
        help: str | None = None,
        replacement: str | None = None,
        title: str = "",
        safe: bool = True,
    ) -> None:
        """Record an error at two offsets; `replacement` is the fix of the same span."""
        if self.spent:
            return
        self._left -= 1
        if self.spent:
            help = "there may be more mistakes; they are listed when these are mended"
        span = self.span(start, end)
        fix = None if replacement is None else Fix(span, replacement, title, safe)
        self._report.error(code, span, message, label=label, labels=labels, help=help, fix=fix)

    def silence(self, offset: int) -> None:
        """Take note that a statement with this offset in it has been reported already."""
        insort(self._silent, offset)

    def is_silent(self, start: int, end: int) -> bool:
        """Whether a mistake between two offsets (both included) would be an echo."""
        place = bisect_left(self._silent, start)
        return place < len(self._silent) and self._silent[place] <= end


def shown(text: str, limit: int = 40) -> str:
    """A piece of a spec as messages may print it: short, and escaped where it could do harm."""
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)

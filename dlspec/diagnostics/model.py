"""What a diagnostic is. Every rendering reads this one value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from dlspec.source import Span

_MOST_LABELS = 5

Severity = Literal["error", "warning"]


class Label(NamedTuple):
    """A place that matters for a diagnostic, with what is to be said of it."""

    span: Span
    text: str


class Fix(NamedTuple):
    """A replacement of one span. `safe` fixes keep the meaning or mend it beyond doubt."""

    span: Span
    replacement: str
    title: str
    safe: bool = False


class Diagnostic(NamedTuple):
    """One mistake or doubt: a stable code, one sentence, the place, and how to mend it."""

    code: str
    severity: Severity
    message: str
    span: Span
    label: str = ""
    labels: tuple[Label, ...] = ()
    help: str | None = None
    fix: Fix | None = None


class SpecError(Exception):
    """A spec has errors. `diagnostics` holds all that was found, warnings included."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        errors = [d for d in self.diagnostics if d.severity == "error"]
        super().__init__("; ".join(_one_line(d) for d in errors) or "the spec has errors")


def _one_line(diagnostic: Diagnostic) -> str:
    span = diagnostic.span
    place = f"{span.source.name}:{span.line}:{span.column}"
    return f"{place}: {diagnostic.code} {diagnostic.message}"


class Report:
    """Collects diagnostics while a stage runs; each is kept once."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._seen: set[tuple[str, int, int, int, str]] = set()

    def error(
        self,
        code: str,
        span: Span,
        message: str,
        *,
        label: str = "",
        labels: Iterable[Label] = (),
        help: str | None = None,
        fix: Fix | None = None,
    ) -> None:
        """Record an error. See `Diagnostic` for the parts."""
        self.add(Diagnostic(code, "error", message, span, label, tuple(labels), help, fix))

    def warning(
        self,
        code: str,
        span: Span,
        message: str,
        *,
        label: str = "",
        labels: Iterable[Label] = (),
        help: str | None = None,
        fix: Fix | None = None,
    ) -> None:
        """Record a warning. See `Diagnostic` for the parts."""
        self.add(Diagnostic(code, "warning", message, span, label, tuple(labels), help, fix))

    def add(self, diagnostic: Diagnostic) -> None:
        """Record a diagnostic unless the same one stands at the same place already.

        A block elaborated for several uses would repeat its own mistakes otherwise.
        """
        span = diagnostic.span
        key = (diagnostic.code, id(span.source), span.start, span.end, diagnostic.message)
        if key not in self._seen:
            self._seen.add(key)
            self.diagnostics.append(diagnostic)

    def label_since(self, count: int, label: Label, families: tuple[str, ...]) -> None:
        """Add a label to what has been reported beyond the first `count`, of some families.

        Left alone is what stands at the label's own place, or has labels enough.
        """
        for number, known in enumerate(self.diagnostics[count:], count):
            there = known.span.source is label.span.source
            inside = there and label.span.start <= known.span.start < label.span.end
            if known.code.startswith(families) and not inside and len(known.labels) < _MOST_LABELS:
                self.diagnostics[number] = known._replace(labels=(*known.labels, label))

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self.diagnostics)

    def ordered(self) -> tuple[Diagnostic, ...]:
        """All diagnostics by file and place."""
        return tuple(
            sorted(
                self.diagnostics,
                key=lambda d: (d.span.source.name, d.span.start, d.span.end, d.code),
            )
        )

"""Diagnostics as workflow commands, which GitHub shows beside the lines of a pull request."""

from __future__ import annotations

from collections.abc import Iterable

from dlspec.diagnostics.model import Diagnostic
from dlspec.diagnostics.render.cells import printable


def render(diagnostics: Iterable[Diagnostic]) -> str:
    """One `::error …` or `::warning …` line for each diagnostic."""
    return "".join(_line(diagnostic) + "\n" for diagnostic in diagnostics)


def _line(diagnostic: Diagnostic) -> str:
    span = diagnostic.span
    properties: dict[str, object] = {
        "file": span.source.name,
        "line": span.line,
        "endLine": span.end_line,
        "title": diagnostic.code,
    }
    if span.line == span.end_line:  # columns of a stretch of several lines are refused
        properties |= {"col": span.column, "endColumn": span.end_column}
    listed = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    lines = [diagnostic.message]
    if diagnostic.help:
        lines.append(f"help: {diagnostic.help}")
    text = "\n".join(printable(line) for part in lines for line in part.splitlines())
    return f"::{diagnostic.severity} {listed}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(printable(text)).replace(":", "%3A").replace(",", "%2C")

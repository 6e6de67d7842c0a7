"""The renderings of diagnostics. Each is a module that reads the `Diagnostic` values alone.

A rendering is imported when it is asked for: a cold `dlspec check` pays for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module

from dlspec.diagnostics.model import Diagnostic

FORMATS = ("text", "json", "sarif", "github")


def render(diagnostics: Iterable[Diagnostic], format: str = "text") -> str:
    """All diagnostics as one text that ends in a newline, or "" where there is nothing to say.

    format: one of `FORMATS`
    """
    rendering: Callable[[tuple[Diagnostic, ...]], str]
    rendering = import_module(f"dlspec.diagnostics.render.as_{format}").render
    return rendering(tuple(diagnostics))


def count(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`, or "" where there are none."""
    severities = [d.severity for d in diagnostics]
    parts = [
        f"{number} {severity}{'s' if number > 1 else ''}"
        for severity in ("error", "warning")
        if (number := severities.count(severity))
    ]
    return ", ".join(parts)

"""Diagnostics for programs: lines and columns from 1, columns in characters, ends exclusive."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from dlspec.diagnostics.model import Diagnostic, Fix
from dlspec.source import Span


def render(diagnostics: Iterable[Diagnostic]) -> str:
    """`{"diagnostics": […]}`. What is said of the place itself is the first label."""
    return json.dumps({"diagnostics": [as_value(d) for d in diagnostics]}, indent=2) + "\n"


def as_value(diagnostic: Diagnostic) -> dict[str, Any]:
    """One diagnostic as JSON values."""
    labels = [{**_place(label.span), "text": label.text} for label in diagnostic.labels]
    if diagnostic.label:
        labels.insert(0, {**_place(diagnostic.span), "text": diagnostic.label})
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        **_place(diagnostic.span),
        "labels": labels,
        "help": diagnostic.help,
        "fix": _fix(diagnostic.fix) if diagnostic.fix else None,
    }


def _fix(fix: Fix) -> dict[str, Any]:
    return {
        "title": fix.title,
        **_place(fix.span),
        "replacement": fix.replacement,
        "safe": fix.safe,
    }


def _place(span: Span) -> dict[str, Any]:
    return {
        "file": span.source.name,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }

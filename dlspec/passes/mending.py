"""Fixes of what warnings tell, found in the text: safe only where the words stand side by side.

A line may be elaborated many times, with other arguments and other branches each. What stands
literally side by side stands so in all of them.
"""

from __future__ import annotations

import re

from dlspec.diagnostics import Fix
from dlspec.layers import snake_case
from dlspec.source import Span

_ARROW = re.compile(r"\s*(?:->)?\s*")


def without_bias(layer: Span, behind: Span, kind: str) -> Fix | None:
    """`bias=false` for the call of a layer that is directly in front of a stage `kind`."""
    text = layer.text
    if not _adjacent(layer, behind) or not _names(behind.text, kind):
        return None
    if not text.endswith(")") or "#" in text:
        return None
    inner = text[:-1].rstrip()
    comma = " " if inner.endswith(",") else "" if inner.endswith("(") else ", "
    place = layer.start + len(inner)
    return Fix(
        layer._replace(start=place, end=place), f"{comma}bias=false", "leave the bias out", True
    )


def without_second(first: Span, second: Span, kind: str, *, safe: bool) -> Fix | None:
    """The second of two equal stages left out, arrow included, where the first is in front of it.

    safe: whether that keeps the meaning where both are `kind` in so many words.
    """
    if not _adjacent(first, second) or not _names(second.text, kind):
        return None
    option = rf"\bactivation\s*=\s*{snake_case(kind)}\b"
    literal = _names(first.text, kind) or re.search(option, first.text) is not None
    return Fix(
        first._replace(start=first.end, end=second.end), "", "leave it out", safe and literal
    )


def _adjacent(first: Span, second: Span) -> bool:
    """Whether nothing but an arrow or a line end stands between two places of one file."""
    if first.source is not second.source or first.end > second.start:
        return False
    between = first.source.text[first.end : second.start]
    return bool(between) and _ARROW.fullmatch(between) is not None


def _names(text: str, kind: str) -> bool:
    """Whether a stage is called by its layer's name: `ReLU`, `BatchNorm2D(eps=0.1)`."""
    return re.match(rf"{kind}(?:[123]D)?(?=\W|$)", text) is not None

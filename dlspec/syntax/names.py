"""Which names a stretch of text mentions, whatever the arguments at hand lead to.

`if residual { it + skip }` mentions `skip`, also where `residual` is false.
"""

from __future__ import annotations

from dlspec.source import Span
from dlspec.syntax.lexer import pattern


def mentions(span: Span) -> dict[str, tuple[int, ...]]:
    """Where each name stands in a stretch of text as a value or stage, in order.

    Names of arguments, settings and attributes are none of these; where a name is bound
    without `=` counts.
    """
    text = span.source.text
    found: dict[str, list[int]] = {}
    before = ""
    for match in pattern().finditer(text, span.start, span.end):
        if match.lastgroup == "IGNORED":
            continue
        word, (start, end) = match.group(), match.span()
        if match.lastgroup in ("NAME", "TYPE_NAME") and before != ".":
            follows = text[end : end + 80].lstrip()[:2]
            if not follows.startswith("=") or follows == "==":
                found.setdefault(word, []).append(start)
        before = word
    return {name: tuple(places) for name, places in found.items()}

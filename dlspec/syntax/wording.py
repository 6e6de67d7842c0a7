"""What a syntax error says: what was found, and what would have fitted, in words."""

from __future__ import annotations

from collections.abc import Collection

from dlspec.syntax.lexer import Token, keywords
from dlspec.syntax.mistakes import shown

# The signs and words worth naming, in the order in which they are named.
_NAMED = ("=", ":", "{", "(", ",", ")", "]", "}", "on", "from", "updates", "in", "->")
_DECLARATION = "a declaration (`use`, `let`, `block`, `model`, `data` or `train`)"
_SUMMARIES = {
    "TYPE_NAME": "a capitalised name",
    "NAME": "a lower-case name",
    "STRING": 'a string (`"…"`)',
}


def found(token: Token, following: Token | None = None) -> str:
    """A token as a message names it. `following` stands behind a line end that was put in."""
    if token.kind == "NEWLINE" and not token.text and following is not None:
        token = following
    if token.kind == "$END":
        return "the end of the file"
    if token.kind == "NEWLINE":
        return "the end of the line"
    if token.kind == "STRING":
        return f"the string {shown(token.text)}" if token.text else "a string"
    if token.kind == "NUMBER" and not token.text:
        return "a number"
    if token.kind in keywords():
        return f"the reserved word `{token.kind}`"
    return f"`{shown(token.text or token.kind)}`"


def expected(kinds: Collection[str]) -> str:
    """What would have fitted, said as briefly as is true."""
    parts: list[str] = []
    if "NUMBER" in kinds:
        parts.append(_start(kinds))
    elif "model" in kinds:
        parts.append("a name" if "NAME" in kinds else _DECLARATION)
    else:
        parts.extend(text for kind, text in _SUMMARIES.items() if kind in kinds)
    parts.extend(f"`{sign}`" for sign in _signs(kinds))
    if "NEWLINE" in kinds:
        parts.append("the end of the line")
    if not parts:
        parts = [f"`{kind}`" for kind in sorted(kinds) if kind != "$END"] or ["the end of the file"]
    return _joined(parts)


def _signs(kinds: Collection[str]) -> list[str]:
    """The signs and words that are worth naming: those that end what was read, not operators."""
    named = [sign for sign in _NAMED if sign in kinds]
    if "NUMBER" in kinds:
        return [sign for sign in named if sign in (")", "]", "}")]
    within_expression = "+" in kinds
    ends = [sign for sign in named if sign != "->" and not (within_expression and sign == "(")]
    if "NEWLINE" in kinds or ")" in kinds:
        ends = [sign for sign in ends if sign != "in"]  # a search range is rarely what is missing
    if "NEWLINE" in kinds:
        return [sign for sign in ends if sign != ","] + (["->"] if "->" in kinds else [])
    return ends or named


def _start(kinds: Collection[str]) -> str:
    if "minimize" in kinds and "model" not in kinds:
        return "a statement"
    if "model" in kinds:
        return "an argument"
    return "a value or a stage"


def _joined(parts: list[str]) -> str:
    if len(parts) == 1:
        return parts[0]
    return ", ".join(parts[:-1]) + " or " + parts[-1]

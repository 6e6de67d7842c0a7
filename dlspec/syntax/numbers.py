"""What looks like a number and is none, with what was probably meant."""

from __future__ import annotations

import re

from dlspec.diagnostics.model import Label
from dlspec.syntax.mistakes import Mistakes, shown


def bad_number(mistakes: Mistakes, text: str, start: int, end: int) -> None:
    """Report the text between two offsets, which begins like a number."""
    help = "numbers are written `28`, `1_000`, `0.5`, `1e-3` or `10%`"
    mended = None
    labels: tuple[Label, ...] = ()
    whole = mistakes.source.text
    if text[-1] in "eE" and whole[end : end + 1] in ("+", "-"):
        end += 1  # the sign of an exponent without digits
    name = (
        re.search(r"[A-Za-z_]\w*$", whole[max(start - 64, 0) : start]) if text[0] == "." else None
    )
    if name is not None:
        span = mistakes.span(start - len(name[0]), start)
        labels = (Label(span, "is a `=` missing in this?"),)
    if re.fullmatch(r"[0-9]{1,18}\.", text):
        mended = text + "0"
    elif re.fullmatch(r"\.[0-9]{1,18}", text):
        mended = "0" + text
    elif text[:2].lower() in ("0x", "0b", "0o"):
        help = "numbers are decimal: write the value itself"
    elif text[0].isdigit() and text.strip("0123456789")[:1].isalpha():
        help = "a name begins with a letter; " + help
    mistakes.error(
        "E0107",
        start,
        end,
        f"`{shown(text)}` is not a number",
        labels=labels,
        help=help,
        replacement=mended,
        title=f"write `{mended}`",
    )
    mistakes.silence(start)

"""Random edits of good specs: what a slip of the hand does to a text, and where it did it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

from test_docs import SPECS as EXAMPLES
from test_docs import whole

from dlspec.pipeline import compile_text

ROOT = Path(__file__).parents[1]
TOKEN = re.compile(
    r'"(?:[^"\\\n]|\\.)*"|\d[\w.]*%?|\??[A-Za-z_]\w*|->|==|!=|<=|>=|\*\*|//|\.\.|[^\s\w]|\n+'
)
"""Tokens as a reader sees them, apart from the compiler's own; comments are left out before."""
HUGE = ("999999", "1000000000", "99999999999999999", "9" * 40, "1e300", "2147483648")


class Edit(NamedTuple):
    """An edited text. What changed lies from `start` to `end`, the blanks around it included.

    What is left of a deletion has no width: it lies between two tokens, also where a line ends.
    before: what stood there, for people
    """

    kind: str
    text: str
    start: int
    end: int
    before: str


class Token(NamedTuple):
    text: str
    start: int
    end: int


def corpus() -> dict[str, str]:
    """Every spec that is shipped, shown or tested and has no mistakes, by its name."""
    found = {
        str(path.relative_to(ROOT)): path.read_bytes().decode("utf-8", "replace")
        for folder in ("specs", "tests/cases")
        for path in sorted((ROOT / folder).rglob("*.dlnet"))
    }
    found |= {block.place: whole(block) for block in EXAMPLES}
    return {name: text for name, text in found.items() if not compile_text(text).failed}


def tokens(text: str) -> list[Token]:
    """The tokens of a text without comments."""
    bare = re.sub(r"#[^\n]*", lambda m: " " * len(m[0]), text)
    return [Token(m[0], m.start(), m.end()) for m in TOKEN.finditer(bare)]


def edited(text: str, kind: str, random: Random) -> Edit | None:
    """An edit of a kind at a random place; None where it changes nothing."""
    found = tokens(text)
    place = random.choice(PLACES[kind](found))
    edit = EDITS[kind](text, found, place, random)
    return None if edit is None or edit.text == text else edit


def _replaced(kind: str, text: str, start: int, end: int, by: str) -> Edit:
    changed = text[:start] + by + text[end:]
    first, last = start, start + len(by)
    blanks = " \t" if by else " \t\n"
    while first and changed[first - 1] in blanks:
        first -= 1
    while last < len(changed) and changed[last] in blanks:
        last += 1
    return Edit(kind, changed, first, last, text[start:end])


def _deleted(text: str, found: list[Token], place: int, random: Random) -> Edit:
    token = found[place]
    return _replaced("deleted", text, token.start, token.end, "")


def _doubled(text: str, found: list[Token], place: int, random: Random) -> Edit:
    token = found[place]
    return _replaced("doubled", text, token.start, token.end, f"{token.text} {token.text}")


def _swapped(text: str, found: list[Token], place: int, random: Random) -> Edit:
    first, second = found[place : place + 2]
    between = text[first.end : second.start]
    by = f"{second.text}{between or ' '}{first.text}"
    return _replaced("swapped", text, first.start, second.end, by)


def _renamed(text: str, found: list[Token], place: int, random: Random) -> Edit:
    token = found[place]
    name = token.text
    at = random.randrange(len(name))
    others = [other.text for other in found if re.match(r"[A-Za-z_]", other.text)]
    by = random.choice(
        [
            name[:at] + name[at + 1 :],
            name[:at] + name[at] + name[at:],
            name[:at] + random.choice("aeiorst") + name[at + 1 :],
            name + random.choice("xs1"),
            random.choice(others),
        ]
    )
    return _replaced("renamed", text, token.start, token.end, by)


def _huge(text: str, found: list[Token], place: int, random: Random) -> Edit:
    token = found[place]
    return _replaced("made huge", text, token.start, token.end, random.choice(HUGE))


def _every(found: list[Token]) -> list[int]:
    return [i for i, token in enumerate(found) if not token.text.isspace()]


def _line_ends(found: list[Token]) -> list[int]:
    return [i for i, token in enumerate(found) if token.text.isspace()]


def _pairs(found: list[Token]) -> list[int]:
    spaces = set(_line_ends(found))
    return [i for i in range(len(found) - 1) if not {i, i + 1} & spaces]


def _names(found: list[Token]) -> list[int]:
    return [i for i, token in enumerate(found) if re.match(r"\??[A-Za-z_]", token.text)]


def _numbers(found: list[Token]) -> list[int]:
    return [i for i, token in enumerate(found) if token.text[0].isdigit()] or [0]


def _line_end(text: str, found: list[Token], place: int, random: Random) -> Edit:
    return _deleted(text, found, place, random)._replace(kind="line end deleted")


EDITS: dict[str, Callable[[str, list[Token], int, Random], Edit | None]] = {
    "deleted": _deleted,
    "line end deleted": _line_end,
    "doubled": _doubled,
    "swapped": _swapped,
    "renamed": _renamed,
    "made huge": _huge,
}
PLACES: dict[str, Callable[[list[Token]], list[int]]] = {
    "deleted": _every,
    "line end deleted": _line_ends,
    "doubled": _every,
    "swapped": _pairs,
    "renamed": _names,
    "made huge": _numbers,
}

"""Text of a spec as Python's docstrings and comments, in which nothing of it can run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import dedent

from dlspec.backends.torch.printer import WIDTH

_ITEM = re.compile(r"\s*([-*•]|\d+[.)])\s")


def escaped(line: str) -> str:
    """A line of text with all but printable characters written as escapes."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in line.replace("\t", "    ")
    ).rstrip()


def docstring(text: str, indent: int) -> list[str]:
    """The lines of a docstring with that text, which must not be empty."""
    pad = " " * indent
    first, *rest = text.strip().split("\n")
    rest = dedent("\n".join(line.rstrip() for line in rest)).split("\n") if rest else []
    first, *rest = (
        escaped(line.replace("\\", "\\\\")).replace('"""', '\\"\\"\\"') for line in (first, *rest)
    )
    if first.startswith('"'):
        first = "\\" + first
    room = WIDTH - indent
    first, *rest = wrapped((first, *rest), room, room - (3 if rest else 6))
    if not rest:
        space = " " if first.endswith('"') else ""
        return [f'{pad}"""{first}{space}"""']
    body = [f"{pad}{line}" if line else "" for line in rest]
    return [f'{pad}"""{first}', *body, f'{pad}"""']


def comment(text: str, indent: int = 0) -> list[str]:
    """The lines of a comment with that text."""
    pad = " " * indent
    lines = wrapped([escaped(line) for line in text.strip().split("\n")], WIDTH - indent - 2)
    return [f"{pad}# {line}".rstrip() for line in lines]


def wrapped(lines: Sequence[str], width: int, first_width: int | None = None) -> list[str]:
    """Lines that are no longer than a width: the last words of a longer one go to the next.

    first_width: that of the first line. A word that is longer stays as it is.
    """
    found: list[str] = []
    waiting = list(reversed(lines))
    while waiting:
        line = waiting.pop()
        most = first_width if first_width is not None and not found else width
        margin = len(line) - len(line.lstrip())
        end = line.rfind(" ", margin, most + 1)
        if len(line) <= most or (end := end if end > 0 else line.find(" ", most)) < 0:
            found.append(line)
            continue
        found.append(line[:end].rstrip())
        over = line[end:].strip()
        if waiting and _goes_on(waiting[-1], margin):
            waiting[-1] = f"{' ' * margin}{over} {waiting[-1].strip()}"
        elif over:
            waiting.append(" " * margin + over)
    return found


def _goes_on(line: str, margin: int) -> bool:
    """Whether a line is in the same paragraph as one before it with that indentation."""
    own = len(line) - len(line.lstrip())
    return bool(line.strip()) and own == margin and _ITEM.match(line) is None

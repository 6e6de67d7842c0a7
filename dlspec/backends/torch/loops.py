"""Lines that repeat with a running number, `self.block3 = …` behind `self.block2 = …`, as loops.

The weights keep the names that the spec gives them, so the repeated parts are no list with
a level of its own: they are submodules with a number in their names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

LEAST = 4
"""Fewer lines are read faster as they are."""
_LONGEST_PERIOD = 6
_NUMBERED = re.compile(r"(.*?)([1-9][0-9]*)")
_CALLED = re.compile(r"\bself\.([A-Za-z_]\w*?)([1-9][0-9]*)(?=\()")


class Entry(NamedTuple):
    """A submodule: its path, the expression that makes it, a comment, and when there is one."""

    path: str
    text: str
    comment: str = ""
    when: str = ""


class Loop(NamedTuple):
    """Submodules that are made alike: `count` times those called `bases` with a number.

    start: the place of the first; first: its number.
    """

    start: int
    bases: tuple[str, ...]
    first: int
    count: int

    @property
    def stop(self) -> int:
        """The place behind the last."""
        return self.start + self.count * len(self.bases)


def loops(entries: Sequence[Entry]) -> list[Loop]:
    """The longest repetitions of at least `LEAST` turns, from the front."""
    found: list[Loop] = []
    place = 0
    while place < len(entries):
        tried = [loop_at(entries, place, period) for period in range(1, _LONGEST_PERIOD + 1)]
        best = max((one for one in tried if one is not None), key=lambda o: o.stop, default=None)
        if best is not None:
            found.append(best)
        place = best.stop if best is not None else place + 1
    return found


def loop_at(entries: Sequence[Entry], start: int, period: int) -> Loop | None:
    """The repetition of at least `LEAST` turns that begins at a place, so many submodules each."""
    turn = [_NUMBERED.fullmatch(one.path) for one in entries[start : start + period]]
    numbers = {int(one.group(2)) for one in turn if one is not None}
    always = not any(one.when for one in entries[start : start + period])
    if len(turn) < period or None in turn or len(numbers) != 1 or not always:
        return None
    bases = tuple(one.group(1) for one in turn if one is not None)
    (first,) = numbers
    count = 1
    while _repeats(entries, start, bases, first, count):
        count += 1
    return Loop(start, bases, first, count) if count >= LEAST else None


def _repeats(
    entries: Sequence[Entry], start: int, bases: tuple[str, ...], first: int, turn: int
) -> bool:
    """Whether that turn is like the first one."""
    begin = start + turn * len(bases)
    if begin + len(bases) > len(entries):
        return False
    return all(
        entries[begin + place].path == f"{base}{first + turn}"
        and entries[begin + place][1:] == entries[start + place][1:]
        for place, base in enumerate(bases)
    )


class Template(NamedTuple):
    """A line of `forward` with its running number taken out."""

    text: str
    bases: tuple[str, ...]
    number: int


def template(line: str) -> Template | None:
    """The template of a line in which all submodules have one number; None for another."""
    found = _CALLED.findall(line)
    numbers = {int(number) for _, number in found}
    if len(numbers) != 1:
        return None
    text = _CALLED.sub(r"self.\1#", line)
    return Template(text, tuple(base for base, _ in found), numbers.pop())


def called_by_number(expression: str, variable: str) -> str:
    """An expression whose submodules are found by their numbers."""
    return _CALLED.sub(rf'self.get_submodule(f"\1{{{variable}}}")', expression)


def repeated(lines: Sequence[str]) -> list[tuple[int, int]]:
    """Where lines repeat with a running number: places of the first and behind the last."""
    found: list[tuple[int, int]] = []
    start = 0
    templates = [template(line) for line in lines]
    for place in range(1, len(lines) + 1):
        before = templates[place - 1]
        here = templates[place] if place < len(lines) else None
        if (
            before is not None
            and here is not None
            and before._replace(number=before.number + 1) == here
        ):
            continue
        if place - start >= LEAST:
            found.append((start, place))
        start = place
    return found

"""The `__init__` of an emitted class: its arguments, attributes and submodules."""

from __future__ import annotations

from collections.abc import Sequence

from dlspec.backends.torch.families import Family
from dlspec.backends.torch.loops import LEAST, Entry, Loop, loop_at, repeated, template
from dlspec.backends.torch.printer import WIDTH, literal, statement
from dlspec.backends.torch.solver import MISSING, Parameter


def initializer(
    family: Family, entries: Sequence[Entry], found: Sequence[Loop], number: str
) -> list[str]:
    """The lines of `__init__`.

    found: the submodules that are made in loops; number: the name of the running number.
    """
    lines = [*_head(family.parameters), "        super().__init__()"]
    lines += [f"        self.{own} = {name}" for name, own in family.attributes.items()]
    starts = {loop.start: loop for loop in found}
    place, when = 0, ""
    while place < len(entries):
        loop = starts.get(place)
        if loop is not None:
            lines += _loop(loop, entries[place:], number)
            place, when = loop.stop, ""
            continue
        one = entries[place]
        if one.when and one.when != when:
            lines.append(f"        if {one.when}:")
        when = one.when
        lines += statement(f"self.{one.path} = ", one.text, 12 if when else 8, one.comment)
        place += 1
    return lines


def _loop(loop: Loop, entries: Sequence[Entry], number: str) -> list[str]:
    lines = [f"        for {number} in range({loop.first}, {loop.first + loop.count}):"]
    for base, one in zip(loop.bases, entries, strict=False):
        call = f'self.add_module(f"{base}{{{number}}}", {one.text})'
        lines += statement("", call, 12, one.comment)
    return lines


def _head(parameters: Sequence[Parameter]) -> list[str]:
    parts = [_declared(one) for one in parameters]
    line = f"    def __init__({', '.join(['self', *parts])}) -> None:"
    if len(line) <= WIDTH:
        return [line]
    together = f"        {', '.join(['self', *parts])}"
    if len(together) <= WIDTH:
        return ["    def __init__(", together, "    ) -> None:"]
    return [
        "    def __init__(",
        "        self,",
        *(f"        {one}," for one in parts),
        "    ) -> None:",
    ]


def _declared(one: Parameter) -> str:
    """`stride: int = 1`."""
    values = one.values if one.default is MISSING else (*one.values, one.default)
    kinds = sorted({_annotation(value) for value in values})
    text = f"{one.name}: {' | '.join(kinds)}"
    return text if one.default is MISSING else f"{text} = {literal(one.default)}"


def _annotation(value: object) -> str:
    if isinstance(value, tuple):
        return f"tuple[{', '.join(map(_annotation, value))}]"
    return type(value).__name__


def agreed(entries: Sequence[Entry], lines: Sequence[str]) -> tuple[dict[int, int], list[Loop]]:
    """What is a loop in `__init__` and in the other method alike.

    entries: the submodules; lines: those of the method. Gives, for each loop, the places of its
    first line and behind its last, and the loops over submodules.
    """
    places = {entry.path: place for place, entry in enumerate(entries)}
    turns: dict[int, int] = {}
    found: list[Loop] = []
    for start, stop in repeated(lines):
        line = start
        while stop - line >= LEAST:
            loop = _over(entries, places, lines[line])
            count = 0 if loop is None else min(loop.count, stop - line)
            if loop is not None and count >= LEAST:
                turns[line] = line + count
                found.append(loop._replace(count=count))
            line += max(count, 1)
    return turns, found


def _over(entries: Sequence[Entry], places: dict[str, int], line: str) -> Loop | None:
    """The loop over submodules that begins with those of a line."""
    said = template(line)
    assert said is not None
    bases = set(said.bases)
    start = min(places.get(f"{base}{said.number}", len(entries)) for base in bases)
    loop = loop_at(entries, start, len(bases)) if start < len(entries) else None
    return loop if loop is not None and set(loop.bases) == bases else None

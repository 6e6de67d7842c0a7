"""Which layers a path in a `train` means: `stem`, `stage1.conv2`, `"stage*.conv1"`."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase


def covers(pattern: str, name: str) -> bool:
    """Whether a pattern means the layer or weight of a name, or a block around it.

    `*` stands for any part of a name between two dots.
    """
    wanted, own = pattern.split("."), name.split(".")
    return len(wanted) <= len(own) and all(map(fnmatchcase, own, wanted))


def within(model: str | None, patterns: Iterable[str]) -> tuple[str, ...]:
    """The patterns about one model, as it calls its own layers.

    model: what the names of its weights begin with where several are trained, else None.
    """
    if model is None:
        return tuple(patterns)
    found: list[str] = []
    for pattern in patterns:
        head, dot, rest = pattern.partition(".")
        if fnmatchcase(model, head):
            found.append(rest if dot else "*")
    return tuple(found)

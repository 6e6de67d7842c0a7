"""How a model did class by class: precision, recall, f1, and which class was taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from dlspec.training.scoring import ByClass


class ClassRow(NamedTuple):
    """One class, or one yes-or-no question: `support` is how many examples are of it."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


class ClassTable(NamedTuple):
    """The classes of a split.

    matrix: how many of a class (row) were called what (column); None of questions and of very
            many classes.
    """

    rows: tuple[ClassRow, ...]
    matrix: tuple[tuple[int, ...], ...] | None

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return {"classes": [row._asdict() for row in self.rows], "confusion": self.matrix}

    def confused(self) -> list[tuple[str, str, int]]:
        """Which class was taken for which other how often, the most frequent first."""
        names = [row.name for row in self.rows]
        cells = [
            (names[there], names[called], count)
            for there, row in enumerate(self.matrix or ())
            for called, count in enumerate(row)
            if count and there != called
        ]
        return sorted(cells, key=lambda cell: -cell[2])


def class_table(found: ByClass, names: Sequence[str] | None) -> ClassTable:
    """The table of counted classes. names: those of the data, by number."""
    if names is None or len(names) > found.hits.shape[1]:
        names = ()
    rows = tuple(
        ClassRow(
            names[number] if number < len(names) else str(number),
            _share(right, called),
            _share(right, there),
            _share(2 * right, called + there),
            round(there),
        )
        for number, (right, called, there) in enumerate(found.hits.T.tolist())
    )
    if found.matrix is None:
        return ClassTable(rows, None)
    return ClassTable(rows, tuple(tuple(map(round, row)) for row in found.matrix.tolist()))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0

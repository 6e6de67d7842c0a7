"""Tables of columns: read from text, and made the numbers that a model takes. The functions use
NumPy and the standard library alone: emitted programs carry copies.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MISSING = ("", "?", "na", "n/a", "nan", "none", "null")


def read_csv(
    path: str | Path, delimiter: str, skipped: list[str] | None
) -> tuple[list[str], list[list[str]], list[int]]:
    """The names of a table's columns, its rows as texts, and the line of each row.

    skipped: where to note rows with too many or too few cells, or that are no text; None
    makes them ValueErrors. Empty lines are passed over.
    """
    path = Path(path)
    rows: list[list[str]] = []
    lines: list[int] = []
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
        while True:
            try:
                row = next(reader)
                wrong = None
            except StopIteration:
                break
            except csv.Error as error:
                row, wrong = [], f"cannot be read: {error}"
            if not row and wrong is None:
                continue
            if wrong is None and any("\udc80" <= c <= "\udcff" for c in "".join(row)):
                wrong = "is not a text in UTF-8"
            if wrong is None and rows and len(row) != len(rows[0]):
                wrong = f"has {len(row)} cells; there are {len(rows[0])} columns"
            if wrong is None:
                rows.append([cell.strip() for cell in row])
                lines.append(reader.line_num)
            elif skipped is None or not rows:
                raise ValueError(f"{path}:{reader.line_num}: {wrong}")
            else:
                skipped.append(f"{path}:{reader.line_num}: {wrong}")
    if not rows:
        raise ValueError(
            f"{path}: is empty; a table begins with the names of its columns"
        )
    names = rows[0]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{path}:{lines[0]}: two columns have the name {twice[:60]!r}")
    return names, rows[1:], lines[1:]


def as_number(cell: str) -> float | None:
    """The number in a cell, not-a-number where it is missing, None where it is neither."""
    if cell.lower() in MISSING:
        return math.nan
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def is_of_texts(cells: Sequence[str]) -> bool:
    """Whether most of the cells that are not missing hold no number."""
    numbers = [as_number(cell) for cell in cells]
    return 2 * numbers.count(None) > sum(n is None or n == n for n in numbers)


def wanted_columns(
    path: str | Path,
    table: tuple[list[str], list[list[str]], list[int]],
    target: str,
    features: Sequence[str] | None,
) -> dict[str, list[str]]:
    """The cells of the columns that are wanted, the target's last.

    table: names, rows and their lines; features: names; None means all but the target's.
    """
    names, rows, _ = table
    chosen = features or [name for name in names if name != target]
    for name in (*chosen, target):
        if name not in names:
            listed = ", ".join(f"`{known[:60]}`" for known in names[:20])
            raise ValueError(
                f"{path}: has no column `{name}`; its columns are {listed}"
            )
    places = {name: names.index(name) for name in (*chosen, target)}
    return {name: [row[place] for row in rows] for name, place in places.items()}


def numbers_of(
    name: str, cells: Sequence[str], classes: Sequence[str] | None
) -> tuple[NDArray[np.float64], dict[int, str]]:
    """The numbers in a column, and what is wrong by row. Of a class it is its place."""
    numbers = np.full(len(cells), np.nan)
    wrong: dict[int, str] = {}
    places = {one: place for place, one in enumerate(classes or ())}
    for row, cell in enumerate(cells):
        number = as_number(cell)
        if classes is not None and cell.lower() not in MISSING:
            # Where the classes are 0, 1 and 2, a table may write 2.0.
            number = places.get(cell, places.get(cell.removesuffix(".0")))
        if number is None:
            what = "not a number" if classes is None else "none of the classes"
            wrong[row] = f"`{name}` is {cell[:60]!r}, which is {what}"
        else:
            numbers[row] = number
    return numbers, wrong


def columns_of(
    cells: dict[str, list[str]],
    texts: Sequence[str],
    classes: Sequence[str] | None,
    missing: str,
) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64], dict[int, str]]:
    """Columns as arrays, the numbers of the rows that can be used, and what is wrong with others.

    cells:   of `wanted_columns`; texts: the columns of texts; the others hold numbers.
    classes: the names of the target's classes; None where it is a number.
    missing: of rows without a value: `refuse`, `mean` or `drop`.

    Columns of numbers are float64, not-a-number where one is missing; those of texts have
    the element type object, with "" there.
    """
    *_, target = cells
    columns: dict[str, NDArray[Any]] = {}
    refused: dict[int, str] = {}
    dropped: set[int] = set()
    for name, column in cells.items():
        absent = [row for row, cell in enumerate(column) if cell.lower() in MISSING]
        if name in texts:
            empty = set(absent)
            known = ["" if n in empty else cell for n, cell in enumerate(column)]
            columns[name] = np.array(known, dtype=object)
        else:
            kinds = classes if name == target else None
            columns[name], wrong = numbers_of(name, column, kinds)
            refused |= wrong
        if missing == "drop":
            dropped.update(absent)
        elif missing == "refuse" or name == target:
            refused |= dict.fromkeys(absent, f"`{name}` has no value")
    good = [
        n for n in range(len(cells[target])) if n not in refused and n not in dropped
    ]
    return columns, np.array(good, np.int64), refused


def read_columns(
    path: str | Path,
    table: tuple[list[str], list[list[str]], list[int]],
    target: str,
    features: Sequence[str] | None,
    texts: Sequence[str] | None,
    classes: Sequence[str] | str | None,
    missing: str,
    skipped: list[str] | None,
) -> tuple[dict[str, NDArray[Any]], NDArray[Any], tuple[str, ...] | None]:
    """The columns of the features by name, the target, and the names of its classes.

    table:    names, rows and their lines, as `read_csv` gives them.
    features: the names of columns; None means all but the target's.
    texts:    those of them that hold texts; None finds them.
    classes:  the names of the target's classes; `found` finds them where it holds texts;
              None where it is a number.
    missing:  of rows without a value: `refuse`, `mean` or `drop`.
    skipped:  where to note rows that cannot be used; None makes them ValueErrors.

    The target is int64 where it has classes or all that is found is whole, else float32.
    """
    cells = wanted_columns(path, table, target, features)
    if texts is None:
        texts = [
            n for n, column in cells.items() if n != target and is_of_texts(column)
        ]
    found = classes == "found"
    if found:
        known = {cell for cell in cells[target] if cell.lower() not in MISSING}
        classes = sorted(known) if is_of_texts(cells[target]) else None
    names = None if classes is None else tuple(classes)
    columns, rows, refused = columns_of(cells, texts, names, missing)
    for row in sorted(refused):
        sentence = f"{path}:{table[2][row]}: {refused[row]}"
        if skipped is None:
            raise ValueError(sentence)
        skipped.append(sentence)
    if len(rows) == 0:
        raise ValueError(f"{path}: has no row that can be used")
    columns = {name: column[rows] for name, column in columns.items()}
    values = columns.pop(target)
    whole = names is not None or (found and bool((values == np.floor(values)).all()))
    return columns, values.astype(np.int64 if whole else np.float32), names


def learn_columns(
    columns: dict[str, NDArray[Any]], standardized: Sequence[str] | None
) -> list[dict[str, Any]]:
    """What is to be known of the columns of the training split to make numbers of any row.

    standardized: the columns of numbers that get mean 0 and standard deviation 1; None
    means all of them.
    """
    learned: list[dict[str, Any]] = []
    for name, column in columns.items():
        if column.dtype == object:
            known = sorted({str(cell) for cell in column if cell})
            learned.append({"column": name, "categories": known})
            continue
        present = column[~np.isnan(column)]
        fill = float(present.mean()) if len(present) else 0.0
        mean, std = 0.0, 1.0
        if standardized is None or name in standardized:
            filled = np.where(np.isnan(column), fill, column)
            mean, std = float(filled.mean()), float(filled.std()) or 1.0
        learned.append({"column": name, "fill": fill, "mean": mean, "std": std})
    return learned


def encode_columns(
    columns: dict[str, NDArray[Any]], learned: list[dict[str, Any]]
) -> NDArray[np.float32]:
    """The features float32 [N, F] of rows: numbers scaled, texts as a 1 among zeros.

    A text that the training split did not have is all zeros.
    """
    parts: list[NDArray[Any]] = []
    for one in learned:
        column = columns[one["column"]]
        if "categories" in one:
            parts += [column == category for category in one["categories"]]
        else:
            filled = np.where(np.isnan(column), one["fill"], column)
            parts.append((filled - one["mean"]) / one["std"])
    return np.stack(parts, 1).astype(np.float32)

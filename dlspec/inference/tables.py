"""Rows of a CSV file as the features of a model that was trained on a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlspec.data.tables import MISSING, encode_columns, numbers_of, read_csv
from dlspec.inference.problem import InferenceProblem
from dlspec.ir.card import ColumnCard


def table_features(path: Path, cards: tuple[ColumnCard, ...]) -> NDArray[Any]:
    """The features [N, F] of the rows of a file whose first line names its columns.

    Columns that the model does not know are left alone. Raises InferenceProblem.
    """
    try:
        names, rows, lines = read_csv(path, ",", None)
    except ValueError as error:
        raise InferenceProblem(str(error)) from error
    columns: dict[str, NDArray[Any]] = {}
    for card in cards:
        if card.column not in names:
            raise InferenceProblem(f"{path}: has no column `{card.column}`, which the model reads")
        place = names.index(card.column)
        cells = [row[place] for row in rows]
        if card.categories is not None:
            known = ["" if cell.lower() in MISSING else cell for cell in cells]
            columns[card.column] = np.array(known, dtype=object)
            continue
        columns[card.column], wrong = numbers_of(card.column, cells, None)
        if wrong:
            row = min(wrong)
            raise InferenceProblem(f"{path}:{lines[row]}: {wrong[row]}")
    if not rows:
        raise InferenceProblem(f"{path}: holds no rows")
    return encode_columns(columns, [_learned(card) for card in cards])


def _learned(card: ColumnCard) -> dict[str, Any]:
    if card.categories is not None:
        return {"column": card.column, "categories": card.categories}
    return {"column": card.column, "fill": card.fill, "mean": card.mean, "std": card.std}

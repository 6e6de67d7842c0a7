"""The reader of Parquet files. It uses pyarrow alone: emitted programs carry copies."""

from __future__ import annotations

from pathlib import Path


def read_parquet(path: str | Path) -> tuple[list[str], list[list[str]], list[int]]:
    """The names of a table's columns, its rows as texts, and the number of each row from 1.

    Numbers are written as they are read back; what is missing is an empty text.
    Raises ValueError where a column holds neither numbers nor texts, or all is too large.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        facts = file.metadata
        if facts.num_rows * facts.num_columns > 2**28:
            raise ValueError(f"{path}: has more than 268,435,456 cells")
        table = file.read()
    columns: list[list[str]] = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.int8())
        try:
            cells = column.cast(pa.string()).to_pylist()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ValueError(
                f"{path}: column `{name[:60]}` is of {column.type}"
            ) from error
        columns.append(["" if cell is None else cell for cell in cells])
    names = list(table.column_names)
    if len(set(names)) < len(names):
        raise ValueError(f"{path}: two columns have one name")
    rows = [list(row) for row in zip(*columns, strict=True)]
    return names, rows, list(range(1, len(rows) + 1))

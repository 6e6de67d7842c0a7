"""Tables as sources: which columns are read how, and what is learned of the training split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlspec.data.dataset import Split, Stored
from dlspec.data.places import Place
from dlspec.data.problem import ENVIRONMENT, DataProblem, told_as_problems
from dlspec.data.tables import encode_columns, learn_columns, read_columns, read_csv
from dlspec.ir.data import DataPlan
from dlspec.ir.sources import Csv, Parquet
from dlspec.ir.tabular import one_hot_columns, standardized_columns, target_classes

_MARK = "features."
"""Columns of features are kept by their names behind this until the splits are made."""


def read_rows(
    source: Csv | Parquet, place: Place, plan: DataPlan, skipped: list[str] | None
) -> Stored:
    """A table as columns. Raises DataProblem, of a bad row with its file and line."""
    path = place.file(source.path)
    with told_as_problems(path):
        texts = one_hot_columns(plan.transform)
        try:
            if isinstance(source, Csv):
                table = read_csv(path, source.delimiter, skipped)
            else:
                table = _parquet(path)
            columns, target, classes = read_columns(
                path,
                table,
                source.target,
                source.features,
                texts,
                target_classes(source.classes_),
                source.missing,
                skipped,
            )
        except ValueError as error:
            raise _advised(error, path, texts) from error
    _check_standardized(plan, columns)
    arrays = {_MARK + name: column for name, column in columns.items()}
    return Stored({**arrays, "target": target}, classes=classes)


def _advised(error: ValueError, path: Path, texts: Sequence[str] | None) -> DataProblem:
    """The problem of a row or a column, and how to mend it."""
    message = str(error)
    if not message.startswith(str(path)):
        raise error
    help = None
    if "not a number" in message and texts is not None:
        help = "`OneHot` in `transform` makes numbers of texts; `--skip-bad` goes on without it"
    elif "has no value" in message:
        help = "`missing = drop` in the source leaves such rows out, `mean` fills them"
    elif message.startswith(f"{path}:") and message.removeprefix(f"{path}:")[:1].isdigit():
        help = "`--skip-bad` goes on without it"
    return DataProblem(message, help=help)


def _parquet(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    try:
        import pyarrow  # noqa: F401
    except ModuleNotFoundError as error:
        raise DataProblem(
            "`parquet` needs pyarrow, which is not installed",
            exit_code=ENVIRONMENT,
            help='pip install "dlspec[tables]"',
        ) from error
    from dlspec.data.parquet import read_parquet

    return read_parquet(path)


def _check_standardized(plan: DataPlan, columns: dict[str, Any]) -> None:
    for name in standardized_columns(plan.transform) or ():
        if name not in columns or columns[name].dtype == object:
            what = "is not one of the features" if name not in columns else "holds texts"
            raise DataProblem(
                f"in `data {plan.name}`: the column `{name}` of `Standardize` {what}", code="E0606"
            )


def made_numbers(
    splits: tuple[Split, Split, Split], plan: DataPlan, learned: list[dict[str, Any]] | None
) -> tuple[tuple[Split, Split, Split], list[dict[str, Any]]]:
    """The splits with `features` in the stead of columns, and what was learned for that.

    learned: what an earlier run learned of its training split; None learns it of this one.
    Raises DataProblem where it is of other columns.
    """
    if learned is None:
        learned = learn_columns(_columns(splits[0]), standardized_columns(plan.transform))
    else:
        have = set(_columns(splits[0]))
        lacking = [one["column"] for one in learned if one["column"] not in have]
        if lacking:
            raise DataProblem(f"the column `{lacking[0]}` is missing, which the run has learned of")
    if sum(len(one.get("categories", ["a number"])) for one in learned) == 0:
        raise DataProblem(f"`data {plan.name}` has no features", code="E0606")
    train, validation, test = (_encoded(split, learned) for split in splits)
    return (train, validation, test), learned


def _columns(split: Split) -> dict[str, Any]:
    return {
        name.removeprefix(_MARK): column
        for name, column in split.fields.items()
        if name.startswith(_MARK)
    }


def _encoded(split: Split, learned: list[dict[str, Any]]) -> Split:
    features = encode_columns(_columns(split), learned)
    return Split({"features": features, "target": split.fields["target"]})

"""The part of a training program that reads the data, divides it and prepares batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from dlspec.backends.torch.borrowed import PACKAGE, Borrowed, borrow
from dlspec.backends.torch.docstrings import docstring
from dlspec.backends.torch.preparation import Preparation, preparation
from dlspec.backends.torch.printer import literal, quoted, statement
from dlspec.backends.torch.reading import Reading, reading_of
from dlspec.ir.data import DataPlan
from dlspec.ir.datacheck import while_reading
from dlspec.ir.sources import Digits, ImageFolder
from dlspec.ir.transforms import CenterCrop, Resize, pair


class DataPart(NamedTuple):
    """Code in pieces, each a definition.

    splits:   names of the splits that there are in every case.
    possible: names of those that only the files decide on.
    rooted:   whether files are read, so that `--data-root` has a meaning.
    augments: whether `prepare_batch` takes a generator in training.
    """

    borrowed: tuple[Borrowed, ...]
    pieces: tuple[str, ...]
    splits: tuple[str, ...]
    possible: tuple[str, ...]
    rooted: bool
    augments: bool


def data_part(plan: DataPlan, fields: tuple[str, ...], mixed: Mapping[str, int]) -> DataPart:
    """The code for a data set.

    fields: the fields of the data that training uses; mixed: `mixed_classes` of what is trained.
    """
    if isinstance(plan.source, ImageFolder):
        reading = while_reading(plan)
        prepare = preparation(reading.plan, fields, mixed)
        return _folder_part(plan, plan.source, reading.steps, prepare)
    prepare = preparation(plan, fields, mixed)
    borrowed = prepare.borrowed
    reading = reading_of(plan, fields)
    shares = (plan.validation, 0.0 if reading.own_test else plan.test)
    splits = (
        "train",
        *(
            name
            for name, share in zip(("validation", "test"), shares, strict=True)
            if share > 0 or (name == "test" and reading.own_test)
        ),
    )
    if any(shares):
        borrowed = (borrow("data/splits.py", "split_indices"), *borrowed)
    load = _load(plan, reading, shares, splits)
    return DataPart(
        (*reading.borrowed, *borrowed),
        (*load, prepare.code),
        splits,
        (),
        reading.rooted,
        prepare.augments,
    )


def _load(
    plan: DataPlan, reading: Reading, shares: tuple[float, float], splits: tuple[str, ...]
) -> tuple[str, ...]:
    """`load_data`, and how it makes tensors of arrays."""
    head = "def load_data(root: Path)" if reading.rooted else "def load_data()"
    lines = [f"{head} -> dict[str, Batch]:", *docstring(reading.says, 4), *reading.lines]
    chosen = dict.fromkeys(splits, "tensors(data)")
    count = f"len(data[{quoted(reading.counted)}])"
    if any(shares):
        written = ", ".join(literal(value) for value in (*shares, plan.seed))
        names = [
            name if share > 0 else "_"
            for name, share in zip(("train", "validation", "test"), (1, *shares), strict=True)
        ]
        lines += statement(
            f"{', '.join(names)} = ",
            f"split_indices({reading.counts or count}, {written})",
            4,
        )
        chosen = {name: f"tensors(data, {name})" for name in splits}
    if reading.finish is not None:
        lines += reading.finish("[train]" if any(shares) else "")
    if reading.own_test:
        chosen["test"] = "tensors(test_data)"
    inner = ", ".join(f"{quoted(name)}: {text}" for name, text in chosen.items())
    load = "\n".join([*lines, *statement("return ", "{" + inner + "}", 4)])
    return _tensors(chosen.values()), load


def _tensors(calls: Iterable[str]) -> str:
    whole = "tensors(data)" in calls or "tensors(test_data)" in calls
    parts = any(", " in call for call in calls)
    every = "    return {name: torch.from_numpy(array) for name, array in data.items()}"
    some = "{name: torch.from_numpy(array[numbers]) for name, array in data.items()}"
    arrays = "data: dict[str, NDArray[Any]]"
    if not parts:
        return f'''def tensors({arrays}) -> Batch:
    """The examples as tensors."""
{every}'''
    if not whole:
        return f'''def tensors({arrays}, numbers: NDArray[Any]) -> Batch:
    """The examples with these numbers as tensors."""
    return {some}'''
    return f'''def tensors(
    {arrays}, numbers: NDArray[Any] | None = None
) -> Batch:
    """The examples as tensors: those with these numbers, or all."""
    if numbers is not None:
        data = {{name: array[numbers] for name, array in data.items()}}
{every}'''


def _folder_part(
    plan: DataPlan,
    source: ImageFolder,
    steps: tuple[Resize | CenterCrop, ...],
    prepare: Preparation,
) -> DataPart:
    """Image folders may have splits of their own, which only the files tell."""
    done = tuple(
        ("resize" if isinstance(step, Resize) else "center_crop", *pair(step.size))
        for step in steps
    )
    arguments = ", ".join(literal(value) for value in (plan.validation, plan.test, plan.seed))
    head = [
        "def load_data(root: Path) -> dict[str, Batch]:",
        *docstring("The images of the class folders, uint8, and their labels, in splits.", 4),
    ]
    lines = [
        *statement("folder = ", f"root / {quoted(source.path)}", 4),
        *statement("steps = ", literal(done), 4),
        *statement("splits = ", f"read_folder(folder, steps, {arguments})", 4),
        "    return {name: tensors(data) for name, data in splits.items()}",
    ]
    folder = borrow("data/carried.py", "read_folder")
    parts = (
        borrow("data/images.py", "list_images", "read_images"),
        borrow("data/splits.py", "split_indices"),
        folder,
    )
    shares = (("validation", plan.validation), ("test", plan.test))
    certain = ("train", *(name for name, share in shares if share > 0))
    possible = tuple(name for name in ("validation", "test") if name not in certain)
    load = "\n".join([*head, *lines])
    return DataPart(
        (*parts, *prepare.borrowed),
        (_tensors(["tensors(data)"]), load, prepare.code),
        certain,
        possible,
        True,
        prepare.augments,
    )


def companion_files(plan: DataPlan) -> dict[str, bytes]:
    """The files that a program needs beside it, by name."""
    if not isinstance(plan.source, Digits):
        return {}
    return {"digits.npz": (PACKAGE / "data/bundled/digits.npz").read_bytes()}

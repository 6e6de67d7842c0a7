"""Data sets of the Hugging Face hub, by `datasets`: columns become fields."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlspec.data.dataset import Arrays, Stored
from dlspec.data.places import Place
from dlspec.data.problem import ENVIRONMENT, DataProblem
from dlspec.ir.sources import HuggingFace

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_SPLITS = ("train", "validation", "test")


def read_huggingface(source: HuggingFace, place: Place) -> Stored:
    """A data set that was saved to a folder, else one of the hub, from its cache or fetched.

    Raises DataProblem.
    """
    if os.environ.get("DLSPEC_OFFLINE"):  # the library asks for its own variables when imported
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise DataProblem(
            "`huggingface` needs the library datasets, which is not installed",
            exit_code=ENVIRONMENT,
            help='pip install "dlspec[huggingface]"',
        ) from error
    datasets.disable_progress_bars()
    found = _opened(source, place)
    parts: dict[str, Any] = dict(found) if isinstance(found, dict) else {"train": found}
    if "train" not in parts:
        raise DataProblem(
            f"`{source.name}` has no split `train`; it has {', '.join(map(str, parts))}"
        )
    classes = _classes(parts["train"].features)
    stored = {name: _arrays(source.name, parts[name]) for name in _SPLITS if name in parts}
    train, validation, test = (stored.get(name) for name in _SPLITS)
    assert train is not None
    notes = (
        _unused(source.name, "splits", [name for name in parts if name not in _SPLITS]),
        _unused(source.name, "columns", _left_out(parts["train"].column_names, train)),
    )
    return Stored(train, validation, test, classes=classes, notes=tuple(filter(None, notes)))


def _unused(name: str, what: str, left: list[str]) -> str:
    return f"of `{name}` the {what} {', '.join(map(ascii, left))} are not used" if left else ""


def _left_out(columns: list[str], arrays: Arrays) -> list[str]:
    """The columns that are no field: texts, lists of several lengths, names no spec can say."""
    return [name for name in columns if _field(name, columns) not in arrays]


def _field(column: str, columns: list[str]) -> str:
    """The field that a column becomes: CIFAR's images are called `img` there."""
    return "image" if column == "img" and "image" not in columns else column


def _opened(source: HuggingFace, place: Place) -> Any:
    import datasets

    # A folder in the stead of a name is judged as every path of a spec is.
    local = "\0" not in source.name and (place.root / source.name).is_dir()
    if local or not _HUB_NAME.fullmatch(source.name):
        folder = place.folder(source.name)
        try:
            return datasets.load_from_disk(str(folder))
        except Exception as error:
            raise DataProblem(
                f"{folder}: is not a data set that `datasets` has saved",
                help="`save_to_disk` writes one",
            ) from error
    if Path(source.name).exists():
        raise DataProblem(f"`{source.name}` names a folder here, outside the spec's", code="E0605")
    try:
        return datasets.load_dataset(source.name, source.configuration)
    except Exception as error:  # the hub's, the network's, pyarrow's: it documents none
        sentence = str(error).strip().splitlines()[0][:200] if str(error).strip() else ""
        raise DataProblem(
            f"`huggingface` cannot give `{source.name}`: {sentence or type(error).__name__}",
            exit_code=ENVIRONMENT,
            help="without a network, save it elsewhere with `save_to_disk` and name the folder",
        ) from error


def _classes(features: Any) -> tuple[str, ...] | None:
    for feature in features.values():
        names = getattr(feature, "names", None)
        if isinstance(names, list):
            return tuple(map(str, names))
    return None


def _arrays(name: str, part: Any) -> Arrays:
    """The columns of a split as arrays. Raises DataProblem where one is neither."""
    arrays: Arrays = {}
    for column in part.column_names:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", column):
            continue  # no spec could use it
        kind = type(part.features[column]).__name__
        array = _images(name, column, part) if kind == "Image" else _numbers(part, column)
        if array is not None:
            arrays[_field(column, part.column_names)] = array
    if not arrays:
        raise DataProblem(f"`{name}` has no column of numbers or images")
    return arrays


def _images(name: str, column: str, part: Any) -> NDArray[np.uint8]:
    pictures = [row[column] for row in part.select_columns([column])]
    grey = all(picture.mode in ("1", "L", "LA") for picture in pictures)
    if len({picture.size for picture in pictures}) > 1:
        raise DataProblem(
            f"`{name}`: its images differ in size", help="save them with one size, or as a folder"
        )
    arrays = [np.asarray(picture.convert("L" if grey else "RGB")) for picture in pictures]
    images = np.stack(arrays)
    return images[:, None] if grey else np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def _numbers(part: Any, column: str) -> NDArray[Any] | None:
    """A column of numbers, or of lists of one length of them; None for anything else."""
    values = part.with_format("numpy").select_columns([column])[:][column]
    try:
        array = np.stack([np.asarray(value) for value in values]) if len(values) else None
    except ValueError:  # lists of several lengths
        return None
    if array is None or array.dtype.kind not in "biuf":
        return None
    if array.dtype.kind == "b":
        return array
    return np.ascontiguousarray(array, np.int64 if array.dtype.kind in "iu" else np.float32)

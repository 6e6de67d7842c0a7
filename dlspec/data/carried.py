"""What only emitted training programs use, beside their copies of `files`, `images` and `splits`.

dlspec itself checks more (`sources`, `arrays`); a program that stands by itself reads the
files that it was written for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlspec.data.images import ImageSteps, list_images, read_images
from dlspec.data.splits import split_indices


def plain(array: NDArray[Any]) -> NDArray[Any]:
    """Images in uint8 as they are, other whole numbers as int64, fractions as float32."""
    if array.dtype == bool or (array.dtype == np.uint8 and array.ndim == 4):
        return array
    return array.astype(np.int64 if array.dtype.kind in "iu" else np.float32)


def read_folder(
    folder: Path, steps: ImageSteps, validation: float, test: float, seed: int
) -> dict[str, dict[str, NDArray[Any]]]:
    """The images of `folder/CLASS/*` in splits, or of `folder/{train,validation,test}/CLASS/*`.

    A split that has a folder of its own is taken from there, whatever its share.
    """
    train = folder / "train"
    divided = train.is_dir() and any(path.is_dir() for path in train.iterdir())
    places = {name: folder / name for name in ("train", "validation", "test")}
    places = {name: path for name, path in places.items() if divided and path.is_dir()}
    found = {
        name: list_images(path) for name, path in (places or {"train": folder}).items()
    }
    images = read_images(
        [path for _, paths, _ in found.values() for path in paths], steps
    )
    classes = found["train"][0]
    splits: dict[str, dict[str, NDArray[Any]]] = {}
    start = 0
    for name, (own, paths, labels) in found.items():
        numbers = np.array([classes.index(c) for c in own], dtype=np.int64)[labels]
        splits[name] = {"image": images[start : start + len(paths)], "label": numbers}
        start += len(paths)
    whole = splits["train"]
    validation, test = (
        0.0 if name in found else share
        for name, share in (("validation", validation), ("test", test))
    )
    indices = split_indices(len(whole["label"]), validation, test, seed)
    for name, numbers in zip(("train", "validation", "test"), indices, strict=True):
        if len(numbers) > 0:
            splits[name] = {field: array[numbers] for field, array in whole.items()}
    return splits

"""Folders of images as a source: a folder a class, in splits or not."""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from dlspec.data.dataset import Arrays, Stored
from dlspec.data.places import Place
from dlspec.data.problem import DataProblem, told_as_problems
from dlspec.data.storage import Storage
from dlspec.ir.data import DataPlan
from dlspec.ir.datacheck import while_reading
from dlspec.ir.transforms import CenterCrop, Resize, pair


def read_image_folder(
    place: Place, folder: Path, plan: DataPlan, storage: Storage, skipped: list[str] | None
) -> Stored:
    """The images of a folder in splits, decoded and resized as `while_reading` says.

    skipped: where to note images that cannot be decoded; None makes them problems.
    Raises DataProblem.
    """
    try:
        from dlspec.data.decoded import decoded_images
        from dlspec.data.images import list_images
    except ModuleNotFoundError as error:
        raise DataProblem(
            "`image_folder` needs Pillow, which is not installed",
            exit_code=3,
            help='pip install "dlspec[train]"',
        ) from error

    steps = image_steps(while_reading(plan).steps)
    with told_as_problems(folder):
        parts = {name: list_images(path) for name, path in split_folders(folder).items()}
        _check(place, folder, parts)
        if skipped is not None:
            parts = {name: _readable(part, steps, skipped) for name, part in parts.items()}
        paths = [path for _, files, _ in parts.values() for path in files]
        if not parts["train"][1]:
            raise DataProblem(f"{folder}: has no image for training that can be read")
        images, note = decoded_images(folder, paths, steps, storage)
    classes = parts["train"][0]
    stored: dict[str, Arrays] = {}
    start = 0
    for name, (own, files, labels) in parts.items():
        numbers = np.array([classes.index(c) for c in own], dtype=np.int64)[labels]
        stored[name] = {"image": images[start : start + len(files)], "label": numbers}
        start += len(files)
    train, validation, test = (stored.get(name) for name in ("train", "validation", "test"))
    notes = () if note is None else (note,)
    return Stored(train or {}, validation, test, classes=classes, begun=True, notes=notes)


_Part = tuple[tuple[str, ...], list[Path], list[int]]
"""The classes of a split, its files, and the class of each by number."""


def _check(place: Place, folder: Path, parts: dict[str, _Part]) -> None:
    classes = parts["train"][0]
    for name, (own, files, _) in parts.items():
        place.check_files([file.parent for file in files if file.parent.is_symlink()])
        if not set(own) <= set(classes):
            extra = sorted(set(own) - set(classes))[0]
            raise DataProblem(f"{folder / name / extra}: a class that `train` does not have")
        place.check_files(files)


def _readable(part: _Part, steps: tuple[tuple[str, int, int], ...], skipped: list[str]) -> _Part:
    """The part without the images that cannot be decoded, which are noted."""
    from dlspec.data.images import read_image

    own, files, labels = part

    def problem(path: Path) -> str | None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read_image(path, False, steps)
        except ValueError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        problems = list(pool.map(problem, files))
    skipped += [sentence for sentence in problems if sentence is not None]
    good = [number for number, sentence in enumerate(problems) if sentence is None]
    return own, [files[number] for number in good], [labels[number] for number in good]


def split_folders(folder: Path) -> dict[str, Path]:
    """The folders of classes by split: `train` and what stands beside it, or `folder` alone.

    A folder `train` that itself holds folders means that the layout is by splits.
    Raises DataProblem where another folder stands beside it.
    """
    train = folder / "train"
    if not train.is_dir() or not any(path.is_dir() for path in train.iterdir()):
        return {"train": folder}
    parts = {
        path.name: path
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith(".")
    }
    strange = sorted(set(parts) - {"train", "validation", "test"})
    if strange:
        raise DataProblem(
            f"{folder / strange[0]}: beside `train` stand `validation` and `test` alone",
            help="rename or move this folder",
        )
    return parts


def image_steps(stages: tuple[Resize | CenterCrop, ...]) -> tuple[tuple[str, int, int], ...]:
    """Resizing and cropping as image reading takes it."""
    return tuple(
        ("resize" if isinstance(stage, Resize) else "center_crop", *pair(stage.size))
        for stage in stages
    )

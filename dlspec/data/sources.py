"""How each source is read into arrays. One function a source, chosen in `read_source`."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlspec.data.dataset import Arrays, Stored
from dlspec.data.files import read_idx, read_mnist
from dlspec.data.places import Place
from dlspec.data.problem import DataProblem, told_as_problems
from dlspec.data.storage import Storage
from dlspec.ir.data import DataPlan, Digits, Idx, ImageFolder, Mnist, Npz, Source
from dlspec.ir.datacheck import while_reading
from dlspec.ir.transforms import CenterCrop, Resize, pair


def read_source(source: Source, place: Place, plan: DataPlan, storage: Storage) -> Stored:
    """Read a source from `place`.

    plan:    what will be done to images; a source of image files does itself what
             `while_reading` says, and says so in `Stored.begun`.
    storage: where decoded images may be; those of a file are `Rows`.
    Raises DataProblem.
    """
    match source:
        case Digits():
            return _digits()
        case Mnist():
            return _mnist(place, place.folder(source.root, _MNIST_HELP))
        case Idx():
            return _idx(place.file(source.images), place.file(source.labels))
        case ImageFolder():
            return _image_folder(place, place.folder(source.path), plan, storage)
        case Npz():
            return _npz(place.file(source.path))
        case _:
            raise DataProblem(
                f"`{source.kind_name()}` cannot be read by this version of dlspec", code="E0603"
            )


_MNIST_HELP = (
    "a folder of MNIST holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,"
    " `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, gzipped (`.gz`) or not;"
    " `--data mnist:FOLDER` points to one"
)


def digits_file() -> Path:
    """The bundled file of `digits()`: arrays `image`, uint8 [1797, 1, 8, 8], and `label`."""
    return Path(str(resources.files("dlspec.data"))) / "bundled" / "digits.npz"


def _digits() -> Stored:
    path = digits_file()
    with told_as_problems(path), np.load(path, allow_pickle=False) as archive:
        arrays: Arrays = {"image": archive["image"], "label": archive["label"].astype(np.int64)}
    return Stored(arrays, classes=tuple("0123456789"))


def _mnist(place: Place, folder: Path) -> Stored:
    place.check_files(sorted(folder.glob("*-ubyte*")))
    try:
        with told_as_problems(folder):
            train_images, train_labels, test_images, test_labels = read_mnist(folder)
    except DataProblem as problem:
        problem.help = problem.help or _MNIST_HELP
        raise
    train = _labelled_images(folder, train_images, train_labels, classes=10)
    test = _labelled_images(folder, test_images, test_labels, classes=10)
    if train["image"].shape[1:] != test["image"].shape[1:]:
        raise DataProblem(f"{folder}: the images for training and for the test differ in size")
    return Stored(train, test=test, classes=tuple("0123456789"))


def _idx(images: Path, labels: Path) -> Stored:
    with told_as_problems(images):
        pixels = read_idx(images)
    with told_as_problems(labels):
        numbers = read_idx(labels)
    return Stored(_labelled_images(images, pixels, numbers))


def _labelled_images(
    path: Path, images: NDArray[Any], labels: NDArray[Any], classes: int | None = None
) -> Arrays:
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise DataProblem(
            f"{path}: holds {images.dtype}{list(images.shape)}; images are uint8,"
            " [examples, height, width] or [examples, channels, height, width]"
        )
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataProblem(
            f"{path}: its labels are {labels.dtype}{list(labels.shape)}; labels"
            " are whole numbers, one for each image"
        )
    if len(images) != len(labels):
        raise DataProblem(f"{path}: there are {len(images):,} images and {len(labels):,} labels")
    if images.size == 0:
        raise DataProblem(f"{path}: holds no images")
    least, greatest = int(labels.min()), int(labels.max())
    if least < 0 or (classes is not None and greatest >= classes):
        wrong = least if least < 0 else greatest
        where = int(np.flatnonzero(labels == wrong)[0])
        most = "" if classes is None else f" to {classes - 1}"
        raise DataProblem(f"{path}: the label of image {where} is {wrong}; labels go from 0{most}")
    if images.ndim == 3:
        images = images[:, None]
    return {"image": np.ascontiguousarray(images), "label": labels.astype(np.int64)}


def _npz(path: Path) -> Stored:
    from dlspec.data.arrays import read_npz

    with told_as_problems(path):
        return Stored({**read_npz(path)})


def _image_folder(place: Place, folder: Path, plan: DataPlan, storage: Storage) -> Stored:
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
        paths = [path for _, files, _ in parts.values() for path in files]
        classes = parts["train"][0]
        for name, (own, files, _) in parts.items():
            place.check_files([file.parent for file in files if file.parent.is_symlink()])
            if not set(own) <= set(classes):
                extra = sorted(set(own) - set(classes))[0]
                raise DataProblem(f"{folder / name / extra}: a class that `train` does not have")
        place.check_files(paths)
        images, note = decoded_images(folder, paths, steps, storage)
    stored: dict[str, Arrays] = {}
    start = 0
    for name, (own, files, labels) in parts.items():
        numbers = np.array([classes.index(c) for c in own], dtype=np.int64)[labels]
        stored[name] = {"image": images[start : start + len(files)], "label": numbers}
        start += len(files)
    return Stored(
        stored["train"],
        stored.get("validation"),
        stored.get("test"),
        classes=classes,
        begun=True,
        notes=() if note is None else (note,),
    )


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

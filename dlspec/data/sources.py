"""How each source is read into arrays. One function a source, chosen in `read_source`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlspec.data.cifar import read_cifar
from dlspec.data.dataset import Arrays, Stored
from dlspec.data.downloads import fetched
from dlspec.data.drawn import draw_field, draw_points
from dlspec.data.files import read_idx, read_mnist
from dlspec.data.folders import read_image_folder
from dlspec.data.places import Place
from dlspec.data.problem import ENVIRONMENT, DataProblem, told_as_problems
from dlspec.data.storage import Storage, free_memory
from dlspec.data.texts import read_text
from dlspec.ir.data import DataPlan
from dlspec.ir.datacheck import path_problem
from dlspec.ir.sources import (
    Cifar10,
    Cifar100,
    Csv,
    Digits,
    FashionMnist,
    HuggingFace,
    Idx,
    ImageFolder,
    Mnist,
    Npz,
    Parquet,
    Source,
    Synthetic,
    Text,
    Toy2d,
)


def read_source(
    source: Source,
    place: Place,
    plan: DataPlan,
    storage: Storage,
    skipped: list[str] | None = None,
) -> Stored:
    """Read a source from `place`.

    plan:    what will be done to images; a source of image files does itself what
             `while_reading` says, and says so in `Stored.begun`.
    storage: where decoded images may be; those of a file are `Rows`.
    skipped: where to note rows and images that cannot be used; None makes them problems.
    Raises DataProblem.
    """
    match source:
        case Digits():
            return _digits()
        case Mnist() | FashionMnist():
            folder = found_or_fetched(source, source.root, place, storage)
            return _mnist(place, folder, source)
        case Cifar10() | Cifar100():
            folder = found_or_fetched(source, source.root, place, storage)
            return _cifar(place, folder, source)
        case Idx():
            return _idx(place.file(source.images), place.file(source.labels))
        case ImageFolder():
            return read_image_folder(place, place.folder(source.path), plan, storage, skipped)
        case Npz():
            return _npz(place.file(source.path))
        case _:
            return _further(source, place, plan, skipped)


def _further(source: Source, place: Place, plan: DataPlan, skipped: list[str] | None) -> Stored:
    """The sources whose readers are in files of their own."""
    match source:
        case Csv() | Parquet():
            from dlspec.data.tabular import read_rows

            return read_rows(source, place, plan, skipped)
        case Text():
            return _text(source, place)
        case Toy2d():
            point, label = draw_points(source.shape, source.count, source.noise, plan.seed)
            return Stored({"point": point, "label": label}, classes=source.classes())
        case Synthetic():
            return _synthetic(source, plan.seed)
        case HuggingFace():
            from dlspec.data.huggingface import read_huggingface

            return read_huggingface(source, place)
        case _:
            raise DataProblem(
                f"`{source.kind_name()}` cannot be read by this version of dlspec", code="E0603"
            )


def found_or_fetched(source: Source, root: str, place: Place, storage: Storage) -> Path:
    """The folder of a data set that can be fetched: below `place`, else in the caches.

    A path that a person gives on the command line is meant, and must be there.
    Raises DataProblem.
    """
    if not place.confined and root != source.model_fields["root"].default:
        return place.folder(root, _HELP[source.kind_name()])
    reason = path_problem(root)
    if reason is None and not (place.root / root).exists():
        return fetched(source.kind_name(), storage.place)
    return place.folder(root, _HELP[source.kind_name()])


_IDX_HELP = (
    "a folder of MNIST holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,"
    " `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, gzipped (`.gz`) or not;"
)
_CIFAR_HELP = "a folder of CIFAR holds `cifar-{0}-binary.tar.gz`, or the `.bin` files in it;"
_HELP = {
    "mnist": f"{_IDX_HELP} `--data mnist:FOLDER` points to one",
    "fashion_mnist": f"{_IDX_HELP} `--data fashion_mnist:FOLDER` points to one",
    "cifar10": f"{_CIFAR_HELP.format(10)} `--data cifar10:FOLDER` points to one",
    "cifar100": f"{_CIFAR_HELP.format(100)} `--data cifar100:FOLDER` points to one",
}


def digits_file() -> Path:
    """The bundled file of `digits()`: arrays `image`, uint8 [1797, 1, 8, 8], and `label`."""
    return Path(str(resources.files("dlspec.data"))) / "bundled" / "digits.npz"


def _digits() -> Stored:
    path = digits_file()
    with told_as_problems(path), np.load(path, allow_pickle=False) as archive:
        arrays: Arrays = {"image": archive["image"], "label": archive["label"].astype(np.int64)}
    return Stored(arrays, classes=tuple("0123456789"))


def _mnist(place: Place, folder: Path, source: Source) -> Stored:
    place.check_files(sorted(folder.glob("*-ubyte*")))
    with _helped(folder, source):
        arrays = read_mnist(folder)
    return _divided(folder, arrays, source)


def _cifar(place: Place, folder: Path, source: Cifar10 | Cifar100) -> Stored:
    place.check_files(
        path for path in folder.rglob("*") if path.suffix in (".bin", ".gz") and path.exists()
    )
    with _helped(folder, source):
        arrays = read_cifar(folder, 10 if isinstance(source, Cifar10) else 100)
    return _divided(folder, arrays, source)


@contextmanager
def _helped(folder: Path, source: Source) -> Iterator[None]:
    """Say with every problem of a folder what it should hold."""
    try:
        with told_as_problems(folder):
            yield
    except DataProblem as problem:
        problem.help = problem.help or _HELP[source.kind_name()]
        raise


def _divided(folder: Path, arrays: tuple[NDArray[Any], ...], source: Source) -> Stored:
    train_images, train_labels, test_images, test_labels = arrays
    classes = source.classes() or ()
    train = _labelled_images(folder, train_images, train_labels, len(classes))
    test = _labelled_images(folder, test_images, test_labels, len(classes))
    if train["image"].shape[1:] != test["image"].shape[1:]:
        raise DataProblem(f"{folder}: the images for training and for the test differ in size")
    return Stored(train, test=test, classes=classes)


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


def _text(source: Text, place: Place) -> Stored:
    path = place.file(source.path)
    with told_as_problems(path):
        tokens, following, known = read_text(path, source.level, source.length)
    return Stored({"tokens": tokens, "next": following}, classes=tuple(known))


def _synthetic(source: Synthetic, seed: int) -> Stored:
    arrays: Arrays = {}
    total = 0
    for name, type_ in (source.fields() or {}).items():
        shape = (source.count, *(int(str(size)) for size in type_.shape))
        kind = "image" if name == "image" else "number" if type_.dtype == "float" else "class"
        total += math.prod(shape) * {"image": 1, "number": 4, "class": 8}[kind]
        if total > free_memory():
            raise DataProblem(
                f"`synthetic` of {source.count:,} examples needs {total / 2**30:,.1f} GiB, more"
                " than there is",
                exit_code=ENVIRONMENT,
                help="a smaller `count` measures the same speed",
            )
        given: object = getattr(source, name)
        below = int(given[1] if isinstance(given, tuple) else str(given)) if kind == "class" else 0
        arrays[name] = draw_field(shape, kind, below, seed)
    return Stored(arrays)

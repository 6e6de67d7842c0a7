"""From files to examples: images, folders of them, `.npy` arrays and rows of CSV."""

from __future__ import annotations

import csv
import io
import math
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlspec.inference.images import ENDINGS, read_image
from dlspec.inference.preparation import as_float, prepare
from dlspec.inference.problem import ENVIRONMENT, InferenceProblem
from dlspec.inference.tables import table_features
from dlspec.ir.card import InputCard, Preparation

Array = NDArray[Any]

_LARGEST = 2**31
_IMAGE_FIELD = "image"
"""The field of the data that the transforms work on."""


class Example(NamedTuple):
    """One example as the model takes it, or the problem that its file has."""

    name: str
    array: Array | None
    problem: InferenceProblem | None = None


class Reader(NamedTuple):
    """Reads files for one input of a model."""

    card: InputCard
    preparation: Preparation

    def examples(self, path: Path) -> Iterator[Example]:
        """The examples of a file, or of every image below a folder in order of their names.

        A file that cannot be used gives an example with its problem, so that one bad image
        does not cost the others.
        """
        try:
            files = images_below(path) if path.is_dir() else [path]
        except InferenceProblem as problem:
            yield Example(str(path), None, problem)
            return
        for file in files:
            try:
                yield from self._file(file)
            except InferenceProblem as problem:
                yield Example(str(file), None, problem)

    def image(self, content: bytes, name: str) -> Example:
        """The example of an image that did not come from a file."""
        try:
            return self._image(content, name)
        except InferenceProblem as problem:
            return Example(name, None, problem)

    def _file(self, path: Path) -> Iterator[Example]:
        _check(path)
        if path.suffix.lower() == ".npy":
            arrays = self._npy(path)
        elif path.suffix.lower() == ".csv":
            arrays = self._csv(path)
        else:
            yield self._image(path, str(path))
            return
        for number, array in enumerate(arrays):
            name = str(path) if len(arrays) == 1 else f"{path}[{number}]"
            yield self._finish(name, array)

    def _image(self, content: bytes | Path, name: str) -> Example:
        shape = self.card.shape
        if len(shape) != 3 or self.card.dtype != "float" or not isinstance(shape[0], int):
            raise InferenceProblem(
                f"{name}: `{self.card.name}` takes {self._type_text()}, which is no image",
                help="give a `.npy` file, or a `.csv` file with a row for each example",
            )
        return self._finish(name, read_image(content, name, shape[0]))

    def _npy(self, path: Path) -> Array:
        """The examples of a `.npy` file: one, or several along its first axis."""
        try:
            array = np.load(path, allow_pickle=False)
        except OSError as error:
            raise InferenceProblem(f"{path}: {error.strerror or 'cut short or damaged'}") from error
        except Exception as error:  # a damaged header raises whatever its parser does
            raise InferenceProblem(
                f"{path}: not a `.npy` file of numbers, or a damaged one"
            ) from error
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
            raise InferenceProblem(f"{path}: not a `.npy` file of numbers")
        if array.ndim == len(self.card.shape):
            return array[None]
        if array.ndim == len(self.card.shape) + 1:
            return array
        raise InferenceProblem(
            f"{path}: is {list(array.shape)}; `{self.card.name}` takes "
            f"{self._type_text()}, or several along a first axis"
        )

    def _csv(self, path: Path) -> Array:
        """The rows of a CSV file; a first row that holds no numbers names the columns."""
        if len(self.card.shape) != 1:
            raise InferenceProblem(
                f"{path}: a row of a CSV file is flat; `{self.card.name}` takes {self._type_text()}"
            )
        if self.card.field == "features" and self.preparation.columns:
            return table_features(path, self.preparation.columns)
        try:
            text = path.read_bytes().decode("utf-8-sig")
            rows = [row for row in csv.reader(io.StringIO(text)) if row]
        except (UnicodeDecodeError, csv.Error) as error:
            raise InferenceProblem(f"{path}: not a CSV file in UTF-8") from error
        if rows and not any(map(_is_number, rows[0])):
            rows = rows[1:]
        if not rows:
            raise InferenceProblem(f"{path}: holds no rows of numbers")
        return np.array([self._row(path, number, row) for number, row in enumerate(rows, 1)])

    def _row(self, path: Path, number: int, row: list[str]) -> list[float]:
        (size,) = self.card.shape
        if isinstance(size, int) and len(row) != size:
            raise InferenceProblem(
                f"{path}: row {number} has {len(row)} numbers; `{self.card.name}` takes {size}"
            )
        try:
            return [float(cell) for cell in row]
        except ValueError as error:
            raise InferenceProblem(
                f"{path}: row {number} holds something that is no number"
            ) from error

    def _finish(self, name: str, array: Array) -> Example:
        """Prepare an example and hold it to the type of the input."""
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # told below, in words
                array = self._prepared(array)
        except ValueError as error:
            return Example(name, None, InferenceProblem(f"{name}: {error}"))
        fits = len(array.shape) == len(self.card.shape) and all(
            isinstance(want, str) or have == want
            for have, want in zip(array.shape, self.card.shape, strict=False)
        )
        if not fits:
            return Example(name, None, self._misfit(name, array))
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return Example(
                name,
                None,
                InferenceProblem(f"{name}: holds numbers that are not finite in float32"),
            )
        return Example(name, array)

    def _prepared(self, array: Array) -> Array:
        if self.card.dtype == "float":
            if self.card.field == _IMAGE_FIELD and array.ndim == 3:
                return prepare(array, self.preparation)
            return as_float(array)
        whole = np.asarray(array, dtype=np.bool_ if self.card.dtype == "bool" else np.int64)
        if not np.array_equal(whole, array):
            raise ValueError(f"`{self.card.name}` takes whole numbers")
        return whole

    def _misfit(self, name: str, array: Array) -> InferenceProblem:
        image = array.ndim == 3 and len(self.card.shape) == 3
        resize = image and array.shape[0] == self.card.shape[0]
        return InferenceProblem(
            f"{name}: is {list(array.shape)} as the model would get it; `{self.card.name}` takes "
            f"{self._type_text()}",
            help="resize it, or train with a `Resize` in the data's `transform`"
            if resize
            else None,
        )

    def _type_text(self) -> str:
        return f"{self.card.dtype}[{', '.join(map(str, self.card.shape))}]"


def images_below(folder: Path) -> list[Path]:
    """The images in a folder and the folders in it, hidden ones left out."""
    found = [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not found:
        raise InferenceProblem(f"{folder}: holds no images")
    return sorted(found)


def _check(path: Path) -> None:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # a name with a null character is a ValueError
        reason = getattr(error, "strerror", None) or "cannot be read"
        raise InferenceProblem(f"{path}: {reason}", exit_code=ENVIRONMENT) from error
    if not stat.S_ISREG(status.st_mode):
        raise InferenceProblem(f"{path}: not a file", exit_code=ENVIRONMENT)
    if status.st_size > _LARGEST:
        raise InferenceProblem(f"{path}: over 2 GiB")


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False

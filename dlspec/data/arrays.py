"""The arrays of a NumPy .npz file, brought to the few element types that training knows.

A file from elsewhere may claim anything: it is never unpickled, and its claims of size are
bounded before memory is touched.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlspec.data.problem import DataProblem

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a .npz file by name, examples along axis 0.

    Images (an array `image`, uint8 with four axes) stay as they are; other whole numbers
    become int64, other numbers float32, truth values stay.
    Raises DataProblem where an array has another type, no axis or no examples, another
    number of examples than its neighbours, or a value that is not finite; and what the
    decoders raise on corrupt bytes.
    """
    _check_archive(path)
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: _readable(path, name, archive) for name in archive.files}
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"`{name}` has {count:,}" for name, count in counts.items())
        raise DataProblem(f"{path}: the arrays have different numbers of examples: {listed}")
    return arrays


def _check_archive(path: Path) -> None:
    """Refuse what is no archive, or unpacks to more than 1 GiB and 200 times its size."""
    if not zipfile.is_zipfile(path):
        raise DataProblem(
            f"{path}: not a .npz file, or cut short",
            help="`numpy.savez(path, image=…, label=…)` writes one",
        )
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    names = [member.filename.removesuffix(".npy") for member in members]
    if not names:
        raise DataProblem(f"{path}: holds no arrays")
    for name in names:
        if not _NAME.fullmatch(name) or names.count(name) > 1:
            raise DataProblem(
                f"{path}: its array {name[:80]!a} has no name of its own that a spec could use",
                help="name it with letters, digits and `_`",
            )
    size = sum(member.file_size for member in members)
    if size > max(2**30, 200 * path.stat().st_size):
        raise DataProblem(
            f"{path}: would unpack to {size / 2**30:,.1f} GiB, over 200 times its size"
        )


def _readable(path: Path, name: str, archive: Any) -> NDArray[Any]:
    try:
        array = archive[name]
    except ValueError as error:
        raise DataProblem(
            f"{path}: array `{name}` cannot be read: it is corrupt, or holds"
            " Python objects, which dlspec never loads"
        ) from error
    if not isinstance(array, np.ndarray):  # a member without NumPy's header comes as bytes
        raise DataProblem(f"{path}: `{name}` is not an array")
    if array.ndim == 0 or len(array) == 0:
        raise DataProblem(
            f"{path}: array `{name}` holds no examples", help="examples stand along axis 0"
        )
    return _canonical(path, name, array)


def _canonical(path: Path, name: str, array: NDArray[Any]) -> NDArray[Any]:
    kind = array.dtype.kind
    if kind == "b" or (name == "image" and array.dtype == np.uint8 and array.ndim == 4):
        return np.ascontiguousarray(array)
    if kind in "iu":
        if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
            raise DataProblem(f"{path}: array `{name}` holds numbers over 2^63")
        return np.ascontiguousarray(array, dtype=np.int64)
    if kind != "f":
        raise DataProblem(
            f"{path}: array `{name}` has elements of type {array.dtype!s:.40};"
            " numbers and truth values can be used"
        )
    with np.errstate(over="ignore"):
        result = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(result).all():
        example = int(np.argwhere(~np.isfinite(result))[0][0])
        raise DataProblem(
            f"{path}: array `{name}` holds a value that is not finite in"
            f" float32, first in example {example}"
        )
    return result

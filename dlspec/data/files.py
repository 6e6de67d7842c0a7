"""Readers of data files. They use NumPy and the standard library alone: emitted programs
carry copies, and a file that is not what it should be is a ValueError that names it.
"""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_idx(path: str | Path) -> NDArray[Any]:
    """The array in a file of the IDX format, gzipped or not.

    Gives it in the shape and element type that the file names, in native byte order.
    Raises ValueError where the file is not IDX, is cut short, is longer than it says, or
    would unpack to more than 1 GiB and 200 times its size; OSError, EOFError and zlib.error
    where it cannot be read or unpacked.
    Format: http://yann.lecun.com/exdb/mnist/ (LeCun, Cortes, Burges).
    """
    path = Path(path)
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if zipped else path.open("rb") as file:
        types = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
        zero, kind, rank = struct.unpack(">HBB", file.read(4).rjust(4, b"\xff"))
        if zero != 0 or kind not in types or not 1 <= rank <= 8:
            raise ValueError(f"{path}: not a file in the IDX format")
        sizes = file.read(4 * rank)
        if len(sizes) < 4 * rank:
            raise ValueError(f"{path}: ends within its header")
        shape = struct.unpack(f">{rank}I", sizes)
        dtype = np.dtype(types[kind])
        expected = math.prod(shape) * dtype.itemsize
        if expected > max(2**30, 200 * path.stat().st_size):
            raise ValueError(
                f"{path}: its header promises {expected} bytes, more than it holds"
            )
        data = file.read(expected + 1)
    if len(data) != expected:
        found = f"{len(data)}" if len(data) < expected else "more"
        raise ValueError(
            f"{path}: its header promises {expected} bytes of data, it holds {found}"
        )
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def read_mnist(
    root: str | Path,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The four arrays of a folder in MNIST's layout, by `read_idx`, gzipped or not.

    Gives training images [N, H, W] and labels [N], then test images and labels.
    Raises FileNotFoundError where one of the four is missing, and what `read_idx` raises.
    """
    arrays: list[NDArray[Any]] = []
    for part in ("train", "t10k"):
        for name in (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"):
            spellings = (name, f"{name}.gz", name.replace("-idx", ".idx"))
            found = [path for s in spellings if (path := Path(root) / s).is_file()]
            if not found:
                raise FileNotFoundError(
                    f"{Path(root) / name}: no such file, nor {name}.gz"
                )
            arrays.append(read_idx(found[0]))
    return arrays[0], arrays[1], arrays[2], arrays[3]

"""The reader of CIFAR-10's and CIFAR-100's binary version. It uses NumPy and the standard
library alone: emitted programs carry copies.
"""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def cifar_files(
    root: Path, archive: str, folder: str, names: tuple[str, ...]
) -> list[bytes]:
    """What the files of these names hold: below `root`, below its `folder`, or in its archive.

    Raises FileNotFoundError where one is missing, ValueError where one is too large.
    """
    largest = 2**28
    for place in (root, root / folder):
        if all((place / name).is_file() for name in names):
            files = [(place / name).open("rb") for name in names]
            found = dict(
                zip(names, (file.read(largest + 1) for file in files), strict=True)
            )
            for file in files:
                file.close()
            break
    else:
        path = root / archive
        if not path.is_file():
            raise FileNotFoundError(f"{root / names[0]}: no such file, nor {path}")
        found = {}
        with tarfile.open(path, "r:gz") as packed:
            for member in packed:
                name = Path(member.name).name
                file = packed.extractfile(member) if name in names else None
                if file is not None and member.size <= largest:
                    found[name] = file.read()
    for name in names:
        if name not in found or len(found[name]) > largest:
            raise ValueError(f"{root}: `{name}` is missing or too large")
    return [found[name] for name in names]


def read_cifar(
    root: str | Path, classes: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The four arrays of CIFAR-10 or, with 100 classes, of CIFAR-100 with its fine labels.

    root: a folder with the files of the binary version, or with its archive. Gives training
    images uint8 [N, 3, 32, 32] and labels [N], then test images and labels.
    Raises FileNotFoundError where a file is missing, ValueError where it is not CIFAR.
    Format: https://www.cs.toronto.edu/~kriz/cifar.html (Krizhevsky 2009).
    """
    root = Path(root)
    if classes == 10:
        names = (*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin")
        files = cifar_files(
            root, "cifar-10-binary.tar.gz", "cifar-10-batches-bin", names
        )
    else:
        names = ("train.bin", "test.bin")
        files = cifar_files(root, "cifar-100-binary.tar.gz", "cifar-100-binary", names)
    label_bytes = 1 if classes == 10 else 2
    size = label_bytes + 3 * 32 * 32
    arrays: list[NDArray[Any]] = []
    for part in (files[:-1], files[-1:]):
        data = b"".join(part)
        if len(data) == 0 or len(data) % size:
            raise ValueError(f"{root}: not the binary version of CIFAR-{classes}")
        rows = np.frombuffer(data, np.uint8).reshape(-1, size)
        labels = rows[:, label_bytes - 1].astype(np.int64)
        if labels.max() >= classes:
            raise ValueError(f"{root}: not the binary version of CIFAR-{classes}")
        arrays += [rows[:, label_bytes:].reshape(-1, 3, 32, 32).copy(), labels]
    return arrays[0], arrays[1], arrays[2], arrays[3]

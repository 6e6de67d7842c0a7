"""Image files decoded once and kept, for this run and the next ones.

The file that keeps them is known by the folder they come from and what reading does to them;
it is made anew where a file has another name, size or time of change than when it was made.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from dlspec.data.images import ImageSteps, decode_images, images_are_grey
from dlspec.data.problem import ENVIRONMENT, DataProblem
from dlspec.data.rows import Rows, open_rows, write_rows
from dlspec.data.storage import FOLDER_VARIABLE, Storage

WORTH_KEEPING = 16 * 2**20
"""Bytes of decoded images from which on a file of them saves more time than it costs room."""


class Decoded(NamedTuple):
    """Images as uint8 [N, channels, height, width], and a sentence on where they are kept."""

    images: NDArray[np.uint8] | Rows
    note: str | None = None


def decoded_images(
    folder: Path, paths: Sequence[Path], steps: ImageSteps, storage: Storage
) -> Decoded:
    """The images of `paths` behind `steps`: in memory where they are few, else in a file.

    folder: where they come from.
    Raises ValueError as `read_images` does, DataProblem where there is no room for them.
    """
    kept = storage.place / f"images-{_digest(str(folder.resolve()), steps)[:24]}.rows"
    key = _key(paths, steps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        found = open_rows(kept, key)
        if found is not None:
            return Decoded(Rows(found), f"images come decoded from {kept}")
        grey, height, width = images_are_grey(paths, steps)
        shape = (1 if grey else 3, height, width)
        size = len(paths) * math.prod(shape)
        fits = size <= storage.bytes_in_memory
        if fits and size < WORTH_KEEPING:
            return Decoded(_in_memory(paths, shape, steps))
        try:
            _make(kept, key, paths, shape, steps)
        except OSError as error:
            if fits:
                note = f"decoded images could not be kept in {kept.parent}: {error.strerror}"
                return Decoded(_in_memory(paths, shape, steps), note)
            raise _no_room(kept, size, error.strerror or "") from error
    found = open_rows(kept, key)
    if found is None:
        raise _no_room(kept, size, "what was written there is not what is read")
    return Decoded(Rows(found), f"{len(paths):,} images were decoded into {kept}")


def _in_memory(
    paths: Sequence[Path], shape: tuple[int, int, int], steps: ImageSteps
) -> NDArray[np.uint8]:
    images = np.empty((len(paths), *shape), np.uint8)
    for number, image in enumerate(decode_images(paths, shape[0] == 1, steps)):
        images[number] = image
    return images


def _make(
    kept: Path, key: str, paths: Sequence[Path], shape: tuple[int, int, int], steps: ImageSteps
) -> None:
    """Decode into the file, unless another process has done so meanwhile. Raises OSError."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with _alone(kept):
        if open_rows(kept, key) is not None:
            return
        for left in kept.parent.glob(f"{kept.name}.*.tmp"):  # by a process that was killed
            left.unlink(missing_ok=True)
        size = len(paths) * (math.prod(shape) + 4)
        if shutil.disk_usage(kept.parent).free < size:
            raise OSError(0, "not enough free space on the disk")
        write_rows(kept, key, shape, decode_images(paths, shape[0] == 1, steps))


@contextmanager
def _alone(kept: Path) -> Iterator[None]:
    """Within, no other process makes the same file, where the system has locks for that."""
    try:
        import fcntl
    except ModuleNotFoundError:
        yield
        return
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _no_room(kept: Path, size: int, reason: str) -> DataProblem:
    return DataProblem(
        f"{kept}: {size / 2**20:,.0f} MiB of decoded images are over the limit on memory and"
        f" cannot be kept there: {reason}",
        help=f"`{FOLDER_VARIABLE}` names another folder, `--cache-limit` allows more memory",
        exit_code=ENVIRONMENT,
    )


def _key(paths: Sequence[Path], steps: ImageSteps) -> str:
    """What the decoded images depend on: files, steps, the decoder."""
    digest = hashlib.sha256(_digest(PIL.__version__, steps).encode())
    for path in paths:
        status = path.stat()
        digest.update(os.fsencode(path))  # a name need not be UTF-8
        digest.update(f"\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _digest(*facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

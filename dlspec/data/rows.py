"""Decoded examples on the disk: rows of one size in a file, each with its checksum.

Rows are read where they lie, by position: pages of a mapped file would count as this
process's memory, and a limit on memory would hold in name alone. The system keeps what it
has room for in its own cache.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import weakref
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlspec.data.problem import ENVIRONMENT, DataProblem

_VERSION = 1
_LENGTH = 8
_DIGEST = hashlib.sha256().digest_size


class RowFile:
    """A file of rows, open for reading.

    It holds the rows, a CRC-32 for each, what is said of them as JSON, the length of that, and
    a SHA-256 of all but the rows.
    """

    def __init__(
        self, path: Path, file: io.FileIO, facts: dict[str, Any], sums: NDArray[np.uint32]
    ):
        self.path = path
        self.key: str = facts["key"]
        self.shape: tuple[int, ...] = tuple(facts["shape"])
        self.row_bytes = math.prod(self.shape)
        self._file = file
        self._sums = sums
        weakref.finalize(self, file.close)

    def __len__(self) -> int:
        return len(self._sums)

    def read(self, numbers: NDArray[np.int64], into: NDArray[np.uint8]) -> None:
        """Read the rows with these numbers. Raises DataProblem where one is damaged."""
        size = self.row_bytes
        flat = into.reshape(len(numbers), size)
        for place, number in enumerate(numbers.tolist()):
            row = memoryview(flat[place])
            done = _read_at(self._file, row, number * size)
            if done != size or zlib.crc32(row) != self._sums[number]:
                raise DataProblem(
                    f"{self.path}: the decoded image {number:,} is damaged",
                    help="delete the file; the next run makes it anew",
                    exit_code=ENVIRONMENT,
                )


def _read_at(file: io.FileIO, into: memoryview, offset: int) -> int:
    """Read without moving the file's position, which several threads share."""
    done = 0
    while done < len(into):
        if hasattr(os, "preadv"):
            count = os.preadv(file.fileno(), [into[done:]], offset + done)
        else:  # Windows has no reading by position
            with io.FileIO(file.name) as own:
                own.seek(offset + done)
                count = own.readinto(into[done:])
        if not count:
            break
        done += count
    return done


class Rows:
    """Some rows of a file in an order, standing in for a uint8 array [N, …] in memory."""

    dtype = np.dtype(np.uint8)

    def __init__(self, file: RowFile, numbers: NDArray[np.int64] | None = None) -> None:
        self.file = file
        self.numbers = np.arange(len(file)) if numbers is None else numbers

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.numbers), *self.file.shape)

    @property
    def nbytes(self) -> int:
        return len(self.numbers) * self.file.row_bytes

    def __getitem__(self, chosen: slice | NDArray[np.int64]) -> Rows:
        """Other rows of the same file; nothing is read."""
        return Rows(self.file, self.numbers[chosen])

    def read(
        self, chosen: NDArray[np.int64], into: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        """The rows with these numbers among these, in memory. Raises as `RowFile.read` does."""
        if into is None:
            into = np.empty((len(chosen), *self.file.shape), np.uint8)
        self.file.read(self.numbers[chosen], into)
        return into

    def read_all(self) -> NDArray[np.uint8]:
        """All of them in memory."""
        return self.read(np.arange(len(self)))

    def tobytes(self) -> bytes:
        """Bytes by which other rows are told apart."""
        return self.file.key.encode() + self.numbers.tobytes()


def write_rows(
    path: Path, key: str, shape: tuple[int, ...], rows: Iterable[NDArray[np.uint8]]
) -> None:
    """Write a file of rows that `open_rows` takes for `key`; there is none until it is whole.

    Raises OSError, and what `rows` raises.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    sums: list[int] = []
    try:
        with temporary.open("wb", buffering=2**20) as file:
            for row in rows:
                whole = row.tobytes()
                sums.append(zlib.crc32(whole))
                file.write(whole)
            end = np.array(sums, "<u4").tobytes()
            facts = {"version": _VERSION, "key": key, "shape": shape, "rows": len(sums)}
            text = json.dumps(facts).encode()
            end += text + len(text).to_bytes(_LENGTH, "little")
            file.write(end + hashlib.sha256(end).digest())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def open_rows(path: Path, key: str) -> RowFile | None:
    """The file of rows for `key`, or None where there is none that is whole and for this key."""
    try:
        file = io.FileIO(path)
    except OSError:
        return None
    found = _facts(file, path.stat().st_size)
    if found is None or found[0].get("key") != key:
        file.close()
        return None
    return RowFile(path, file, *found)


def _facts(file: io.FileIO, size: int) -> tuple[dict[str, Any], NDArray[np.uint32]] | None:
    """What is said of the rows, and their checksums, where they are as they were written."""
    tail = _LENGTH + _DIGEST
    if size < tail:
        return None
    file.seek(size - tail)
    end = file.read(tail) or b""
    length = int.from_bytes(end[:_LENGTH], "little")
    if length > size - tail:
        return None
    file.seek(size - tail - length)
    text = file.read(length) or b""
    try:
        facts = json.loads(text)
        count, row = int(facts["rows"]), math.prod(facts["shape"])
        good = facts["version"] == _VERSION and size == count * (row + 4) + length + tail
    except (ValueError, KeyError, TypeError):
        return None
    if not good:
        return None
    file.seek(count * row)
    sums = file.read(4 * count) or b""
    if hashlib.sha256(sums + text + end[:_LENGTH]).digest() != end[_LENGTH:]:
        return None
    return facts, np.frombuffer(sums, "<u4")

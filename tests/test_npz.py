"""NumPy's .npz files: what is read and what is refused."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_files import npz_bytes, plan, problem

from dlspec.data import load
from dlspec.ir.sources import Npz
from dlspec.ir.types import tensor


def test_npz_gives_arrays_by_name_in_the_types_of_training(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 1, 4, 4)).astype(np.uint8)
    np.savez_compressed(
        tmp_path / "a.npz",
        image=pixels,
        label=np.array([2, 0, 1], np.uint8),
        weight=np.array([0.5, 1.0, 2.0]),
        mask=np.array([[True], [False], [True]]),
        extra=np.asfortranarray(np.ones((3, 2), np.float16)),
    )
    data = load(plan(Npz(path="a.npz")), tmp_path)
    assert {n: (a.dtype.name, a.shape) for n, a in data.train.fields.items()} == {
        "image": ("uint8", (3, 1, 4, 4)),
        "label": ("int64", (3,)),
        "weight": ("float32", (3,)),
        "mask": ("bool", (3, 1)),
        "extra": ("float32", (3, 2)),
    }
    assert data.fields == {
        "image": tensor(1, 4, 4),
        "label": tensor(dtype="int"),
        "weight": tensor(),
        "mask": tensor(1, dtype="bool"),
        "extra": tensor(2),
    }


def zip_bytes(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def npy_header(shape: str, dtype: str = "|u1") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (10 + len(text)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def claimed_size(data: bytes, size: int) -> bytes:
    """The archive with `size` in place of its first member's unpacked size in the directory."""
    where = data.rindex(b"PK\x01\x02") + 24
    return data[:where] + struct.pack("<I", size) + data[where + 4 :]


class Attack:
    """What an unpickler would run."""

    def __reduce__(self):
        return os.mkdir, ("pickle-was-run",)


HOSTILE_NPZ: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "not a .npz file"),
    "text": (lambda: b"hello", "not a .npz file"),
    "cut": (lambda: npz_bytes(x=np.zeros(9))[:-30], "not a .npz file"),
    "one .npy": (lambda: npy_header("(1,)") + b"\0", "not a .npz file"),
    "no members": (lambda: zip_bytes(), "holds no arrays"),
    "pickle": (lambda: npz_bytes(x=np.array([Attack()], dtype=object)), "never loads"),
    "text inside": (lambda: zip_bytes(("x.npy", b"hello")), "is not an array"),
    "header cut": (lambda: zip_bytes(("x.npy", npy_header("(3,)")[:20])), "`x` cannot be read"),
    "header is code": (
        lambda: zip_bytes(("x.npy", npy_header("__import__('os').getcwd()"))),
        "`x` cannot be read",
    ),
    "data cut": (lambda: zip_bytes(("x.npy", npy_header("(300,)") + b"\0" * 20)), "`x` cannot"),
    "shape of 2^62": (lambda: zip_bytes(("x.npy", npy_header(f"({2**62},)"))), "a.npz: "),
    "negative shape": (lambda: zip_bytes(("x.npy", npy_header("(-1,)"))), "`x` cannot be read"),
    "bomb": (lambda: claimed_size(npz_bytes(x=np.zeros(3)), 2**32 - 2), "would unpack to 4.0 GiB"),
    "a name from outside": (lambda: zip_bytes(("../x.npy", b"")), "no name of its own"),
    "a name of escapes": (lambda: zip_bytes(("\x1b[31m.npy", b"")), "no name of its own"),
    "no examples": (lambda: npz_bytes(x=np.zeros((0, 3))), "`x` holds no examples"),
    "a number": (lambda: npz_bytes(x=np.float64(3)), "`x` holds no examples"),
    "texts": (lambda: npz_bytes(x=np.array(["a", "b"])), "numbers and truth values"),
    "complex": (lambda: npz_bytes(x=np.zeros(2, complex)), "numbers and truth values"),
    "structured": (lambda: npz_bytes(x=np.zeros(2, [("a", "f4")])), "numbers and truth values"),
    "too great": (lambda: npz_bytes(x=np.array([1, 2**63], np.uint64)), "numbers over 2^63"),
    "not finite": (lambda: npz_bytes(x=np.array([[0, 1], [np.nan, 1]])), "first in example 1"),
    "not finite in float32": (lambda: npz_bytes(x=np.array([0, 1e300])), "first in example 1"),
    "counts differ": (lambda: npz_bytes(x=np.zeros(2), y=np.zeros(3)), "`x` has 2, `y` has 3"),
}


@pytest.mark.parametrize("name", HOSTILE_NPZ)
def test_hostile_npz_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.chdir(tmp_path)
    data, message = HOSTILE_NPZ[name]
    (tmp_path / "a.npz").write_bytes(data())
    found = problem(Npz(path="a.npz"), tmp_path)
    assert message in found.message and "\x1b" not in found.message
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]

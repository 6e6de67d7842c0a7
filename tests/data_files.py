"""What the tests of data write into temporary folders, and how they ask for it."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlspec.data import DataProblem, load
from dlspec.ir.data import DataPlan

SHARED = Path(__file__).parents[2] / "shared" / "data"


def plan(source, **settings) -> DataPlan:
    return DataPlan(name="Examples", source=source, **settings)


def problem(source, root: Path, **settings) -> DataProblem:
    with pytest.raises(DataProblem) as caught:
        load(plan(source, **settings), root)
    assert "\n" not in caught.value.message
    return caught.value


def idx_bytes(array: np.ndarray, kind: int = 8) -> bytes:
    """An IDX file written by the format's own description."""
    header = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def png(path: Path, pixels: np.ndarray, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)


def gradient(height: int, width: int, channels: int = 3) -> np.ndarray:
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, channels))
    return pixels.astype(np.uint8)


def npz_bytes(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()

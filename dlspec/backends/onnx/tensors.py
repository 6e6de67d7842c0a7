"""Tensors of a model: from checkpoints or as layers start, written as raw bytes."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from dlspec.ir.forms import OnnxConstant
from dlspec.ir.layer import Initial

Array = NDArray[Any]

_ELEMENTS = {
    "float32": (TensorProto.FLOAT, "<f4"),
    "int64": (TensorProto.INT64, "<i8"),
    "bool": (TensorProto.BOOL, "|b1"),
}


def write_tensor(proto: TensorProto, name: str, array: Array) -> None:
    """Write an array of float32, int64 or bool into a tensor, its elements as raw bytes."""
    write_head(proto, name, array)
    proto.raw_data = stored(array).tobytes()


def write_head(proto: TensorProto, name: str, array: Array) -> None:
    """Write all of a tensor but its elements."""
    proto.name = name
    proto.dims.extend(array.shape)
    proto.data_type = _ELEMENTS[_kind(array)][0]


def stored(array: Array) -> Array:
    """The array as ONNX stores it, row by row and little-endian: itself where it is so."""
    return np.ascontiguousarray(array, dtype=_ELEMENTS[_kind(array)][1])


def _kind(array: Array) -> str:
    return array.dtype.name if array.dtype.name in _ELEMENTS else "float32"


def constant_array(constant: OnnxConstant) -> Array:
    """The elements of a form's constant; one value fills its whole shape."""
    values = np.array(constant.values, dtype=constant.dtype)
    if values.size == 1 and prod(constant.shape) != 1:
        return np.full(constant.shape, values[0])
    return values.reshape(constant.shape)


def initial_array(name: str, shape: tuple[int, ...], initial: Initial, seed: int) -> Array:
    """A weight as its layer starts it: a function of seed and name, whatever stands around it."""
    kind, amount = initial
    if kind == "constant":
        return np.full(shape, amount, np.float32)
    generator = np.random.default_rng([seed, crc32(name.encode())])
    if kind == "orthogonal":
        return _orthogonal(shape, amount, generator)
    if kind in ("normal", "truncated_normal"):
        values = generator.standard_normal(shape, np.float32)
        if kind == "truncated_normal":
            _redraw_beyond_two(values, generator)
        values *= np.float32(amount)
        return values
    values = generator.random(shape, np.float32)
    values *= np.float32(2 * amount)
    values -= np.float32(amount)
    return values


def _redraw_beyond_two(values: Array, generator: np.random.Generator) -> None:
    while (beyond := np.abs(values) > 2).any():
        values[beyond] = generator.standard_normal(int(beyond.sum()), np.float32)


def _orthogonal(shape: tuple[int, ...], gain: float, generator: np.random.Generator) -> Array:
    """As `torch.nn.init.orthogonal_`: a matrix of the first axis by all others."""
    rows, columns = shape[0], prod(shape[1:])
    flat = generator.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(flat)
    q *= np.sign(np.diag(r))
    return (gain * (q if rows >= columns else q.T)).reshape(shape).astype(np.float32)


def given_array(name: str, shape: tuple[int, ...], weights: Mapping[str, Array]) -> Array:
    """A weight out of those given. Raises ValueError where it is missing or has another shape."""
    if name not in weights:
        raise ValueError(f"the weights lack `{name}`")
    array = weights[name]
    if tuple(array.shape) != shape:
        raise ValueError(
            f"`{name}` is {list(array.shape)} among the weights; the model needs {list(shape)}"
        )
    return array

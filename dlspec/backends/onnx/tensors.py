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


def tensor_proto(name: str, array: Array) -> TensorProto:
    """A tensor of float32, int64 or bool with its elements as raw bytes, no copy by element."""
    kind = array.dtype.name if array.dtype.name in _ELEMENTS else "float32"
    element, stored = _ELEMENTS[kind]
    data = np.ascontiguousarray(array, dtype=stored).tobytes()
    return TensorProto(name=name, dims=array.shape, data_type=element, raw_data=data)


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
    if kind == "normal":
        return generator.standard_normal(shape, np.float32) * np.float32(amount)
    return (generator.random(shape, np.float32) * 2 - 1) * np.float32(amount)


def given_array(name: str, shape: tuple[int, ...], weights: Mapping[str, Array]) -> Array:
    """A weight out of those given. Raises ValueError where it is missing or has another shape."""
    if name not in weights:
        raise ValueError(f"the weights lack `{name}`")
    array = weights[name]
    if tuple(array.shape) != shape:
        raise ValueError(f"`{name}` is {list(array.shape)} among the weights; "
                         f"the model needs {list(shape)}")
    return array

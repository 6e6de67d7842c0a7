"""All that a package of layers needs of dlspec, in one place (`docs/custom-layers.md`).

These names stay; where they are defined may change.
"""

from __future__ import annotations

from dlspec.ir.arguments import (
    Axis,
    Expected,
    Float,
    Fraction,
    Int,
    NonNegativeFloat,
    NonNegativeInt,
    Padding,
    PositiveFloat,
    PositiveInt,
    Share,
    Size,
)
from dlspec.ir.dims import Dim, product
from dlspec.ir.forms import (
    Call,
    OnnxConstant,
    OnnxDerived,
    OnnxForm,
    OnnxNode,
    TorchForm,
    Unsupported,
)
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Initial, Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.shapes import fixed, needs_float

__all__ = [
    "Axis",
    "Call",
    "Dim",
    "Expected",
    "Field",
    "Float",
    "Fraction",
    "Initial",
    "Int",
    "Layer",
    "NonNegativeFloat",
    "NonNegativeInt",
    "OnnxConstant",
    "OnnxDerived",
    "OnnxForm",
    "OnnxNode",
    "Padding",
    "PositiveFloat",
    "PositiveInt",
    "ShapeProblem",
    "Share",
    "Size",
    "TensorType",
    "TorchForm",
    "Unsupported",
    "fixed",
    "needs_float",
    "product",
]

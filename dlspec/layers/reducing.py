"""Layers that make one number of all that stand along an axis."""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from dlspec.ir.arguments import Axis, Expected
from dlspec.ir.forms import OnnxForm, OnnxNode, TorchForm
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.batch import expression, integers
from dlspec.layers.expressions import called
from dlspec.layers.shapes import needs_float, resolve_axis

Axes: TypeAlias = Annotated[
    Axis | Annotated[tuple[Axis, ...], Field(min_length=1, max_length=16)] | None,
    Expected("an axis counted without the batch, several such as (1, 2), or `none` for all"),
]


class Reduction(Layer):
    """One number for all along some axes, which are gone from the result."""

    shape_rule: ClassVar[str] = "the axis is gone; without one, a single number is left"
    method: ClassVar[str]
    """The tensor's method in PyTorch, `mean`."""
    onnx_op: ClassVar[str]
    """`ReduceMean`."""

    axis: Axes = Field(None, description="the axis or axes that are reduced; all unless told")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.dtype == "bool":
            raise ShapeProblem("E0406", f"`{self.kind}` works on numbers; this is {x}", culprit=0)
        gone = self._axes(x)
        return (x.with_shape(tuple(size for axis, size in enumerate(x.shape) if axis not in gone)),)

    def _axes(self, x: TensorType) -> tuple[int, ...]:
        """The axes from 0, in order."""
        if x.rank == 0:
            raise ShapeProblem(
                "E0401",
                f"`{self.kind}` needs at least one axis; this is a single number",
                culprit=0,
            )
        if self.axis is None:
            return tuple(range(x.rank))
        named = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        axes = sorted(resolve_axis(self, axis, x.rank, x.shape) for axis in named)
        if len(set(axes)) < len(axes):
            raise ShapeProblem(
                "E0408",
                f"`{self.kind}` names an axis twice: {named} of {x.shape_text()}",
                culprit=0,
            )
        return tuple(axes)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        axes = tuple(axis + 1 for axis in self._axes(inputs[0]))
        return expression(called(f"{{0}}.{self.method}", dim=axes[0] if len(axes) == 1 else axes))

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        axes = (axis + 1 for axis in self._axes(inputs[0]))
        node = OnnxNode(self.onnx_op, ("x0", "c.axes"), attributes={"keepdims": 0})
        return OnnxForm((node,), {"axes": integers(*axes)})


class Mean(Reduction):
    """The mean along an axis."""

    kind = "Mean"
    summary = "The mean along an axis, or of all elements."
    example = "Mean(axis=0)"
    aliases = ("ReduceMean",)
    method = "mean"
    onnx_op = "ReduceMean"

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        needs_float(self, *inputs)
        return super().infer(inputs)


class Sum(Reduction):
    """The sum along an axis."""

    kind = "Sum"
    summary = "The sum along an axis, or of all elements."
    example = "Sum(axis=0)"
    aliases = ("ReduceSum",)
    method = "sum"
    onnx_op = "ReduceSum"


class Max(Reduction):
    """The greatest along an axis."""

    kind = "Max"
    summary = "The maximum along an axis, or of all elements."
    example = "Max(axis=0)"
    aliases = ("ReduceMax",)
    method = "amax"
    onnx_op = "ReduceMax"


class Min(Reduction):
    """The least along an axis."""

    kind = "Min"
    summary = "The minimum along an axis, or of all elements."
    example = "min(it, axis=0)"
    operator = True
    method = "amin"
    onnx_op = "ReduceMin"

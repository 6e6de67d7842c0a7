"""Concat and Stack: tensors put beside each other along an axis."""

from __future__ import annotations

from typing import ClassVar

from dlspec.ir.arguments import Axis
from dlspec.ir.dims import Dim
from dlspec.ir.forms import OnnxForm, OnnxNode, TorchForm
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.batch import expression, integers, with_batch
from dlspec.layers.broadcasting import listed
from dlspec.layers.shapes import resolve_axis


class Concat(Layer):
    """Tensors one behind the other along an axis, the channels by default."""

    kind = "Concat"
    summary = "Joins tensors along an axis, the channels unless told."
    example = "(Conv(64, 1), Conv(64, 3, padding=1)) -> Concat"
    shape_rule = "the sizes along the axis add up; all other sizes must be equal"
    inputs: ClassVar[tuple[int, int | None]] = (2, None)
    aliases = ("Concatenate", "Cat", "DepthConcat")

    axis: Axis = Field(0, description="the axis along which they are joined")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        first = inputs[0]
        axis = resolve_axis(self, self.axis, first.rank, first.shape)
        what = f"joined along axis {self.axis}"
        total: Dim = first.shape[axis]
        for number, x in enumerate(inputs[1:], start=1):
            _same_kind(self, inputs, number, what)
            _same_sizes(inputs, number, what, but=axis)
            total = total + x.shape[axis]
        return (first.with_shape((*first.shape[:axis], total, *first.shape[axis + 1 :])),)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return expression(f"torch.cat([{_names(inputs)}], dim={with_batch(self.axis)})")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        names = tuple(f"x{number}" for number in range(len(inputs)))
        return OnnxForm((OnnxNode("Concat", names, attributes={"axis": with_batch(self.axis)}),))


class Stack(Layer):
    """Tensors of one shape, put beside each other along a new axis."""

    kind = "Stack"
    summary = "Joins tensors of one shape along a new axis."
    example = "(Conv(8, 3), Conv(8, 3)) -> Stack"
    shape_rule = "a new axis with one entry for each tensor"
    inputs: ClassVar[tuple[int, int | None]] = (2, None)
    aliases = ("Pack",)

    axis: Axis = Field(0, description="where the new axis stands in the result")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        first = inputs[0]
        for number in range(1, len(inputs)):
            _same_kind(self, inputs, number, "stacked")
            _same_sizes(inputs, number, "stacked")
        grown = (*first.shape, len(inputs))
        axis = resolve_axis(self, self.axis, first.rank + 1, grown)
        return (first.with_shape((*first.shape[:axis], len(inputs), *first.shape[axis:])),)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return expression(f"torch.stack([{_names(inputs)}], dim={with_batch(self.axis)})")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        axis = with_batch(self.axis)
        names = tuple(f"t.raised{number}" for number in range(len(inputs)))
        nodes = [
            OnnxNode("Unsqueeze", (f"x{number}", "c.axis"), (name,))
            for number, name in enumerate(names)
        ]
        nodes.append(OnnxNode("Concat", names, attributes={"axis": axis}))
        return OnnxForm(tuple(nodes), {"axis": integers(axis)})


def _names(inputs: tuple[TensorType, ...]) -> str:
    return ", ".join(f"{{{number}}}" for number in range(len(inputs)))


def _same_kind(layer: Layer, inputs: tuple[TensorType, ...], number: int, what: str) -> None:
    first, x = inputs[0], inputs[number]
    if x.dtype != first.dtype:
        raise ShapeProblem(
            "E0406",
            f"`{layer.kind}` takes tensors of one element type; these are {first} and {x}",
            culprit=number,
        )
    if x.rank != first.rank:
        raise ShapeProblem(
            "E0405",
            f"these tensors cannot be {what}: {listed(inputs)}",
            label=f"one has {_axes(first)}, the other {_axes(x)}",
            culprit=number,
        )


def _same_sizes(
    inputs: tuple[TensorType, ...], number: int, what: str, but: int | None = None
) -> None:
    pairs = zip(inputs[0].shape, inputs[number].shape, strict=True)
    for axis, (one, other) in enumerate(pairs):
        if axis != but and one != other:
            raise ShapeProblem(
                "E0405",
                f"these tensors cannot be {what}: {listed(inputs)}",
                label=f"axis {axis} differs: {one} and {other}",
                culprit=number,
            )


def _axes(x: TensorType) -> str:
    return "1 axis" if x.rank == 1 else f"{x.rank} axes"

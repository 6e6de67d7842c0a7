"""Products of two tensors that sum over an axis: MatMul and Dot."""

from __future__ import annotations

from typing import ClassVar

from dlspec.ir.dims import Dim, product
from dlspec.ir.forms import OnnxForm, OnnxNode, TorchForm
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.batch import aligned_names, aligned_nodes, expression, integers
from dlspec.layers.broadcasting import broadcast, broadcast_size, listed
from dlspec.layers.shapes import needs_float


class MatMul(Layer):
    """The matrix product over the last two axes, the axes before them broadcast."""

    kind = "MatMul"
    summary = "The matrix product of two tensors over their last two axes."
    example = "(Softmax, Dense(64)) -> MatMul"
    example_input = "float[50, 50]"
    shape_rule = "[…, n, k] and […, k, m] give […, n, m]; the axes in front are broadcast"
    inputs: ClassVar[tuple[int, int | None]] = (2, 2)
    aliases = ("BatchMatMul", "Matmul", "Bmm")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        needs_float(self, *inputs)
        a, b = inputs
        for number, x in enumerate(inputs):
            if x.rank < 2:
                raise ShapeProblem(
                    "E0401",
                    "`MatMul` multiplies matrices, at least two axes "
                    f"each; this is {x.shape_text()}",
                    culprit=number,
                )
        message = f"these matrices cannot be multiplied: {listed(inputs)}"
        if a.shape[-1] != b.shape[-2]:
            raise ShapeProblem(
                "E0402", message, culprit=1, label=f"{a.shape[-1]} columns meet {b.shape[-2]} rows"
            )
        rank = max(a.rank, b.rank)
        front: list[Dim] = []
        for axis in range(-rank, -2):
            one, other = (x.shape[axis] if axis >= -x.rank else 1 for x in inputs)
            size = broadcast_size(one, other)
            if size is None:
                raise ShapeProblem(
                    "E0402", message, culprit=1, label=f"axis {axis} differs: {one} and {other}"
                )
            front.append(size)
        return (a.with_shape((*front, a.shape[-2], b.shape[-1])),)

    def cost(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return product(outputs[0].shape) * inputs[0].shape[-1]

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return expression(" @ ".join(aligned_names(inputs)))

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        nodes, names, constants = aligned_nodes(inputs)
        return OnnxForm((*nodes, OnnxNode("MatMul", tuple(names))), constants)


class Dot(Layer):
    """The inner product along the last axis, the axes before it broadcast."""

    kind = "Dot"
    summary = "The inner product of two tensors along their last axis."
    example = "(Dense(16), Dense(16)) -> Dot"
    example_input = "float[64]"
    shape_rule = "the last axis is gone; the axes in front are broadcast"
    inputs: ClassVar[tuple[int, int | None]] = (2, 2)

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        needs_float(self, *inputs)
        a, b = inputs
        for number, x in enumerate(inputs):
            if x.rank == 0:
                raise ShapeProblem(
                    "E0401",
                    "`Dot` needs at least one axis; this is a single number",
                    culprit=number,
                )
        if a.shape[-1] != b.shape[-1]:
            raise ShapeProblem(
                "E0402",
                f"these tensors have no inner product: {listed(inputs)}",
                culprit=1,
                label=f"the last axis differs: {a.shape[-1]} and {b.shape[-1]}",
            )
        joined = broadcast(self, inputs, "multiplied")
        return (joined.with_shape(joined.shape[:-1]),)

    def cost(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return product(outputs[0].shape) * inputs[0].shape[-1]

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return expression(f"({' * '.join(aligned_names(inputs))}).sum(dim=-1)")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        nodes, names, constants = aligned_nodes(inputs)
        multiplied = OnnxNode("Mul", tuple(names), ("t.products",))
        summed = OnnxNode("ReduceSum", ("t.products", "c.last"), attributes={"keepdims": 0})
        return OnnxForm((*nodes, multiplied, summed), {**constants, "last": integers(-1)})

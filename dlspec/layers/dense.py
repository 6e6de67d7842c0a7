"""Layers that multiply by a full matrix."""

from __future__ import annotations

from dlspec.ir.arguments import PositiveInt
from dlspec.ir.dims import Dim, product
from dlspec.ir.forms import Call, OnnxForm, OnnxNode, TorchForm
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.shapes import fixed, needs_float


class Dense(Layer):
    """A fully connected layer on the last axis: `x @ weight.T + bias`."""

    kind = "Dense"
    summary = "A fully connected layer on the last axis."
    example = "Flatten -> Dense(500, activation=relu)"
    shape_rule = "the last axis becomes `units`; the others stay"
    aliases = ("Linear", "FullyConnected", "InnerProduct", "Gemm")
    takes_activation = True
    on_last_axis = True
    bias_axis = -1

    units: PositiveInt = Field(description="size of the last axis of the result")
    bias: bool = Field(True, description="whether a learned bias is added")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        needs_float(self, x)
        if x.rank == 0:
            raise ShapeProblem(
                "E0401", "`Dense` needs at least one axis; this is a single number", culprit=0
            )
        fixed(self, x, -1)
        return (x.with_shape((*x.shape[:-1], self.units)),)

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        features = fixed(self, inputs[0], -1)
        shapes: dict[str, tuple[int, ...]] = {"weight": (self.units, features)}
        return shapes | {"bias": (self.units,)} if self.bias else shapes

    def cost(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return product(outputs[0].shape) * fixed(self, inputs[0], -1)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        features = fixed(self, inputs[0], -1)
        kwargs = {} if self.bias else {"bias": False}
        return TorchForm(Call("nn.Linear", (features, self.units), kwargs))

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        if inputs[0].rank == 1:
            operands = ("x0", "w.weight", "w.bias") if self.bias else ("x0", "w.weight")
            return OnnxForm((OnnxNode("Gemm", operands, ("y0",), {"transB": 1}),))
        product_name = "t.product" if self.bias else "y0"
        nodes = [
            OnnxNode("Transpose", ("w.weight",), ("t.weight",), {"perm": (1, 0)}),
            OnnxNode("MatMul", ("x0", "t.weight"), (product_name,)),
        ]
        if self.bias:
            nodes.append(OnnxNode("Add", ("t.product", "w.bias")))
        return OnnxForm(tuple(nodes))

"""Layers that keep the elements and change the axes they stand along."""

from __future__ import annotations

from pydantic import Field

from dlspec.ir.arguments import Axis
from dlspec.ir.dims import product
from dlspec.ir.forms import Call, OnnxForm, OnnxNode, TorchForm
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.batch import integers
from dlspec.layers.shapes import resolve_axis


class Flatten(Layer):
    """Joins the axes from `start` on into one, the last running fastest."""

    kind = "Flatten"
    summary = "Joins all axes, or those from `start` on, into one."
    example = "MaxPool(2) -> Flatten -> Dense(10)"
    shape_rule = "the axes from `start` on become one with the product of their sizes"

    start: Axis = Field(0, description="the first axis that is joined")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.rank == 0:
            raise ShapeProblem("E0401", "`Flatten` needs at least one axis; this is a single "
                               "number", culprit=0)
        start = self._first(x)
        return (x.with_shape((*x.shape[:start], product(x.shape[start:]))),)

    def _first(self, x: TensorType) -> int:
        return resolve_axis(self, self.start, x.rank, x.shape)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        start = self._first(inputs[0]) + 1
        args = () if start == 1 else (start,)
        return TorchForm(Call("nn.Flatten", args), functional=f"torch.flatten({{0}}, {start})")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        start = self._first(inputs[0]) + 1
        if start == 1:
            return OnnxForm((OnnxNode("Flatten", ("x0",)),))
        kept = (0,) * start  # 0 keeps the size of that axis, so no size is written down
        return OnnxForm((OnnxNode("Reshape", ("x0", "c.shape")),), {"shape": integers(*kept, -1)})

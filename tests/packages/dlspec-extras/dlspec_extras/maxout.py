"""Maxout: each result is the greatest of several linear functions of the input."""

from __future__ import annotations

from dlspec.layers.custom import (
    Call,
    Dim,
    Field,
    Layer,
    OnnxConstant,
    OnnxForm,
    OnnxNode,
    PositiveInt,
    ShapeProblem,
    TensorType,
    TorchForm,
    fixed,
    needs_float,
    product,
)


class Maxout(Layer):
    """The greatest of `pieces` linear functions, for each of `units` results."""

    kind = "Maxout"
    summary = "The greatest of several linear functions (Goodfellow et al. 2013)."
    example = "Flatten -> Maxout(64) -> Dense(10)"
    shape_rule = "the last axis becomes `units`; the others stay"
    on_last_axis = True

    units: PositiveInt = Field(description="size of the last axis of the result")
    pieces: PositiveInt = Field(2, description="linear functions for each result")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        needs_float(self, x)
        if x.rank == 0:
            raise ShapeProblem("E0401", "`Maxout` needs at least one axis", culprit=0)
        fixed(self, x, -1)
        return (x.with_shape((*x.shape[:-1], self.units)),)

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        count = self.units * self.pieces
        return {"weight": (count, fixed(self, inputs[0], -1)), "bias": (count,)}

    def cost(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return product(outputs[0].shape) * self.pieces * fixed(self, inputs[0], -1)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        arguments = (fixed(self, inputs[0], -1), self.units, self.pieces)
        return TorchForm(
            Call("MaxoutModule", arguments), imports=(("dlspec_extras.modules", "MaxoutModule"),)
        )

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        # The batch and any axes before the last are kept by 0: "as it was".
        shape = (*[0] * inputs[0].rank, self.units, self.pieces)
        return OnnxForm(
            (
                OnnxNode("Transpose", ("w.weight",), ("t.weight",), {"perm": (1, 0)}),
                OnnxNode("MatMul", ("x0", "t.weight"), ("t.product",)),
                OnnxNode("Add", ("t.product", "w.bias"), ("t.sum",)),
                OnnxNode("Reshape", ("t.sum", "c.shape"), ("t.pieces",)),
                OnnxNode("ReduceMax", ("t.pieces", "c.last"), ("y0",), {"keepdims": 0}),
            ),
            {
                "shape": OnnxConstant((len(shape),), shape, "int64"),
                "last": OnnxConstant((1,), (-1,), "int64"),
            },
        )

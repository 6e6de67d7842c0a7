"""Normalisation: values of a tensor brought to mean 0 and variance 1, then scaled and shifted."""

from __future__ import annotations

from typing import ClassVar

from dlspec.ir.arguments import PositiveFloat, Share
from dlspec.ir.forms import (
    Argument,
    Call,
    OnnxForm,
    OnnxNode,
    TorchForm,
)
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Initial, Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.affine import EPS, SCALE, SHIFT, affine, ones_and_zeros, onnx_affine, torch_norm
from dlspec.layers.batch import integers, scalar
from dlspec.layers.shapes import fixed, needs_float


class BatchNorm(Layer):
    """Batch normalisation of each channel, with running statistics at inference.

    PyTorch's module also counts its batches (`num_batches_tracked`). The count is no
    buffer here: it changes nothing while `momentum` is a number, and PyTorch fills it in
    where a plain dictionary of tensors lacks it.
    """

    kind = "BatchNorm"
    cancels_bias: ClassVar[bool] = True
    summary = "Batch normalisation of each channel (Ioffe, Szegedy 2015)."
    example = "Conv(64, 3, padding=1, bias=false) -> BatchNorm -> ReLU"
    shape_rule = "the shape stays; axis 0 holds the channels"
    aliases = ("BatchNormalization", "BatchNorm1d", "SyncBatchNorm", "BN")
    ranks = (2, 3)

    eps: PositiveFloat = Field(1e-5, description=EPS)
    momentum: Share = Field(0.1, description="share of a new batch in the running statistics")
    scale: bool = Field(True, description=SCALE)
    shift: bool = Field(True, description=SHIFT)

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        needs_float(self, x)
        if not 1 <= x.rank <= 4:
            raise ShapeProblem(
                "E0401",
                "`BatchNorm` works on [channels] and on [channels, …] with up to three "
                f"spatial axes; this is {x.shape_text()}",
                culprit=0,
            )
        fixed(self, x, 0)
        return (x,)

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        return affine(fixed(self, inputs[0], 0), self.scale, self.shift)

    def buffers(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        channels = fixed(self, inputs[0], 0)
        return {"running_mean": (channels,), "running_var": (channels,)}

    def initial(self, inputs: tuple[TensorType, ...]) -> dict[str, Initial]:
        start = ones_and_zeros(self, inputs)
        start["running_mean"] = ("constant", 0.0)
        start["running_var"] = ("constant", 1.0)
        return start

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        name = f"BatchNorm{max(inputs[0].rank - 1, 1)}d"
        kwargs: dict[str, Argument] = {}
        if self.eps != 1e-5:
            kwargs["eps"] = self.eps
        if self.momentum != 0.1:
            kwargs["momentum"] = self.momentum
        return torch_norm(name, (fixed(self, inputs[0], 0),), kwargs, self.scale, self.shift)

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        operands, constants = onnx_affine(fixed(self, inputs[0], 0), self.scale, self.shift)
        operands = ("x0", *operands, "w.running_mean", "w.running_var")
        node = OnnxNode("BatchNormalization", operands, ("y0",), {"epsilon": self.eps})
        return OnnxForm((node,), constants)


class LayerNorm(Layer):
    """Normalisation over the last axis."""

    kind = "LayerNorm"
    summary = "Normalisation over the last axis (Ba et al. 2016)."
    example = "it + (LayerNorm -> Attention(8, causal=true))"
    example_input = "float[50, 64]"
    shape_rule = "the shape stays; the last axis is normalised"
    aliases = ("LayerNormalization",)

    eps: PositiveFloat = Field(1e-5, description=EPS)
    scale: bool = Field(True, description=SCALE)
    shift: bool = Field(True, description=SHIFT)

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        return _on_last_axis(self, inputs)

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        return affine(fixed(self, inputs[0], -1), self.scale, self.shift)

    def initial(self, inputs: tuple[TensorType, ...]) -> dict[str, Initial]:
        return ones_and_zeros(self, inputs)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        features = fixed(self, inputs[0], -1)
        kwargs: dict[str, Argument] = {} if self.eps == 1e-5 else {"eps": self.eps}
        if self.scale and not self.shift:
            return TorchForm(Call("nn.LayerNorm", (features,), kwargs | {"bias": False}))
        if not self.scale and not self.shift:
            off: dict[str, Argument] = {"elementwise_affine": False}
            return TorchForm(Call("nn.LayerNorm", (features,), kwargs | off))
        return torch_norm("LayerNorm", (features,), kwargs, self.scale, self.shift)

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        operands, constants = onnx_affine(fixed(self, inputs[0], -1), self.scale, self.shift)
        node = OnnxNode(
            "LayerNormalization", ("x0", *operands), ("y0",), {"axis": -1, "epsilon": self.eps}
        )
        return OnnxForm((node,), constants)


class RMSNorm(Layer):
    """Division by the root of the mean square over the last axis, times a learned factor."""

    kind = "RMSNorm"
    summary = "Division by the root mean square of the last axis (Zhang, Sennrich 2019)."
    example = "it + (RMSNorm -> Attention(8, causal=true))"
    example_input = "float[50, 64]"
    shape_rule = "the shape stays; the last axis is normalised"
    aliases = ("RMSNormalization",)

    eps: PositiveFloat = Field(1e-6, description="added to the mean square, so that it is never 0")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        return _on_last_axis(self, inputs)

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        return {"weight": (fixed(self, inputs[0], -1),)}

    def initial(self, inputs: tuple[TensorType, ...]) -> dict[str, Initial]:
        return {"weight": ("constant", 1.0)}

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return TorchForm(Call("nn.RMSNorm", (fixed(self, inputs[0], -1),), {"eps": self.eps}))

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        # RMSNormalization is an operator from opset 23 on only.
        return OnnxForm(
            (
                OnnxNode("Mul", ("x0", "x0"), ("t.square",)),
                OnnxNode("ReduceMean", ("t.square", "c.last"), ("t.mean",)),
                OnnxNode("Add", ("t.mean", "c.eps"), ("t.positive",)),
                OnnxNode("Sqrt", ("t.positive",), ("t.root",)),
                OnnxNode("Div", ("x0", "t.root"), ("t.normal",)),
                OnnxNode("Mul", ("t.normal", "w.weight"), ("y0",)),
            ),
            {"last": integers(-1), "eps": scalar(self.eps)},
        )


def _on_last_axis(layer: Layer, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
    (x,) = inputs
    needs_float(layer, x)
    if x.rank == 0:
        raise ShapeProblem(
            "E0401", f"`{layer.kind}` needs an axis; this is a single number", culprit=0
        )
    fixed(layer, x, -1)
    return (x,)

"""Normalisation of each example by itself: over groups of channels, or over each channel."""

from __future__ import annotations

from typing import ClassVar

from dlspec.ir.arguments import PositiveFloat, PositiveInt
from dlspec.ir.forms import Argument, Call, OnnxDerived, OnnxForm, OnnxNode, TorchForm
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Initial, Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.affine import EPS, SCALE, SHIFT, affine, ones_and_zeros, onnx_affine, torch_norm
from dlspec.layers.batch import integers
from dlspec.layers.shapes import fixed, needs_float
from dlspec.layers.windows import spatial


class GroupNorm(Layer):
    """Normalisation over groups of channels, each example by itself."""

    kind = "GroupNorm"
    summary = "Normalisation over groups of channels (Wu, He 2018)."
    example = "Conv(64, 3, padding=1) -> GroupNorm(8) -> ReLU"
    shape_rule = "the shape stays; `groups` divides the channels, axis 0"
    aliases = ("GroupNormalization",)

    groups: PositiveInt = Field(description="groups of channels, each normalised by itself")
    eps: PositiveFloat = Field(1e-5, description=EPS)

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        needs_float(self, x)
        if x.rank == 0:
            raise ShapeProblem(
                "E0401", "`GroupNorm` needs channels; this is a single number", culprit=0
            )
        channels = fixed(self, x, 0)
        if channels % self.groups:
            raise ShapeProblem(
                "E0404",
                f"`GroupNorm` cannot share {channels} channels among {self.groups} groups",
                label=f"{channels} channels here",
                culprit=0,
                help=f"`groups` must divide {channels}",
            )
        _several(self, x, channels // self.groups, "group")
        return (x,)

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        return affine(fixed(self, inputs[0], 0), True, True)

    def initial(self, inputs: tuple[TensorType, ...]) -> dict[str, Initial]:
        return ones_and_zeros(self, inputs)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        kwargs: dict[str, Argument] = {} if self.eps == 1e-5 else {"eps": self.eps}
        return TorchForm(Call("nn.GroupNorm", (self.groups, fixed(self, inputs[0], 0)), kwargs))

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        # ONNX Runtime's GroupNormalization takes the variance as a difference of two means and
        # is a hundred times less exact than its InstanceNormalization of the groups.
        channels = fixed(self, inputs[0], 0)
        _, constants = onnx_affine(self.groups, False, False)
        shape = (channels,) + (1,) * (inputs[0].rank - 1)
        return OnnxForm(
            (
                OnnxNode("Shape", ("x0",), ("t.shape",)),
                OnnxNode("Reshape", ("x0", "c.groups"), ("t.groups",)),
                OnnxNode(
                    "InstanceNormalization",
                    ("t.groups", "c.ones", "c.zeros"),
                    ("t.normal",),
                    {"epsilon": self.eps},
                ),
                OnnxNode("Reshape", ("t.normal", "t.shape"), ("t.back",)),
                OnnxNode("Mul", ("t.back", "d.scale"), ("t.scaled",)),
                OnnxNode("Add", ("t.scaled", "d.shift")),
            ),
            constants | {"groups": integers(0, self.groups, -1)},
            {
                "scale": OnnxDerived((("weight", 0, channels),), shape),
                "shift": OnnxDerived((("bias", 0, channels),), shape),
            },
        )


class InstanceNorm(Layer):
    """Normalisation of each channel of each example by itself."""

    kind = "InstanceNorm"
    cancels_bias: ClassVar[bool] = True
    summary = "Normalisation of each channel of each example by itself (Ulyanov et al. 2016)."
    example = "Conv(64, 7, bias=false) -> InstanceNorm(scale=true, shift=true) -> ReLU"
    shape_rule = "the shape stays; each channel, axis 0, is normalised"
    aliases = ("InstanceNormalization",)
    ranks = (1, 2, 3)

    eps: PositiveFloat = Field(1e-5, description=EPS)
    scale: bool = Field(False, description=SCALE)
    shift: bool = Field(False, description=SHIFT)

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        spatial(self, x)
        fixed(self, x, 0)
        _several(self, x, 1, "channel")
        return (x,)

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        return affine(fixed(self, inputs[0], 0), self.scale, self.shift)

    def initial(self, inputs: tuple[TensorType, ...]) -> dict[str, Initial]:
        return ones_and_zeros(self, inputs)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        name = f"InstanceNorm{inputs[0].rank - 1}d"
        channels = fixed(self, inputs[0], 0)
        kwargs: dict[str, Argument] = {} if self.eps == 1e-5 else {"eps": self.eps}
        if not self.scale and not self.shift:
            return TorchForm(Call(f"nn.{name}", (channels,), kwargs))
        return torch_norm(name, (channels,), kwargs | {"affine": True}, self.scale, self.shift)

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        operands, constants = onnx_affine(fixed(self, inputs[0], 0), self.scale, self.shift)
        node = OnnxNode("InstanceNormalization", ("x0", *operands), ("y0",), {"epsilon": self.eps})
        return OnnxForm((node,), constants)


def _several(layer: Layer, x: TensorType, channels: int, of: str) -> None:
    """Raise E0417 where the mean would be of one value: every result would be 0."""
    if channels == 1 and all(size == 1 for size in x.shape[1:]):
        raise ShapeProblem(
            "E0417",
            f"`{layer.kind}` would take the mean of a single value: each {of} of "
            f"{x.shape_text()} has just one, and the result would always be 0",
            culprit=0,
        )

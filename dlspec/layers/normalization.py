"""Normalisation: values of a tensor brought to mean 0 and variance 1, then scaled and shifted.

PyTorch's modules learn a scale and a shift together or neither. Where a spec wants
one of the two, a subclass a few lines long drops the other.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from dlspec.ir.arguments import PositiveFloat, PositiveInt, Share
from dlspec.ir.forms import Argument, Call, OnnxConstant, OnnxForm, OnnxNode, TorchForm
from dlspec.ir.layer import Initial, Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.batch import integers, scalar
from dlspec.layers.shapes import fixed, needs_float
from dlspec.layers.windows import spatial

_SCALE = "whether a learned factor is multiplied in"
_SHIFT = "whether a learned term is added"
_EPS = "added to the variance, so that it is never 0"


class BatchNorm(Layer):
    """Batch normalisation of each channel, with running statistics at inference.

    PyTorch's module also counts its batches (`num_batches_tracked`). The count is no
    buffer here: it changes nothing while `momentum` is a number, and PyTorch fills it in
    where a plain dictionary of tensors lacks it.
    """

    kind: ClassVar[str] = "BatchNorm"
    cancels_bias: ClassVar[bool] = True
    summary: ClassVar[str] = "Batch normalisation of each channel (Ioffe, Szegedy 2015)."
    example: ClassVar[str] = "Conv(64, 3, padding=1, bias=false) -> BatchNorm -> ReLU"
    shape_rule: ClassVar[str] = "the shape stays; axis 0 holds the channels"
    aliases: ClassVar[tuple[str, ...]] = ("BatchNormalization", "BatchNorm1d", "BN")
    ranks: ClassVar[tuple[int, ...]] = (2, 3)

    eps: PositiveFloat = Field(1e-5, description=_EPS)
    momentum: Share = Field(0.1, description="share of a new batch in the running statistics")
    scale: bool = Field(True, description=_SCALE)
    shift: bool = Field(True, description=_SHIFT)

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        needs_float(self, x)
        if not 1 <= x.rank <= 4:
            raise ShapeProblem(
                "E0401", "`BatchNorm` works on [channels] and on [channels, …] with up to three "
                f"spatial axes; this is {x.shape_text()}", culprit=0)
        fixed(self, x, 0)
        return (x,)

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        return _affine(fixed(self, inputs[0], 0), self.scale, self.shift)

    def buffers(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        channels = fixed(self, inputs[0], 0)
        return {"running_mean": (channels,), "running_var": (channels,)}

    def initial(self, inputs: tuple[TensorType, ...]) -> dict[str, Initial]:
        start = _ones_and_zeros(self, inputs)
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
        return _torch(name, (fixed(self, inputs[0], 0),), kwargs, self.scale, self.shift)

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        operands, constants = _onnx_affine(fixed(self, inputs[0], 0), self.scale, self.shift)
        operands = ("x0", *operands, "w.running_mean", "w.running_var")
        node = OnnxNode("BatchNormalization", operands, ("y0",), {"epsilon": self.eps})
        return OnnxForm((node,), constants)


class LayerNorm(Layer):
    """Normalisation over the last axis."""

    kind: ClassVar[str] = "LayerNorm"
    summary: ClassVar[str] = "Normalisation over the last axis (Ba et al. 2016)."
    example: ClassVar[str] = "it + (LayerNorm -> Attention(heads, causal=true))"
    shape_rule: ClassVar[str] = "the shape stays; the last axis is normalised"
    aliases: ClassVar[tuple[str, ...]] = ("LayerNormalization",)

    eps: PositiveFloat = Field(1e-5, description=_EPS)
    scale: bool = Field(True, description=_SCALE)
    shift: bool = Field(True, description=_SHIFT)

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        return _on_last_axis(self, inputs)

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        return _affine(fixed(self, inputs[0], -1), self.scale, self.shift)

    def initial(self, inputs: tuple[TensorType, ...]) -> dict[str, Initial]:
        return _ones_and_zeros(self, inputs)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        features = fixed(self, inputs[0], -1)
        kwargs: dict[str, Argument] = {} if self.eps == 1e-5 else {"eps": self.eps}
        if self.scale and not self.shift:
            return TorchForm(Call("nn.LayerNorm", (features,), kwargs | {"bias": False}))
        if not self.scale and not self.shift:
            off: dict[str, Argument] = {"elementwise_affine": False}
            return TorchForm(Call("nn.LayerNorm", (features,), kwargs | off))
        return _torch("LayerNorm", (features,), kwargs, self.scale, self.shift)

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        operands, constants = _onnx_affine(fixed(self, inputs[0], -1), self.scale, self.shift)
        node = OnnxNode("LayerNormalization", ("x0", *operands), ("y0",),
                        {"axis": -1, "epsilon": self.eps})
        return OnnxForm((node,), constants)


class GroupNorm(Layer):
    """Normalisation over groups of channels, each example by itself."""

    kind: ClassVar[str] = "GroupNorm"
    summary: ClassVar[str] = "Normalisation over groups of channels (Wu, He 2018)."
    example: ClassVar[str] = "Conv(64, 3, padding=1) -> GroupNorm(8) -> ReLU"
    shape_rule: ClassVar[str] = "the shape stays; `groups` divides the channels, axis 0"
    aliases: ClassVar[tuple[str, ...]] = ("GroupNormalization",)

    groups: PositiveInt = Field(description="groups of channels, each normalised by itself")
    eps: PositiveFloat = Field(1e-5, description=_EPS)

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        needs_float(self, x)
        if x.rank == 0:
            raise ShapeProblem("E0401", "`GroupNorm` needs channels; this is a single number",
                               culprit=0)
        channels = fixed(self, x, 0)
        if channels % self.groups:
            raise ShapeProblem(
                "E0404", f"`GroupNorm` cannot share {channels} channels among {self.groups} groups",
                label=f"{channels} channels here", culprit=0,
                help=f"`groups` must divide {channels}")
        _several(self, x, channels // self.groups, "group")
        return (x,)

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        return _affine(fixed(self, inputs[0], 0), True, True)

    def initial(self, inputs: tuple[TensorType, ...]) -> dict[str, Initial]:
        return _ones_and_zeros(self, inputs)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        kwargs: dict[str, Argument] = {} if self.eps == 1e-5 else {"eps": self.eps}
        return TorchForm(Call("nn.GroupNorm", (self.groups, fixed(self, inputs[0], 0)), kwargs))

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        node = OnnxNode("GroupNormalization", ("x0", "w.weight", "w.bias"), ("y0",),
                        {"num_groups": self.groups, "epsilon": self.eps})
        return OnnxForm((node,))


class InstanceNorm(Layer):
    """Normalisation of each channel of each example by itself."""

    kind: ClassVar[str] = "InstanceNorm"
    cancels_bias: ClassVar[bool] = True
    summary: ClassVar[str] = (
        "Normalisation of each channel of each example by itself (Ulyanov et al. 2016).")
    example: ClassVar[str] = "Conv(64, 7) -> InstanceNorm(scale=true, shift=true) -> ReLU"
    shape_rule: ClassVar[str] = "the shape stays; each channel, axis 0, is normalised"
    aliases: ClassVar[tuple[str, ...]] = ("InstanceNormalization",)
    ranks: ClassVar[tuple[int, ...]] = (1, 2, 3)

    eps: PositiveFloat = Field(1e-5, description=_EPS)
    scale: bool = Field(False, description=_SCALE)
    shift: bool = Field(False, description=_SHIFT)

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        spatial(self, x)
        fixed(self, x, 0)
        _several(self, x, 1, "channel")
        return (x,)

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        return _affine(fixed(self, inputs[0], 0), self.scale, self.shift)

    def initial(self, inputs: tuple[TensorType, ...]) -> dict[str, Initial]:
        return _ones_and_zeros(self, inputs)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        name = f"InstanceNorm{inputs[0].rank - 1}d"
        channels = fixed(self, inputs[0], 0)
        kwargs: dict[str, Argument] = {} if self.eps == 1e-5 else {"eps": self.eps}
        if not self.scale and not self.shift:
            return TorchForm(Call(f"nn.{name}", (channels,), kwargs))
        return _torch(name, (channels,), kwargs | {"affine": True}, self.scale, self.shift)

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        operands, constants = _onnx_affine(fixed(self, inputs[0], 0), self.scale, self.shift)
        node = OnnxNode("InstanceNormalization", ("x0", *operands), ("y0",), {"epsilon": self.eps})
        return OnnxForm((node,), constants)


class RMSNorm(Layer):
    """Division by the root of the mean square over the last axis, times a learned factor."""

    kind: ClassVar[str] = "RMSNorm"
    summary: ClassVar[str] = (
        "Division by the root mean square of the last axis (Zhang, Sennrich 2019).")
    example: ClassVar[str] = "it + (RMSNorm -> Attention(heads, causal=true))"
    shape_rule: ClassVar[str] = "the shape stays; the last axis is normalised"
    aliases: ClassVar[tuple[str, ...]] = ("RMSNormalization",)

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
        return OnnxForm((
            OnnxNode("Mul", ("x0", "x0"), ("t.square",)),
            OnnxNode("ReduceMean", ("t.square", "c.last"), ("t.mean",)),
            OnnxNode("Add", ("t.mean", "c.eps"), ("t.positive",)),
            OnnxNode("Sqrt", ("t.positive",), ("t.root",)),
            OnnxNode("Div", ("x0", "t.root"), ("t.normal",)),
            OnnxNode("Mul", ("t.normal", "w.weight"), ("y0",)),
        ), {"last": integers(-1), "eps": scalar(self.eps)})


def _on_last_axis(layer: Layer, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
    (x,) = inputs
    needs_float(layer, x)
    if x.rank == 0:
        raise ShapeProblem("E0401", f"`{layer.kind}` needs an axis; this is a single number",
                           culprit=0)
    fixed(layer, x, -1)
    return (x,)


def _several(layer: Layer, x: TensorType, channels: int, of: str) -> None:
    """Raise E0417 where the mean would be of one value: every result would be 0."""
    if channels == 1 and all(size == 1 for size in x.shape[1:]):
        raise ShapeProblem(
            "E0417", f"`{layer.kind}` would take the mean of a single value: each {of} of "
            f"{x.shape_text()} has just one, and the result would always be 0", culprit=0)


def _affine(size: int, scale: bool, shift: bool) -> dict[str, tuple[int, ...]]:
    wanted = {"weight": scale, "bias": shift}
    return {name: (size,) for name, used in wanted.items() if used}


def _ones_and_zeros(layer: Layer, inputs: tuple[TensorType, ...]) -> dict[str, Initial]:
    return {name: ("constant", 1.0 if name == "weight" else 0.0)
            for name in layer.weights(inputs)}


def _torch(name: str, args: tuple[Argument, ...], kwargs: dict[str, Argument], scale: bool,
           shift: bool) -> TorchForm:
    """The module `nn.NAME`, or a subclass of it that lacks the scale or the shift."""
    if scale and shift:
        return TorchForm(Call(f"nn.{name}", args, kwargs))
    if not scale and not shift:
        return TorchForm(Call(f"nn.{name}", args, kwargs | {"affine": False}))
    new, dropped, kept = (f"Shifted{name}", "weight", "shift") if shift else (
        f"Scaled{name}", "bias", "scale")
    definition = f'''class {new}(nn.{name}):
    """`nn.{name}` with a learned {kept} alone."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.register_parameter("{dropped}", None)
'''
    return TorchForm(Call(new, args, kwargs), definitions=(definition,))


def _onnx_affine(size: int, scale: bool, shift: bool
                 ) -> tuple[tuple[str, ...], dict[str, OnnxConstant]]:
    """The scale and the shift that ONNX's operators always take: learned, or ones and zeros."""
    constants: dict[str, OnnxConstant] = {}
    if not scale:
        constants["ones"] = OnnxConstant((size,), (1.0,))
    if not shift:
        constants["zeros"] = OnnxConstant((size,), (0.0,))
    return ("w.weight" if scale else "c.ones", "w.bias" if shift else "c.zeros"), constants

"""Convolutions: a learned kernel that slides over one, two or three spatial axes."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from dlspec.ir.arguments import Expected, Padding, PositiveInt, Size
from dlspec.ir.dims import Dim, product
from dlspec.ir.forms import Argument, Call, OnnxForm, OnnxNode, TorchForm
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Layer, Reach, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.expressions import called, short
from dlspec.layers.shapes import fixed
from dlspec.layers.windows import AXES, Window, onnx_pads, reaches, slid, spatial, window

PaddingMode: TypeAlias = Annotated[
    Literal["zeros", "reflect", "replicate", "circular"],
    Expected("one of `zeros`, `reflect`, `replicate`, `circular`"),
]
TORCH_PAD_MODES = {
    "zeros": "constant",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}
ONNX_PAD_MODES = {
    "zeros": "constant",
    "reflect": "reflect",
    "replicate": "edge",
    "circular": "wrap",
}


class Convolution(Layer):
    """The rules that `Conv` and `DepthwiseConv` share; they differ in filters and groups."""

    takes_activation = True
    bias_axis = 0
    ranks = (1, 2, 3)
    shape_rule = (
        "each spatial axis becomes floor((size + padding - dilation * (kernel - 1) - 1) / stride)"
        " + 1, or ceil(size / stride) with `same`"
    )

    if TYPE_CHECKING:  # the fields stand in the subclasses, in their positional order
        kernel: Size
        stride: Size
        padding: Padding
        dilation: Size
        bias: bool
        padding_mode: PaddingMode

    def channels_and_groups(self, inputs: tuple[TensorType, ...]) -> tuple[int, int, int]:
        """The channels of the input and of the result, and the number of groups."""
        raise NotImplementedError(self.kind)

    def window(self, inputs: tuple[TensorType, ...]) -> Window:
        """The window for these inputs."""
        sizes = spatial(self, inputs[0])
        return window(self, sizes, self.kernel, self.stride, self.padding, self.dilation)

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        sizes = spatial(self, inputs[0])
        _, filters, _ = self.channels_and_groups(inputs)
        w = self.window(inputs)
        places = slid(self, sizes, w)
        check_padding_mode(self, self.padding_mode, sizes, w.before, w.after)
        return (inputs[0].with_shape((filters, *places)),)

    def reaches(self, inputs: tuple[TensorType, ...]) -> tuple[Reach, ...]:
        return reaches(self.window(inputs), inputs[0])

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        channels, filters, groups = self.channels_and_groups(inputs)
        kernel = self.window(inputs).kernel
        shapes: dict[str, tuple[int, ...]] = {"weight": (filters, channels // groups, *kernel)}
        return shapes | {"bias": (filters,)} if self.bias else shapes

    def cost(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        channels, _, groups = self.channels_and_groups(inputs)
        return product(outputs[0].shape) * (channels // groups * prod(self.window(inputs).kernel))

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        channels, filters, groups = self.channels_and_groups(inputs)
        w = self.window(inputs)
        kwargs: dict[str, Argument] = {}
        if set(w.stride) != {1}:
            kwargs["stride"] = short(w.stride)
        if w.same and w.symmetric and set(w.stride) == {1}:
            kwargs["padding"] = "same"
        elif w.symmetric and any(w.before):
            kwargs["padding"] = short(w.before)
        if set(w.dilation) != {1}:
            kwargs["dilation"] = short(w.dilation)
        if groups != 1:
            kwargs["groups"] = groups
        if not self.bias:
            kwargs["bias"] = False
        if w.symmetric and self.padding_mode != "zeros":
            kwargs["padding_mode"] = self.padding_mode
        call = Call(f"nn.Conv{w.rank}d", (channels, filters, short(w.kernel)), kwargs)
        left_out: dict[str, Argument] = {"padding": 0 if self.padding == "same" else self.padding}
        if w.symmetric:
            return TorchForm(call, left_out=left_out)
        return TorchForm(call, self._padded_first(w), left_out=left_out)

    def _padded_first(self, w: Window) -> str:
        mode: dict[str, Argument] = {}
        if self.padding_mode != "zeros":
            mode["mode"] = TORCH_PAD_MODES[self.padding_mode]
        return f"{{m}}({called('F.pad', '{0}', repr(w.torch_pads), **mode)})"

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        _, _, groups = self.channels_and_groups(inputs)
        w = self.window(inputs)
        operands = ("w.weight", "w.bias") if self.bias else ("w.weight",)
        apart = self.padding_mode != "zeros" and any(w.pads)
        node = OnnxNode(
            "Conv",
            ("t.padded" if apart else "x0", *operands),
            ("y0",),
            {
                "kernel_shape": w.kernel,
                "strides": w.stride,
                "dilations": w.dilation,
                "pads": (0,) * len(w.pads) if apart else w.pads,
                "group": groups,
            },
        )
        if not apart:
            return OnnxForm((node,))
        pad = OnnxNode(
            "Pad", ("x0", "c.pads"), ("t.padded",), {"mode": ONNX_PAD_MODES[self.padding_mode]}
        )
        return OnnxForm((pad, node), {"pads": onnx_pads(w.before, w.after)})


class Conv(Convolution):
    """A convolution, in the sense of deep learning: the kernel is not mirrored."""

    kind = "Conv"
    summary = "A convolution over one, two or three spatial axes."
    example = "Conv(64, 3, padding=1) -> ReLU"
    shape_rule = "the channels become `filters`; " + Convolution.shape_rule
    aliases = ("Convolution", "Convolution1D", "Convolution2D", "Convolution3D")

    filters: PositiveInt = Field(description="channels of the result")
    kernel: Size = Field(description="size of the kernel along each spatial axis")
    stride: Size = Field(1, description="steps between two places of the kernel")
    padding: Padding = Field(0, description="cells added at both ends of each axis")
    dilation: Size = Field(1, description="steps between two taps of the kernel")
    groups: PositiveInt = Field(1, description="groups of channels that see only each other")
    bias: bool = Field(True, description="whether a learned bias is added")
    padding_mode: PaddingMode = Field("zeros", description="what the added cells hold")

    def channels_and_groups(self, inputs: tuple[TensorType, ...]) -> tuple[int, int, int]:
        channels = fixed(self, inputs[0], 0)
        check_groups(self, channels, self.filters, self.groups)
        return channels, self.filters, self.groups


class DepthwiseConv(Convolution):
    """A convolution of every channel by itself: `Conv` with as many groups as channels."""

    kind = "DepthwiseConv"
    summary = "A convolution of each channel by itself (MobileNet, Howard et al. 2017)."
    example = "DepthwiseConv(3, padding=1, bias=false) -> BatchNorm -> ReLU6"
    shape_rule = "the channels are multiplied by `multiplier`; " + Convolution.shape_rule
    aliases = ("DepthwiseConvolution",)

    kernel: Size = Field(description="size of the kernel along each spatial axis")
    multiplier: PositiveInt = Field(1, description="channels of the result for each of the input")
    stride: Size = Field(1, description="steps between two places of the kernel")
    padding: Padding = Field(0, description="cells added at both ends of each axis")
    dilation: Size = Field(1, description="steps between two taps of the kernel")
    bias: bool = Field(True, description="whether a learned bias is added")
    padding_mode: PaddingMode = Field("zeros", description="what the added cells hold")

    def channels_and_groups(self, inputs: tuple[TensorType, ...]) -> tuple[int, int, int]:
        channels = fixed(self, inputs[0], 0)
        return channels, channels * self.multiplier, channels


def check_groups(layer: Layer, channels: int, filters: int, groups: int) -> None:
    """Raise E0404 unless the groups share out the channels and the filters evenly."""
    if channels % groups:
        raise ShapeProblem(
            "E0404",
            f"`{layer.kind}` cannot share {channels} channels among {groups} groups",
            label=f"{channels} channels here",
            culprit=0,
            help=f"`groups` must divide {channels}",
        )
    if filters % groups:
        raise ShapeProblem(
            "E0404",
            f"`{layer.kind}` cannot share {filters} filters among {groups} groups",
            help=f"`filters` must be a multiple of {groups}",
        )


def check_padding_mode(
    layer: Layer, mode: str, sizes: tuple[Dim, ...], before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    """Raise E0303 where an axis has too few cells to be mirrored or repeated at its ends."""
    if mode not in ("reflect", "circular"):
        return
    for axis, size, *ends in zip(AXES[len(sizes)], sizes, before, after, strict=True):
        most = size - (mode == "reflect") if isinstance(size, int) else None
        if most is not None and max(ends) > most:
            raise ShapeProblem(
                "E0303",
                f"`{layer.kind}` cannot add {max(ends)} cells by `{mode}` to {axis} {size}",
                label=f"{axis} is {size} here",
                culprit=0,
                help=f"pad by at most {most}, or with `zeros` or `replicate`",
            )

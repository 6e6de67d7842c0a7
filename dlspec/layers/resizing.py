"""Stages that rearrange or resize images without weights."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from dlspec.ir.arguments import Expected, NonNegativeInt, PositiveInt, Size
from dlspec.ir.dims import Dim
from dlspec.ir.forms import Argument, Call, OnnxConstant, OnnxForm, OnnxNode, TorchForm
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.batch import expression, integers
from dlspec.layers.convolution import (
    ONNX_PAD_MODES,
    TORCH_PAD_MODES,
    PaddingMode,
    check_padding_mode,
)
from dlspec.layers.expressions import called, short
from dlspec.layers.shapes import fixed
from dlspec.layers.windows import AXES, onnx_pads, per_axis, spatial, torch_pads

UpsampleMode: TypeAlias = Annotated[
    Literal["nearest", "linear", "bilinear", "trilinear", "bicubic"],
    Expected("one of `nearest`, `linear`, `bilinear`, `trilinear`, `bicubic`"),
]
_MODE_RANKS = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}
_MODE_OF_RANK = {1: "linear", 2: "bilinear", 3: "trilinear"}
_End: TypeAlias = Annotated[int, Field(ge=0, lt=2**31)]
Amount: TypeAlias = Annotated[
    NonNegativeInt
    | Annotated[tuple[_End | tuple[_End, _End], ...], Field(min_length=1, max_length=3)],
    Expected(
        "a whole number of at least 0, or for each spatial axis one or a pair of before and "
        "after, such as ((0, 1), (0, 1))"
    ),
]


class Upsample(Layer):
    """Makes an image a whole number of times as large."""

    kind = "Upsample"
    summary = "Makes each spatial axis a whole number of times as large."
    example = "Upsample(2, mode=bilinear) -> Conv(64, 3, padding=1)"
    shape_rule = "each spatial axis is multiplied by `scale`"
    aliases = ("UpSampling1D", "UpSampling2D", "UpSampling3D", "UpSampling", "Interpolate")
    ranks = (1, 2, 3)

    scale: Size = Field(description="how many times as large")
    mode: UpsampleMode = Field(
        "nearest", description="how cells in between are made; corners are not aligned"
    )

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        sizes = spatial(self, x)
        rank = len(sizes)
        if _MODE_RANKS.get(self.mode, rank) != rank:
            raise ShapeProblem(
                "E0414",
                f"`mode={self.mode}` of `Upsample` is for {_MODE_RANKS[self.mode]} "
                f"spatial axes; {x.shape_text()} has {rank}",
                culprit=0,
                help=f"`mode={_MODE_OF_RANK[rank]}` is for {rank}",
            )
        scales = per_axis(self, "scale", self.scale, rank)
        return (x.with_shape((x.shape[0], *(n * s for n, s in zip(sizes, scales, strict=True)))),)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        kwargs: dict[str, Argument] = {
            "scale_factor": short(per_axis(self, "scale", self.scale, inputs[0].rank - 1))
        }
        if self.mode != "nearest":
            kwargs["mode"] = self.mode
        return TorchForm(
            Call("nn.Upsample", (), kwargs), functional=called("F.interpolate", "{0}", **kwargs)
        )

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        scales = per_axis(self, "scale", self.scale, inputs[0].rank - 1)
        values = (1.0, 1.0, *(float(scale) for scale in scales))
        attributes: dict[str, str | float] = {
            "mode": "linear",
            "coordinate_transformation_mode": "half_pixel",
        }
        if self.mode == "nearest":
            attributes = {
                "mode": "nearest",
                "nearest_mode": "floor",
                "coordinate_transformation_mode": "asymmetric",
            }
        elif self.mode == "bicubic":
            attributes |= {"mode": "cubic", "cubic_coeff_a": -0.75}
        return OnnxForm(
            (OnnxNode("Resize", ("x0", "", "c.scales"), ("y0",), attributes),),
            {"scales": OnnxConstant((len(values),), values)},
        )


class PixelShuffle(Layer):
    """Turns groups of channels into a larger image."""

    kind = "PixelShuffle"
    summary = "Turns channels into a larger image (Shi et al. 2016)."
    example = "Conv(4 * 64, 3, padding=1) -> PixelShuffle(2)"
    shape_rule = "[channels / factor², height * factor, width * factor]"
    aliases = ("DepthToSpace", "SubPixel")
    ranks = (2,)

    factor: PositiveInt = Field(description="how many times as high and wide the image becomes")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        sizes = spatial(self, x)
        if x.rank != 3:
            raise ShapeProblem(
                "E0401",
                f"`PixelShuffle` works on [channels, height, width]; this is {x.shape_text()}",
                culprit=0,
            )
        channels = fixed(self, x, 0)
        if channels % self.factor**2:
            raise ShapeProblem(
                "E0404",
                f"`PixelShuffle` by {self.factor} takes {self.factor**2} channels for "
                f"each of its result, and {channels} is no multiple of {self.factor**2}",
                label=f"{channels} channels here",
                culprit=0,
            )
        shape = (channels // self.factor**2, *(size * self.factor for size in sizes))
        return (x.with_shape(shape),)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return TorchForm(
            Call("nn.PixelShuffle", (self.factor,)),
            functional=called("F.pixel_shuffle", "{0}", repr(self.factor)),
        )

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return OnnxForm(
            (OnnxNode("DepthToSpace", ("x0",), ("y0",), {"blocksize": self.factor, "mode": "CRD"}),)
        )


class ChannelShuffle(Layer):
    """Deals the channels of each group out over all groups."""

    kind = "ChannelShuffle"
    summary = (
        "Deals the channels of each group out over all groups (ShuffleNet, Zhang et al. 2018)."
    )
    example = "Conv(240, 1, groups=3) -> ChannelShuffle(3)"
    shape_rule = "the shape stays; `groups` divides the channels, axis 0"

    groups: PositiveInt = Field(description="groups of channels")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        spatial(self, inputs[0])
        channels = fixed(self, inputs[0], 0)
        if channels % self.groups:
            raise ShapeProblem(
                "E0404",
                f"`ChannelShuffle` cannot share {channels} channels among {self.groups} groups",
                label=f"{channels} channels here",
                culprit=0,
                help=f"`groups` must divide {channels}",
            )
        return inputs

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return TorchForm(
            Call("nn.ChannelShuffle", (self.groups,)),
            functional=called("F.channel_shuffle", "{0}", repr(self.groups)),
        )

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        channels = fixed(self, inputs[0], 0)
        return OnnxForm(
            (
                OnnxNode("Shape", ("x0",), ("t.shape",)),
                OnnxNode("Reshape", ("x0", "c.groups"), ("t.groups",)),
                OnnxNode("Transpose", ("t.groups",), ("t.dealt",), {"perm": (0, 2, 1, 3)}),
                OnnxNode("Reshape", ("t.dealt", "t.shape")),
            ),
            {"groups": integers(0, self.groups, channels // self.groups, -1)},
        )


class Pad(Layer):
    """Adds cells around an image, as many at both ends of an axis or a pair of numbers."""

    kind = "Pad"
    summary = "Adds cells at the ends of the spatial axes."
    example = "Pad(((0, 1), (0, 1))) -> Conv(64, 3, stride=2)"
    shape_rule = "each spatial axis grows by what is added at its two ends"
    aliases = (
        "ZeroPad",
        "ZeroPadding",
        "ReflectionPad",
        "ReplicationPad",
        "CircularPad",
        "ConstantPad",
    )
    ranks = (1, 2, 3)

    amount: Amount = Field(description="cells added at both ends, or (before, after) by axis")
    mode: PaddingMode = Field("zeros", description="what the added cells hold")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        sizes = spatial(self, x)
        before, after = self._ends(len(sizes))
        check_padding_mode(self, self.mode, sizes, before, after)
        grown = (n + (b + a) for n, b, a in zip(sizes, before, after, strict=True))
        return (x.with_shape((x.shape[0], *grown)),)

    def _ends(self, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The cells added before and after, by axis."""
        if isinstance(self.amount, int):
            return (self.amount,) * rank, (self.amount,) * rank
        firsts = tuple(a if isinstance(a, int) else a[0] for a in self.amount)
        lasts = tuple(a if isinstance(a, int) else a[1] for a in self.amount)
        return per_axis(self, "amount", firsts, rank), per_axis(self, "amount", lasts, rank)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        rank = inputs[0].rank - 1
        pads = torch_pads(*self._ends(rank))
        kinds = {
            "zeros": "Zero",
            "reflect": "Reflection",
            "replicate": "Replication",
            "circular": "Circular",
        }
        mode: dict[str, Argument] = (
            {} if self.mode == "zeros" else {"mode": TORCH_PAD_MODES[self.mode]}
        )
        return TorchForm(
            Call(f"nn.{kinds[self.mode]}Pad{rank}d", (short(pads),)),
            functional=called("F.pad", "{0}", repr(pads), **mode),
        )

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        pads = onnx_pads(*self._ends(inputs[0].rank - 1))
        return OnnxForm(
            (OnnxNode("Pad", ("x0", "c.pads"), ("y0",), {"mode": ONNX_PAD_MODES[self.mode]}),),
            {"pads": pads},
        )


class CenterCrop(Layer):
    """Cuts the middle out; of an odd number of cells to drop, the larger half is at the end."""

    kind = "CenterCrop"
    summary = "Cuts the middle out of an image."
    example = "CenterCrop(28) -> Conv(8, 3)"
    shape_rule = "each spatial axis becomes `size`, from (input - size) // 2 on"
    aliases = ("Crop", "Cropping1D", "Cropping2D", "Cropping3D")
    ranks = (1, 2, 3)

    size: Size = Field(description="size of what is kept, along each spatial axis")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        sizes = spatial(self, x)
        wanted = per_axis(self, "size", self.size, len(sizes))
        for axis, have, want in zip(AXES[len(sizes)], sizes, wanted, strict=True):
            if not isinstance(have, int):
                raise ShapeProblem(
                    "E0410",
                    f"`CenterCrop` finds the middle of {axis}, so its size must be fixed; "
                    f"{have} is known only at run time",
                    culprit=0,
                )
            if want > have:
                raise ShapeProblem(
                    "E0303",
                    f"`CenterCrop` cannot cut {axis} {want} out of {have}",
                    label=f"{axis} is {have} here",
                    culprit=0,
                    help=f"give a size of at most {have}, or `Pad` in front",
                )
        return (x.with_shape((x.shape[0], *wanted)),)

    def _starts(self, sizes: tuple[Dim, ...], wanted: tuple[Dim, ...]) -> tuple[int, ...]:
        return tuple(
            (have - want) // 2
            for have, want in zip(sizes, wanted, strict=True)
            if isinstance(have, int) and isinstance(want, int)
        )

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        wanted = outputs[0].shape[1:]
        starts = self._starts(inputs[0].shape[1:], wanted)
        cuts = ", ".join(
            f"{start}:{start + want}" for start, want in zip(starts, wanted, strict=True)
        )
        return expression(f"{{0}}[..., {cuts}]")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        starts = self._starts(inputs[0].shape[1:], outputs[0].shape[1:])
        sizes = per_axis(self, "size", self.size, len(starts))
        ends = tuple(start + size for start, size in zip(starts, sizes, strict=True))
        return OnnxForm(
            (OnnxNode("Slice", ("x0", "c.starts", "c.ends", "c.axes")),),
            {
                "starts": integers(*starts),
                "ends": integers(*ends),
                "axes": integers(*range(2, 2 + len(starts))),
            },
        )

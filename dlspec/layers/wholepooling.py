"""Pooling whose windows follow from the sizes: over a whole image, or to a given size."""

from __future__ import annotations

from typing import ClassVar

from dlspec.ir.arguments import Size
from dlspec.ir.forms import Call, OnnxForm, OnnxNode, TorchForm, Unsupported
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Layer
from dlspec.ir.types import TensorType
from dlspec.layers.batch import expression
from dlspec.layers.expressions import called, short
from dlspec.layers.windows import AXES, per_axis, spatial


class _GlobalPool(Layer):
    """The rules that both kinds of global pooling share."""

    ranks = (1, 2, 3)
    shape_rule = "[channels], or with `keepdims` [channels, 1, 1] for an image"
    method: ClassVar[str]
    module: ClassVar[str]
    operator_name: ClassVar[str]

    keepdims: bool = Field(False, description="whether the spatial axes stay, with size 1")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        sizes = spatial(self, x)
        kept = (1,) * len(sizes) if self.keepdims else ()
        return (x.with_shape((x.shape[0], *kept)),)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        axes = tuple(range(2, inputs[0].rank + 1))
        if not self.keepdims:
            return expression(called(f"{{0}}.{self.method}", dim=axes))
        return TorchForm(
            Call(f"nn.{self.module}{len(axes)}d", (1,)),
            functional=called(f"{{0}}.{self.method}", dim=axes, keepdim=True),
        )

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        if self.keepdims:
            return OnnxForm((OnnxNode(self.operator_name, ("x0",)),))
        return OnnxForm(
            (
                OnnxNode(self.operator_name, ("x0",), ("t.pooled",)),
                OnnxNode("Flatten", ("t.pooled",), ("y0",), {"axis": 1}),
            )
        )


class GlobalAvgPool(_GlobalPool):
    """The mean of each channel."""

    kind = "GlobalAvgPool"
    summary = "The mean of each channel (Lin et al. 2013)."
    example = "GlobalAvgPool -> Dense(10)"
    aliases = (
        "GlobalAveragePool",
        "GlobalAveragePooling",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling2D",
        "GlobalAveragePooling3D",
    )
    method = "mean"
    module = "AdaptiveAvgPool"
    operator_name = "GlobalAveragePool"


class GlobalMaxPool(_GlobalPool):
    """The greatest value of each channel."""

    kind = "GlobalMaxPool"
    takes_maximum: ClassVar[bool] = True
    summary = "The greatest value of each channel."
    example = "GlobalMaxPool -> Dense(10)"
    aliases = ("GlobalMaxPooling", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D")
    method = "amax"
    module = "AdaptiveMaxPool"
    operator_name = "GlobalMaxPool"


class _AdaptivePool(Layer):
    """The rules that both kinds of adaptive pooling share."""

    ranks = (1, 2, 3)
    shape_rule = (
        "each spatial axis becomes `size`: place i covers the cells from floor(i * input / size) "
        "to ceil((i + 1) * input / size)"
    )
    function: ClassVar[str]
    whole: ClassVar[str]
    windowed: ClassVar[str]

    size: Size = Field(description="size of the result along each spatial axis")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        sizes = per_axis(self, "size", self.size, len(spatial(self, x)))
        return (x.with_shape((x.shape[0], *sizes)),)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        rank = inputs[0].rank - 1
        size = short(per_axis(self, "size", self.size, rank))
        return TorchForm(
            Call(f"nn.{self.kind}{rank}d", (size,)),
            functional=called(f"F.{self.function}{rank}d", "{0}", repr(size)),
        )

    def onnx(
        self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]
    ) -> OnnxForm | Unsupported:
        before = inputs[0].shape[1:]
        wanted = per_axis(self, "size", self.size, len(before))
        if set(wanted) == {1}:
            return OnnxForm((OnnxNode(self.whole, ("x0",)),))
        windows: list[int] = []
        for axis, size, result in zip(AXES[len(before)], before, wanted, strict=True):
            if not isinstance(size, int) or size % result:
                return Unsupported(
                    f"{axis} {size} is not known to be a multiple of {result}, and "
                    "ONNX pools by windows of one size"
                )
            windows.append(size // result)
        return OnnxForm(
            (
                OnnxNode(
                    self.windowed,
                    ("x0",),
                    ("y0",),
                    {
                        "kernel_shape": tuple(windows),
                        "strides": tuple(windows),
                        "pads": (0,) * (2 * len(windows)),
                    }
                    | self.extra(),
                ),
            )
        )

    def extra(self) -> dict[str, int]:
        """Attributes that one of the ONNX operators has."""
        return {}


class AdaptiveAvgPool(_AdaptivePool):
    """Means of windows laid so that the result has the given size."""

    kind = "AdaptiveAvgPool"
    summary = "Means of windows laid so that the result has a given size."
    example = "AdaptiveAvgPool(7) -> Flatten -> Dense(4096)"
    aliases = (
        "AdaptiveAveragePooling",
        "AdaptiveAveragePooling1D",
        "AdaptiveAveragePooling2D",
        "AdaptiveAveragePooling3D",
    )
    function = "adaptive_avg_pool"
    whole = "GlobalAveragePool"
    windowed = "AveragePool"

    def extra(self) -> dict[str, int]:
        return {"count_include_pad": 0}


class AdaptiveMaxPool(_AdaptivePool):
    """Greatest values of windows laid so that the result has the given size."""

    kind = "AdaptiveMaxPool"
    takes_maximum: ClassVar[bool] = True
    summary = "Greatest values of windows laid so that the result has a given size."
    example = "AdaptiveMaxPool(1) -> Flatten"
    aliases = (
        "AdaptiveMaxPooling",
        "AdaptiveMaxPooling1D",
        "AdaptiveMaxPooling2D",
        "AdaptiveMaxPooling3D",
    )
    function = "adaptive_max_pool"
    whole = "GlobalMaxPool"
    windowed = "MaxPool"

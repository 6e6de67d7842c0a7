"""Pooling by windows: the greatest or the mean value of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlspec.ir.arguments import OptionalSize, Padding, Size
from dlspec.ir.forms import Argument, Call, OnnxForm, OnnxNode, TorchForm, Unsupported
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Layer, Reach, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.batch import scalar
from dlspec.layers.expressions import called, short
from dlspec.layers.windows import (
    AXES,
    Window,
    blind_axis,
    onnx_pads,
    reaches,
    slid,
    spatial,
    window,
)


class _Pool(Layer):
    """The rules that both kinds of pooling share."""

    ranks = (1, 2, 3)
    shape_rule = (
        "each spatial axis becomes floor((size + padding - reach) / stride) + 1; with `ceil` it is "
        "rounded up, but no window begins in the padding at the end; with `same` it is "
        "ceil(size / stride)"
    )

    if TYPE_CHECKING:  # the fields stand in the subclasses, in their positional order
        size: Size
        stride: OptionalSize
        padding: Padding
        ceil: bool

    def window(self, inputs: tuple[TensorType, ...]) -> Window:
        """The window for these inputs."""
        sizes = spatial(self, inputs[0])
        stride = self.size if self.stride is None else self.stride
        return window(self, sizes, self.size, stride, self.padding, self.taps(), "size")

    def taps(self) -> Size:
        """The dilation of the window."""
        return 1

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        sizes = spatial(self, inputs[0])
        w = self.window(inputs)
        self._check_padding(w)
        places = slid(self, sizes, w, "size", self.ceil)
        blind = blind_axis(sizes, places, w)
        if blind is not None:
            axis = AXES[w.rank][blind]
            raise ShapeProblem(
                "E0403",
                f"`{self.kind}` with dilation {w.dilation[blind]} does not fit {axis} "
                f"{sizes[blind]}: some of its windows would see padding alone",
                label=f"{axis} is {sizes[blind]} here",
                culprit=0,
                help=f"a dilation of at most {sizes[blind]} fits",
            )
        return (inputs[0].with_shape((inputs[0].shape[0], *places)),)

    def reaches(self, inputs: tuple[TensorType, ...]) -> tuple[Reach, ...]:
        return reaches(self.window(inputs), inputs[0])

    def _check_padding(self, w: Window) -> None:
        for i, axis in enumerate(AXES[w.rank]):
            if not w.same and w.before[i] > w.kernel[i] // 2:
                raise ShapeProblem(
                    "E0303",
                    f"`{self.kind}` is padded by {w.before[i]} along {axis}, more than "
                    f"half of its size {w.kernel[i]}, which PyTorch does not take",
                    help=f"pad by at most {w.kernel[i] // 2}, or with a `Pad` in front",
                )

    def padded_inside(self, w: Window) -> bool:
        """Whether PyTorch's own padding can say that of the window."""
        return w.symmetric and all(p <= k // 2 for p, k in zip(w.before, w.kernel, strict=True))

    def _arguments(self, w: Window) -> dict[str, Argument]:
        kwargs: dict[str, Argument] = {}
        if w.stride != w.kernel:
            kwargs["stride"] = short(w.stride)
        if self.padded_inside(w) and any(w.before):
            kwargs["padding"] = short(w.before)
        if set(w.dilation) != {1}:
            kwargs["dilation"] = short(w.dilation)
        if self.ceil and not w.same:
            kwargs["ceil_mode"] = True
        return kwargs

    def _attributes(self, w: Window) -> dict[str, int | tuple[int, ...]]:
        return {
            "kernel_shape": w.kernel,
            "strides": w.stride,
            "pads": w.pads,
            "ceil_mode": int(self.ceil and not w.same),
        }


class MaxPool(_Pool):
    """The greatest value of each window. Padding is minus infinity, never the greatest."""

    kind = "MaxPool"
    takes_maximum: ClassVar[bool] = True
    summary = "The greatest value of each window."
    example = "Conv(64, 7, stride=2, padding=3) -> MaxPool(3, stride=2, padding=1)"
    aliases = ("MaxPooling", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D")

    size: Size = Field(description="size of the window along each spatial axis")
    stride: OptionalSize = Field(None, description="steps between two windows; `size` by default")
    padding: Padding = Field(0, description="cells added at both ends of each axis")
    dilation: Size = Field(1, description="steps between two cells of a window")
    ceil: bool = Field(False, description="whether a last window may reach over the end")

    def taps(self) -> Size:
        return self.dilation

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        w = self.window(inputs)
        kwargs = self._arguments(w)
        kernel = short(w.kernel)
        source = (
            "{0}"
            if self.padded_inside(w)
            else (f'F.pad({{0}}, {w.torch_pads!r}, value=float("-inf"))')
        )
        return TorchForm(
            Call(f"nn.MaxPool{w.rank}d", (kernel,), kwargs),
            f"{{m}}({source})",
            called(f"F.max_pool{w.rank}d", source, repr(kernel), **kwargs),
        )

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        w = self.window(inputs)
        attributes = self._attributes(w) | {"dilations": w.dilation}
        if all(p < k for p, k in zip(w.pads, w.kernel * 2, strict=True)):
            return OnnxForm((OnnxNode("MaxPool", ("x0",), ("y0",), attributes),))
        # ONNX Runtime refuses padding as wide as the kernel, which `same` with dilation needs.
        pad = OnnxNode("Pad", ("x0", "c.pads", "c.least"), ("t.padded",), {"mode": "constant"})
        attributes["pads"] = (0,) * len(w.pads)
        pool = OnnxNode("MaxPool", ("t.padded",), ("y0",), attributes)
        return OnnxForm(
            (pad, pool), {"pads": onnx_pads(w.before, w.after), "least": scalar(float("-inf"))}
        )


class AvgPool(_Pool):
    """The mean of each window."""

    kind = "AvgPool"
    summary = "The mean of each window."
    example = "AvgPool(3, stride=1, padding=same) -> Conv(32, 1)"
    shape_rule = _Pool.shape_rule + (
        ", where the added cells never count into the mean, as in TensorFlow and ONNX"
    )
    aliases = (
        "AveragePool",
        "AveragePooling",
        "AveragePooling1D",
        "AveragePooling2D",
        "AveragePooling3D",
    )

    size: Size = Field(description="size of the window along each spatial axis")
    stride: OptionalSize = Field(None, description="steps between two windows; `size` by default")
    padding: Padding = Field(0, description="cells added at both ends of each axis")
    ceil: bool = Field(False, description="whether a last window may reach over the end")
    count_include_pad: bool = Field(
        True, description="whether added cells count into the mean; with `same` they never do"
    )

    def torch(
        self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]
    ) -> TorchForm | Unsupported:
        w = self.window(inputs)
        sizes = zip(inputs[0].shape[1:], w.kernel, strict=True)
        small = w.rank == 3 and any(isinstance(n, int) and n < k for n, k in sizes)
        if w.same and (small or not w.symmetric):
            return self._same(w, small)
        if small:
            return Unsupported(
                f"{inputs[0].shape_text()} is smaller than the window "
                f"{list(w.kernel)}, padding not counted"
            )
        kwargs = self._arguments(w)
        if any(w.before) and not self._counted(w):
            kwargs["count_include_pad"] = False
        return self._form(w, kwargs)

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        w = self.window(inputs)
        attributes = self._attributes(w) | {"count_include_pad": int(self._counted(w))}
        return OnnxForm((OnnxNode("AveragePool", ("x0",), ("y0",), attributes),))

    def _counted(self, w: Window) -> bool:
        return self.count_include_pad and not w.same

    def _form(self, w: Window, kwargs: dict[str, Argument]) -> TorchForm:
        kernel = short(w.kernel)
        return TorchForm(
            Call(f"nn.AvgPool{w.rank}d", (kernel,), kwargs),
            functional=called(f"F.avg_pool{w.rank}d", "{0}", repr(kernel), **kwargs),
        )

    def _same(self, w: Window, small: bool) -> TorchForm:
        """`same` with an odd cell at the end, which PyTorch's padding cannot say.

        Rounding up adds just that cell where the stride is over 1. Where it is 1, the mean with
        zeros is divided by the share of each window that is not padding. So it is for volumes
        smaller than the window (`small`), which PyTorch refuses before it pads.
        """
        kwargs = self._arguments(w)
        kwargs.pop("padding", None)
        ends = zip(w.before, w.after, w.stride, strict=True)
        if not small and all(a == b or s > 1 for a, b, s in ends):
            if any(w.before):
                kwargs["padding"] = short(w.before)
            return self._form(w, kwargs | {"ceil_mode": True, "count_include_pad": False})
        pads = repr(w.torch_pads)
        ones = called("F.pad", "torch.ones_like({0}[:1, :1])", pads)
        module = self._form(w, kwargs).module
        kernel = repr(short(w.kernel))
        function = f"F.avg_pool{w.rank}d"
        mean = called(function, called("F.pad", "{0}", pads), kernel, **kwargs)
        share = called(function, ones, kernel, **kwargs)
        return TorchForm(
            module, f"{{m}}(F.pad({{0}}, {pads})) / {{m}}({ones})", f"{mean} / {share}"
        )

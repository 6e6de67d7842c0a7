"""The transposed convolution: the gradient of a convolution, used to make images larger."""

from __future__ import annotations

from math import prod

from dlspec.ir.arguments import Padding, PaddingSize, PositiveInt, Size
from dlspec.ir.dims import Dim, product
from dlspec.ir.forms import Argument, Call, OnnxForm, OnnxNode, TorchForm, Unsupported
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.convolution import check_groups
from dlspec.layers.expressions import called, short
from dlspec.layers.shapes import fixed
from dlspec.layers.windows import AXES, Window, extent, per_axis, spatial, window


class ConvTranspose(Layer):
    """A transposed convolution: every value spreads over a window of the result.

    `padding` takes cells off both ends of the result. `same` makes the result
    stride times as large, and is what undoes the shape of `Conv(…, padding=same)`: of an odd
    number of cells the larger half goes at the end.
    """

    kind = "ConvTranspose"
    summary = "A transposed convolution, the gradient of a convolution (Zeiler et al. 2010)."
    example = "ConvTranspose(64, 4, stride=2, padding=1, bias=false) -> BatchNorm"
    shape_rule = (
        "the channels become `filters`; each spatial axis becomes (size - 1) * stride - 2 * padding"
        " + dilation * (kernel - 1) + output_padding + 1, or size * stride with `same`"
    )
    aliases = (
        "Deconvolution",
        "Deconv",
        "TransposedConv",
        "ConvTransposed",
        "ConvolutionTranspose",
    )
    takes_activation = True
    bias_axis = 0
    ranks = (1, 2, 3)

    filters: PositiveInt = Field(description="channels of the result")
    kernel: Size = Field(description="size of the kernel along each spatial axis")
    stride: Size = Field(1, description="how many times as large the result is")
    padding: Padding = Field(0, description="cells taken off both ends, `same` or `valid`")
    output_padding: PaddingSize = Field(0, description="cells added at the end of the result")
    dilation: Size = Field(1, description="steps between two taps of the kernel")
    groups: PositiveInt = Field(1, description="groups of channels that see only each other")
    bias: bool = Field(True, description="whether a learned bias is added")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        sizes = spatial(self, inputs[0])
        check_groups(self, fixed(self, inputs[0], 0), self.filters, self.groups)
        w = self._window(sizes)
        added = self._added(w)
        places = tuple(
            (n - 1) * w.stride[i] + (w.reach[i] + added[i] - w.before[i] - w.after[i])
            for i, n in enumerate(sizes)
        )
        for axis, size, result in zip(AXES[w.rank], sizes, places, strict=True):
            if isinstance(result, int) and result < 1:
                raise ShapeProblem(
                    "E0403",
                    f"the padding of `ConvTranspose` takes all of {axis} {size} away: "
                    f"the result would be {result} {extent(axis)}",
                    culprit=0,
                    label=f"{axis} is {size} here",
                    help="lessen `padding`",
                )
        return (inputs[0].with_shape((self.filters, *places)),)

    def _window(self, sizes: tuple[Dim, ...]) -> Window:
        """The window; with `same`, before and after are what is taken off each end."""
        padding = 0 if self.padding == "same" else self.padding
        w = window(self, sizes, self.kernel, self.stride, padding, self.dilation)
        if self.padding != "same":
            return w
        off = tuple(max(span - s, 0) for span, s in zip(w.reach, w.stride, strict=True))
        return w._replace(
            before=tuple(o // 2 for o in off), after=tuple(o - o // 2 for o in off), same=True
        )

    def _added(self, w: Window) -> tuple[int, ...]:
        """The output padding of each axis. Raises E0303 where PyTorch's conditions do not hold."""
        added = per_axis(self, "output_padding", self.output_padding, w.rank)
        if w.same:
            if any(added):
                raise ShapeProblem(
                    "E0303",
                    "`padding=same` of `ConvTranspose` sets the size of the result, so "
                    "`output_padding` cannot add to it",
                    help="leave `output_padding` out",
                )
            return tuple(max(s - span, 0) for span, s in zip(w.reach, w.stride, strict=True))
        for i, axis in enumerate(AXES[w.rank]):
            if added[i] >= max(w.stride[i], w.dilation[i]):
                raise ShapeProblem(
                    "E0303",
                    f"`output_padding` of `ConvTranspose` is {added[i]} along {axis}; it "
                    f"must be below the stride {w.stride[i]} or the dilation {w.dilation[i]}",
                )
        return added

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        channels = fixed(self, inputs[0], 0)
        kernel = self._window(inputs[0].shape[1:]).kernel
        shapes: dict[str, tuple[int, ...]] = {
            "weight": (channels, self.filters // self.groups, *kernel)
        }
        return shapes | {"bias": (self.filters,)} if self.bias else shapes

    def cost(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        kernel = self._window(inputs[0].shape[1:]).kernel
        return product(inputs[0].shape) * (self.filters // self.groups * prod(kernel))

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        w = self._window(inputs[0].shape[1:])
        added = self._added(w)
        kwargs: dict[str, Argument] = {}
        if set(w.stride) != {1}:
            kwargs["stride"] = short(w.stride)
        if any(w.before):
            kwargs["padding"] = short(w.before)
        if any(added):
            kwargs["output_padding"] = short(added)
        if self.groups != 1:
            kwargs["groups"] = self.groups
        if not self.bias:
            kwargs["bias"] = False
        if set(w.dilation) != {1}:
            kwargs["dilation"] = short(w.dilation)
        channels = fixed(self, inputs[0], 0)
        call = Call(f"nn.ConvTranspose{w.rank}d", (channels, self.filters, short(w.kernel)), kwargs)
        if w.symmetric:
            return TorchForm(call)
        # PyTorch takes as much off both ends; the odd cell at the end goes afterwards.
        odd = tuple(b - a for b, a in zip(w.before, w.after, strict=True))
        rest = w._replace(before=(0,) * w.rank, after=odd).torch_pads
        return TorchForm(call, called("F.pad", "{m}({0})", repr(rest)))

    def onnx(
        self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]
    ) -> OnnxForm | Unsupported:
        w = self._window(inputs[0].shape[1:])
        if any(more >= s for more, s in zip(self._added(w), w.stride, strict=True)):
            return Unsupported("its `output_padding` is not below the stride, as ONNX Runtime asks")
        operands = ("x0", "w.weight", "w.bias") if self.bias else ("x0", "w.weight")
        return OnnxForm(
            (
                OnnxNode(
                    "ConvTranspose",
                    operands,
                    ("y0",),
                    {
                        "kernel_shape": w.kernel,
                        "strides": w.stride,
                        "dilations": w.dilation,
                        "pads": w.pads,
                        "output_padding": self._added(w),
                        "group": self.groups,
                    },
                ),
            )
        )

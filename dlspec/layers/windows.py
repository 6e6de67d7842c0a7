"""Windows that slide over an image: what convolutions and pooling have in common.

`same` padding is TensorFlow's and ONNX's `SAME_UPPER`: the output has
ceil(input / stride) places, and of an odd number of padded cells the larger half
stands at the end.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from dlspec.ir.dims import Dim, divides
from dlspec.ir.forms import OnnxConstant
from dlspec.ir.layer import Layer, Reach, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.shapes import needs_float

AXES: dict[int, tuple[str, ...]] = {
    1: ("length",),
    2: ("height", "width"),
    3: ("depth", "height", "width"),
}
_EXTENT = {"length": "long", "height": "high", "width": "wide", "depth": "deep"}

Sizes: TypeAlias = int | tuple[int, ...]
Paddings: TypeAlias = Sizes | Literal["same", "valid"]


class Window(NamedTuple):
    """A sliding window, one entry for each spatial axis.

    before, after: padded cells ahead of the first and behind the last one
    same:          whether they came from `padding=same`
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    same: bool

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return len(self.kernel)

    @property
    def reach(self) -> tuple[int, ...]:
        """The cells from the first to the last that one window touches, dilation included."""
        return tuple(reach(k, d) for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def symmetric(self) -> bool:
        """Whether every axis is padded alike at both ends."""
        return self.before == self.after

    @property
    def pads(self) -> tuple[int, ...]:
        """As ONNX counts them: all beginnings, then all ends."""
        return self.before + self.after

    @property
    def torch_pads(self) -> tuple[int, ...]:
        """As `F.pad` counts them: pairs, the last axis first."""
        return torch_pads(self.before, self.after)


def torch_pads(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    """Padded cells as `F.pad` counts them: pairs, the last axis first."""
    pairs = zip(reversed(before), reversed(after), strict=True)
    return tuple(size for pair in pairs for size in pair)


def onnx_pads(before: tuple[int, ...], after: tuple[int, ...]) -> OnnxConstant:
    """The second input of ONNX's `Pad` for an image: batch and channels stay."""
    pads = (0, 0, *before, 0, 0, *after)
    return OnnxConstant((len(pads),), pads, "int64")


def extent(axis: str) -> str:
    """What a size along that axis is: 3 cells of height are "3 high"."""
    return _EXTENT[axis]


def reach(kernel: int, dilation: int) -> int:
    """The cells that a kernel spans: 3 taps with dilation 2 span 5."""
    return dilation * (kernel - 1) + 1


def spatial(layer: Layer, x: TensorType) -> tuple[Dim, ...]:
    """The sizes of the spatial axes. Raises E0406 unless float, E0401 unless there are 1 to 3."""
    needs_float(layer, x)
    if x.rank - 1 not in AXES:
        raise ShapeProblem(
            "E0401",
            f"`{layer.kind}` works on [channels, length], [channels, height, width] or "
            f"[channels, depth, height, width]; this is {x.shape_text()}",
            culprit=0,
            help="`Reshape` gives it spatial axes" if x.rank < 2 else None,
        )
    return x.shape[1:]


def per_axis(layer: Layer, argument: str, value: Sizes, rank: int) -> tuple[int, ...]:
    """One entry for each spatial axis. Raises E0303 where a tuple has another number of them."""
    if isinstance(value, int):
        return (value,) * rank
    if len(value) != rank:
        names = " and ".join(
            [", ".join(AXES[rank][:-1]), AXES[rank][-1]] if rank > 1 else AXES[rank]
        )
        raise ShapeProblem(
            "E0303",
            f"`{argument}` of `{layer.kind}` has {len(value)} entries; the input has "
            f"{rank}: {names}",
            help=f"give one number, or {rank} in a tuple",
        )
    return value


def reaches(w: Window, x: TensorType) -> tuple[Reach, ...]:
    """What a window spans along each spatial axis of its input."""
    return tuple(map(Reach, AXES[w.rank], w.reach, x.shape[1:]))


def window(
    layer: Layer,
    sizes: tuple[Dim, ...],
    kernel: Sizes,
    stride: Sizes,
    padding: Paddings,
    dilation: Sizes,
    noun: str = "kernel",
) -> Window:
    """The window for an input of these sizes. `noun` is the argument that gives the kernel.

    Raises E0303 where an argument has the wrong number of entries, E0410 where `same` would
    have to pad by a size known only at run time.
    """
    rank = len(sizes)
    kernels = per_axis(layer, noun, kernel, rank)
    strides = per_axis(layer, "stride", stride, rank)
    dilations = per_axis(layer, "dilation", dilation, rank)
    if padding == "same":
        totals = tuple(
            _same(layer, n, s, reach(k, d))
            for n, k, s, d in zip(sizes, kernels, strides, dilations, strict=True)
        )
        before = tuple(total // 2 for total in totals)
        after = tuple(total - total // 2 for total in totals)
        return Window(kernels, strides, dilations, before, after, True)
    pads = per_axis(layer, "padding", 0 if padding == "valid" else padding, rank)
    return Window(kernels, strides, dilations, pads, pads, False)


def _same(layer: Layer, size: Dim, stride: int, span: int) -> int:
    """The padded cells that `same` adds along one axis."""
    if isinstance(size, int):
        places = -(-size // stride)
        return max((places - 1) * stride + span - size, 0)
    if stride == 1 or span == 1 or divides(size, stride):
        return max(span - stride, 0)
    raise ShapeProblem(
        "E0410",
        f"`padding=same` of `{layer.kind}` with stride {stride} pads by the size of the "
        f"input, and {size} is known only at run time",
        culprit=0,
        help=f"give the padding as a number, such as `padding={span // 2}`",
    )


def slid(
    layer: Layer, sizes: tuple[Dim, ...], w: Window, noun: str = "kernel", ceil: bool = False
) -> tuple[Dim, ...]:
    """The number of places of the window along each axis. Raises E0403 where it is below 1.

    With `ceil` a last window may reach over the end, as in Caffe and PyTorch: it is dropped
    where it would begin in the padding. `same` knows its output already and ignores `ceil`.
    """
    ceil = ceil and not w.same
    places = tuple(
        _places(n, w.reach[i], w.stride[i], w.before[i], w.after[i], ceil)
        for i, n in enumerate(sizes)
    )
    for i, (size, result) in enumerate(zip(sizes, places, strict=True)):
        if isinstance(result, int) and isinstance(size, int) and result < 1:
            raise _too_large(layer, w, i, size, result, noun)
    return places


def _places(size: Dim, span: int, stride: int, before: int, after: int, ceil: bool) -> Dim:
    if not ceil:
        return (size + (before + after - span)) // stride + 1
    # The smaller of ceil((size + 2 * padding - span) / stride) + 1 and the number of windows
    # that begin ahead of the padding at the end, as one division.
    return (size + (before + min(after - span + stride, 0) + stride - 1)) // stride


def blind_axis(sizes: tuple[Dim, ...], places: tuple[Dim, ...], w: Window) -> int | None:
    """The first axis along which a dilated window at some place touches padding alone."""
    for i, (size, count) in enumerate(zip(sizes, places, strict=True)):
        if not isinstance(size, int) or not isinstance(count, int) or w.dilation[i] <= size:
            continue  # the taps are closer than the input is wide, so one falls on it
        first, last = -w.before[i], (count - 1) * w.stride[i] - w.before[i]
        for period in range(first // w.dilation[i], last // w.dilation[i] + 1):
            # Windows that begin here have a tap right before the input and the next behind it.
            start = period * w.dilation[i]
            place = -(-max(start + size - first, 0) // w.stride[i])
            if place < count and place * w.stride[i] + first < start + w.dilation[i]:
                return i
    return None


def _too_large(layer: Layer, w: Window, i: int, size: int, result: int, noun: str) -> ShapeProblem:
    axis = AXES[w.rank][i]
    span = w.reach[i]
    dilated = f" and dilation {w.dilation[i]} (together {span})" if w.dilation[i] > 1 else ""
    largest = (size + w.before[i] + w.after[i] - 1) // w.dilation[i] + 1
    mend = f"`padding={(span - size + 1) // 2}`" if noun == "kernel" else "`padding=same`"
    return ShapeProblem(
        "E0403",
        f"`{layer.kind}` with {noun} {w.kernel[i]}{dilated} does not fit {axis} {size} "
        f"(padding {w.before[i]}): the result would be {result} {extent(axis)}",
        label=f"{axis} is {size} here",
        culprit=0,
        help=f"{mend} or a {noun} of at most {largest} fits",
    )

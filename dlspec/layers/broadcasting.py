"""NumPy's broadcasting for the elementwise layers, the batch left out."""

from __future__ import annotations

from dlspec.ir.dims import Dim
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import TensorType


def broadcast(layer: Layer, inputs: tuple[TensorType, ...], verb: str) -> TensorType:
    """The type of an elementwise result, axes matched from the last one, sizes 1 stretched.

    verb: completes "these tensors cannot be …".

    Raises ShapeProblem E0406 where element types differ, E0402 where sizes do.
    """
    same_dtype(layer, inputs)
    result = inputs[0].shape
    for number, x in enumerate(inputs[1:], start=1):
        result = _pair(result, x.shape, inputs, number, verb)
    return inputs[0].with_shape(result)


def same_dtype(layer: Layer, inputs: tuple[TensorType, ...]) -> None:
    """Raise E0406 unless all inputs hold the same type of elements, and no truth values."""
    for number, x in enumerate(inputs):
        if x.dtype == "bool":
            raise ShapeProblem(
                "E0406", f"`{layer.kind}` works on numbers; this is {x}", culprit=number
            )
        if x.dtype != inputs[0].dtype:
            raise ShapeProblem(
                "E0406",
                f"`{layer.kind}` takes tensors of one element type; these are {inputs[0]} and {x}",
                culprit=number,
            )


def broadcast_size(a: Dim, b: Dim) -> Dim | None:
    """The size that two sizes of one axis stretch to, None where they do not fit."""
    if a == b or b == 1:
        return a
    return b if a == 1 else None


def listed(inputs: tuple[TensorType, ...]) -> str:
    """`[64, 28, 28] and [128, 28, 28]`."""
    texts = [x.shape_text() for x in inputs]
    return f"{', '.join(texts[:-1])} and {texts[-1]}"


def _pair(
    a: tuple[Dim, ...], b: tuple[Dim, ...], inputs: tuple[TensorType, ...], number: int, verb: str
) -> tuple[Dim, ...]:
    rank = max(len(a), len(b))
    left = (1,) * (rank - len(a)) + a
    right = (1,) * (rank - len(b)) + b
    sizes: list[Dim] = []
    for axis, (one, other) in enumerate(zip(left, right, strict=True)):
        size = broadcast_size(one, other)
        if size is None:
            place = axis if len(a) == len(b) else axis - rank
            raise ShapeProblem(
                "E0402",
                f"these tensors cannot be {verb}: {listed(inputs)}",
                label=f"axis {place} differs: {one} and {other}",
                culprit=number,
                help=_mend(a, b),
            )
        sizes.append(size)
    return tuple(sizes)


def _mend(a: tuple[Dim, ...], b: tuple[Dim, ...]) -> str | None:
    """Axes are matched from the last one, where a person often means the channels."""
    short, long = sorted((a, b), key=len)
    if len(short) == len(long) or not short or short != long[: len(short)]:
        return None
    ones = ", 1" * (len(long) - len(short))
    sizes = ", ".join(str(size) for size in short)
    if not all(isinstance(size, int) for size in short):
        return "axes are matched from the last one"
    return (
        f"axes are matched from the last one; `Reshape(({sizes}{ones}))` puts the tensor "
        f"with fewer axes on the first ones"
    )

"""What the shape rules of many layers ask: fixed sizes, element types, axes."""

from __future__ import annotations

from dlspec.ir.dims import Dim, shape_text
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import TensorType


def needs_float(layer: Layer, *inputs: TensorType) -> None:
    """Raise E0406 unless every input holds floats."""
    for number, x in enumerate(inputs):
        if x.dtype != "float":
            raise ShapeProblem(
                "E0406",
                f"`{layer.kind}` works on float tensors; this is {x}",
                culprit=number,
                help="an `Embedding` or `OneHot` turns whole numbers into floats"
                if x.dtype == "int"
                else None,
            )


def resolve_axis(layer: Layer, axis: int, rank: int, shape: tuple[Dim, ...]) -> int:
    """The axis counted from 0. Raises E0408 where the tensor has no such axis."""
    if not -rank <= axis < rank:
        raise ShapeProblem(
            "E0408",
            f"`{layer.kind}` names axis {axis}, but {shape_text(shape)} has axes 0 to {rank - 1}"
            if rank
            else f"`{layer.kind}` names axis {axis}, but a single number has no axes",
            culprit=0,
        )
    return axis % rank


def fixed(layer: Layer, x: TensorType, axis: int, number: int = 0) -> int:
    """The size of an axis that weights depend on. Raises E0410 where it is symbolic."""
    size = x.shape[axis]
    if not isinstance(size, int):
        raise ShapeProblem(
            "E0410",
            f"`{layer.kind}` has weights for axis {axis % x.rank} of {x.shape_text()}, "
            f"so its size must be fixed; {size} is known only at run time",
            culprit=number,
        )
    return size

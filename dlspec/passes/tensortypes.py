"""Types as a spec writes them."""

from __future__ import annotations

from typing import cast

from dlspec.ir.dims import Dim, SymbolicDim
from dlspec.ir.types import DType, TensorType
from dlspec.passes.context import Frame
from dlspec.passes.evaluate import evaluate
from dlspec.passes.scope import did_you_mean
from dlspec.passes.values import contains_unknown, describe
from dlspec.syntax import tree

DTYPES = ("float", "int", "bool")


def tensor_type(written: tree.TypeExpr, frame: Frame) -> TensorType | None:
    """The type that `float[3, ?height, width]` means. Reports mistakes; None after any."""
    good = True
    if written.dtype.id not in DTYPES:
        frame.report.error(
            "E0406",
            written.dtype.span,
            f"there is no element type `{written.dtype.id}`; there are `float`, `int` and `bool`",
            help=did_you_mean(written.dtype.id, DTYPES),
        )
        good = False
    shape: list[Dim] = []
    for dimension in written.dimensions or ():
        size = _size(dimension, frame)
        if size is None:
            good = False
        else:
            shape.append(size)
    if not good:
        return None
    return TensorType.model_construct(dtype=cast("DType", written.dtype.id), shape=tuple(shape))


def _size(dimension: tree.Expr, frame: Frame) -> Dim | None:
    size = evaluate(dimension, frame.as_argument())
    if contains_unknown(size):
        return None
    if isinstance(size, SymbolicDim):
        return size
    if not isinstance(size, int) or isinstance(size, bool):
        frame.report.error(
            "E0303", dimension.span, f"a size is a whole number, not {describe(size)}"
        )
        return None
    if size < 1:
        frame.report.error("E0403", dimension.span, f"a size is at least 1, not {size}")
        return None
    if size >= 2**31:
        frame.report.error("E0706", dimension.span, f"the size {size} is over 2^31")
        return None
    return size

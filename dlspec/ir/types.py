"""The type of a tensor: what its elements are, and its sizes without the batch."""

from __future__ import annotations

from typing import Literal, TypeAlias

from dlspec.ir.dims import Dim, shape_text
from dlspec.ir.frozen import Frozen

DType: TypeAlias = Literal["float", "int", "bool"]


class TensorType(Frozen):
    """`float[3, 224, 224]`. The batch dimension is implicit and stands before `shape`."""

    dtype: DType
    shape: tuple[Dim, ...]

    @property
    def rank(self) -> int:
        """The number of axes, the batch not counted."""
        return len(self.shape)

    def with_shape(self, shape: tuple[Dim, ...]) -> TensorType:
        """The same elements in another shape."""
        return TensorType.model_construct(dtype=self.dtype, shape=shape)

    def shape_text(self) -> str:
        """`[3, 224, 224]`, as messages and comments show it."""
        return shape_text(self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}{self.shape_text()}"


def tensor(*shape: Dim, dtype: DType = "float") -> TensorType:
    """`tensor(3, 224, 224)` is `float[3, 224, 224]`."""
    return TensorType.model_construct(dtype=dtype, shape=shape)

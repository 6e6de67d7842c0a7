"""Layers that take a part of a tensor: Split, Slice, Index."""

from __future__ import annotations

from typing import Annotated

from dlspec.ir.arguments import Axis, Expected, Int, PositiveInt
from dlspec.ir.dims import Dim, exact_quotient, least
from dlspec.ir.forms import OnnxForm, OnnxNode, TorchForm
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.batch import expression, integers, with_batch
from dlspec.layers.shapes import resolve_axis

MOST_PARTS = 4096
_END = 2**63 - 1  # ONNX's way to say "to the end"

Parts = Annotated[
    Annotated[int, Field(ge=1, le=MOST_PARTS)]
    | Annotated[tuple[PositiveInt, ...], Field(min_length=1, max_length=MOST_PARTS)],
    Expected("a whole number from 1 to 4,096, or the sizes of the parts, such as [64, 128]"),
]


class Split(Layer):
    """Cuts a tensor into parts along an axis."""

    kind = "Split"
    summary = "Cuts a tensor into equal parts, or parts of given sizes, along an axis."
    example = "Dense(192) -> Split(3) -> Attention(8)"
    example_input = "float[50, 64]"
    shape_rule = "one result for each part, with its share of the axis"
    aliases = ("Chunk",)

    parts: Parts = Field(description="how many equal parts, or a list of their sizes")
    axis: Axis = Field(-1, description="the axis that is cut")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        axis = resolve_axis(self, self.axis, x.rank, x.shape)
        before, after = x.shape[:axis], x.shape[axis + 1 :]
        return tuple(x.with_shape((*before, size, *after)) for size in self._sizes(x, axis))

    def _sizes(self, x: TensorType, axis: int) -> tuple[Dim, ...]:
        size = x.shape[axis]
        where = f"axis {axis} of {x.shape_text()}"
        if isinstance(self.parts, int):
            part = exact_quotient(size, self.parts)
            if part is not None:
                return (part,) * self.parts
            if isinstance(size, int):
                raise ShapeProblem(
                    "E0404",
                    f"`Split` cannot cut {where} into {self.parts} equal parts",
                    label=f"{self.parts} does not divide {size}",
                    culprit=0,
                )
            raise ShapeProblem(
                "E0410",
                f"`Split` cannot prove that {where} is a multiple of {self.parts}",
                culprit=0,
            )
        if not isinstance(size, int):
            raise ShapeProblem(
                "E0410",
                f"`Split` cannot prove that {where} has {sum(self.parts)}, the sum of its parts",
                culprit=0,
            )
        if size != sum(self.parts):
            raise ShapeProblem(
                "E0404",
                f"the parts of `Split` have {sum(self.parts)} together, but {where} has {size}",
                culprit=0,
            )
        return self.parts

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        dim = with_batch(self.axis)
        if isinstance(self.parts, int):
            text = f"torch.chunk({{0}}, {self.parts}, dim={dim})"
        else:
            text = f"torch.split({{0}}, {list(self.parts)}, dim={dim})"
        # One result has no brackets around it, several come as the tuple they are.
        return expression(text if len(outputs) > 1 else f"{text}[0]")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        results = tuple(f"y{number}" for number in range(len(outputs)))
        axis = with_batch(self.axis)
        if isinstance(self.parts, int):
            node = OnnxNode("Split", ("x0",), results, {"axis": axis, "num_outputs": self.parts})
            return OnnxForm((node,))
        node = OnnxNode("Split", ("x0", "c.sizes"), results, {"axis": axis})
        return OnnxForm((node,), {"sizes": integers(*self.parts)})


class Slice(Layer):
    """A range along an axis, as `x[start:stop:stride]` in Python, but never out of bounds."""

    kind = "Slice"
    summary = "A range along an axis; `x[a..b]` is the same along axis 0."
    example = "Slice(0, 2, axis=channels) -> Conv(8, 3)"
    shape_rule = "the size of the axis becomes ⌈(stop - start) / stride⌉"
    aliases = ("StridedSlice", "Narrow")

    start: Int = Field(description="the first index; negative ones count from the end")
    stop: Annotated[Int | None, Expected("a whole number, or `none` for the end")] = Field(
        description="the index behind the last; negative ones count from the end"
    )
    stride: PositiveInt = Field(1, description="the distance between two that are taken")
    axis: Axis = Field(0, description="the axis that is cut")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        axis = resolve_axis(self, self.axis, x.rank, x.shape)
        size = x.shape[axis]
        start = self.start if self.start >= 0 else size + self.start
        stop = size if self.stop is None else self.stop if self.stop >= 0 else size + self.stop
        self._inside(x, axis, start, stop)
        length = (stop - start + (self.stride - 1)) // self.stride
        return (x.with_shape((*x.shape[:axis], length, *x.shape[axis + 1 :])),)

    def _inside(self, x: TensorType, axis: int, start: Dim, stop: Dim) -> None:
        size = x.shape[axis]
        where = f"axis {axis} of {x.shape_text()}"
        text = f"{self.start} to {'the end' if self.stop is None else self.stop}"
        for room in (start, size - stop):
            if not _at_least(room, 0):
                _refuse(
                    "E0408",
                    room,
                    f"`Slice` takes {text} of {where}, which has {size}",
                    f"`Slice` cannot prove that {where} reaches from {text}",
                )
        if not _at_least(stop - start, 1):
            _refuse(
                "E0403",
                stop - start,
                f"`Slice` takes nothing: {text} of {where}",
                f"`Slice` cannot prove that {text} of {where} is not empty",
            )

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        axis = resolve_axis(self, self.axis, inputs[0].rank, inputs[0].shape)
        start = str(self.start) if self.start else ""
        stop = "" if self.stop is None else str(self.stop)
        stride = f":{self.stride}" if self.stride > 1 else ""
        return expression(f"{{0}}[{':, ' * (axis + 1)}{start}:{stop}{stride}]")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        node = OnnxNode("Slice", ("x0", "c.starts", "c.ends", "c.axes", "c.steps"))
        return OnnxForm(
            (node,),
            {
                "starts": integers(self.start),
                "ends": integers(_END if self.stop is None else self.stop),
                "axes": integers(with_batch(self.axis)),
                "steps": integers(self.stride),
            },
        )


class Index(Layer):
    """One entry along axis 0, what `x[i]` means."""

    kind = "Index"
    summary = "One entry along axis 0, `x[i]`."
    example = "it[0]"
    shape_rule = "axis 0 is gone"
    operator = True

    index: Int = Field(description="which entry; negative ones count from the end")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.rank == 0:
            raise ShapeProblem(
                "E0401", "a single number has no axis to take an index of", culprit=0
            )
        size = x.shape[0]
        needed = self.index + 1 if self.index >= 0 else -self.index
        if not _at_least(size - needed, 0):
            _refuse(
                "E0408",
                size,
                f"index {self.index} is out of range: axis 0 of {x.shape_text()} has {size}",
                f"index {self.index} of axis 0 of {x.shape_text()} cannot be proved to exist",
            )
        return (x.with_shape(x.shape[1:]),)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return expression(f"{{0}}[:, {self.index}]")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        squeezed = integers(self.index)._replace(shape=())
        node = OnnxNode("Gather", ("x0", "c.index"), attributes={"axis": 1})
        return OnnxForm((node,), {"index": squeezed})


def _at_least(dim: Dim, bound: int) -> bool:
    smallest = least(dim)
    return smallest is not None and smallest >= bound


def _refuse(code: str, dim: Dim, wrong: str, unproved: str) -> None:
    if isinstance(dim, int):
        raise ShapeProblem(code, wrong, culprit=0)
    raise ShapeProblem("E0410", unproved, culprit=0)

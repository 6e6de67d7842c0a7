"""Layers that keep the elements and change the axes they stand along."""

from __future__ import annotations

from typing import Annotated, TypeAlias, cast

from dlspec.ir.arguments import Axis, Expected
from dlspec.ir.dims import Dim, exact_quotient, product, shape_text
from dlspec.ir.fields import Before, Field
from dlspec.ir.forms import Call, OnnxForm, OnnxNode, TorchForm
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.batch import expression, integers, with_batch
from dlspec.layers.shapes import resolve_axis

MOST_AXES = 16


def _tuple(value: object) -> object:
    """One size alone is a shape of one axis; JSON has lists for tuples."""
    if isinstance(value, list):
        return tuple(cast("list[object]", value))
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else value


_Length: TypeAlias = Annotated[int, Field(ge=-1, lt=2**31)]
NewShape: TypeAlias = Annotated[
    tuple[_Length, ...],
    Before(_tuple),
    Field(min_length=1, max_length=MOST_AXES),
    Expected("sizes of at least 1 with at most one -1, such as (16, -1)"),
]
WiderShape: TypeAlias = Annotated[
    tuple[_Length, ...],
    Before(_tuple),
    Field(min_length=1, max_length=MOST_AXES),
    Expected("one size for each axis, such as (3, 28, 28), with -1 for one that stays"),
]
Order: TypeAlias = Annotated[
    tuple[Axis, ...],
    Field(min_length=1, max_length=MOST_AXES),
    Expected("every axis once in its new order, such as (1, 2, 0)"),
]


class Flatten(Layer):
    """Joins the axes from `start` on into one, the last running fastest."""

    kind = "Flatten"
    keeps_values = True
    summary = "Joins all axes, or those from `start` on, into one."
    example = "MaxPool(2) -> Flatten -> Dense(10)"
    shape_rule = "the axes from `start` on become one with the product of their sizes"

    start: Axis = Field(0, description="the first axis that is joined")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.rank == 0:
            raise ShapeProblem(
                "E0401", "`Flatten` needs at least one axis; this is a single number", culprit=0
            )
        start = self._first(x)
        return (x.with_shape((*x.shape[:start], product(x.shape[start:]))),)

    def _first(self, x: TensorType) -> int:
        return resolve_axis(self, self.start, x.rank, x.shape)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        start = self._first(inputs[0]) + 1
        args = () if start == 1 else (start,)
        return TorchForm(Call("nn.Flatten", args), functional=f"torch.flatten({{0}}, {start})")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        start = self._first(inputs[0]) + 1
        if start == 1:
            return OnnxForm((OnnxNode("Flatten", ("x0",)),))
        kept = (0,) * start  # 0 keeps the size of that axis, so no size is written down
        return OnnxForm((OnnxNode("Reshape", ("x0", "c.shape")),), {"shape": integers(*kept, -1)})


class Reshape(Layer):
    """The same elements in their order, in another shape."""

    kind = "Reshape"
    keeps_values = True
    rearranges = True
    summary = "Gives the elements another shape, in the same order."
    example = "Dense(784) -> Reshape((1, 28, 28))"
    example_input = "float[64]"
    shape_rule = "the new shape has as many elements; one -1 stands for what is left"
    aliases = ("View", "Unflatten")

    shape: NewShape = Field(description="the new sizes; one may be -1, for what is left")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        if 0 in self.shape or self.shape.count(-1) > 1:
            raise ShapeProblem(
                "E0303",
                f"`Reshape` cannot make {shape_text(self.shape)}: sizes "
                "are at least 1, and at most one is -1",
            )
        elements = product(x.shape)
        named = product(size for size in self.shape if size != -1)
        if -1 in self.shape:
            return (x.with_shape(self._filled(x, elements, named)),)
        if elements != named:
            self._refuse(x, elements, named, "")
        return (x.with_shape(self.shape),)

    def _filled(self, x: TensorType, elements: Dim, named: Dim) -> tuple[Dim, ...]:
        left = exact_quotient(elements, named)
        if left is None:
            self._refuse(x, elements, named, "a multiple of ")
            raise AssertionError
        return tuple(left if size == -1 else size for size in self.shape)

    def _refuse(self, x: TensorType, elements: Dim, named: Dim, multiple: str) -> None:
        what = f"`Reshape` cannot turn {x.shape_text()} into {shape_text(self.shape)}"
        if isinstance(elements, int):
            verb = "not a multiple of" if multiple else "not"
            raise ShapeProblem(
                "E0409", what, culprit=0, label=f"{elements:,} elements are {verb} {named:,}"
            )
        raise ShapeProblem(
            "E0410",
            f"{what}: {elements} elements cannot be proved to be {multiple}{named}",
            culprit=0,
        )

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        sizes = ", ".join(str(size) for size in self.shape)
        batch = "len({0})" if -1 in self.shape else "-1"
        return expression(f"{{0}}.reshape({batch}, {sizes})")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return OnnxForm(
            (OnnxNode("Reshape", ("x0", "c.shape")),), {"shape": integers(0, *self.shape)}
        )


class Permute(Layer):
    """The axes in another order."""

    kind = "Permute"
    keeps_values = True
    rearranges = True
    summary = "Puts the axes in another order."
    example = "Permute((1, 2, 0))"
    shape_rule = "axis i of the result is axis order[i] of the input"
    aliases = ("Transpose",)

    order: Order = Field(description="for each axis of the result, the axis it was")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        return (x.with_shape(tuple(x.shape[axis] for axis in self._axes(x))),)

    def _axes(self, x: TensorType) -> tuple[int, ...]:
        axes = tuple(resolve_axis(self, axis, x.rank, x.shape) for axis in self.order)
        if sorted(axes) != list(range(x.rank)):
            raise ShapeProblem(
                "E0408",
                f"`Permute` needs every axis of {x.shape_text()} once; its order is "
                f"{shape_text(self.order)}",
                culprit=0,
                help=f"axes count from 0 to {x.rank - 1}, without the batch",
            )
        return axes

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        order = ", ".join(str(axis + 1) for axis in self._axes(inputs[0]))
        return expression(f"{{0}}.permute(0, {order})")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        order = (0, *(axis + 1 for axis in self._axes(inputs[0])))
        return OnnxForm((OnnxNode("Transpose", ("x0",), attributes={"perm": order}),))


class Squeeze(Layer):
    """Takes an axis of size 1 away."""

    kind = "Squeeze"
    keeps_values = True
    summary = "Takes an axis of size 1 away."
    example = "Squeeze(0)"
    example_input = "float[1, 28, 28]"
    shape_rule = "the axis, of size 1, is gone"

    axis: Axis = Field(description="the axis that goes")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        axis = resolve_axis(self, self.axis, x.rank, x.shape)
        size = x.shape[axis]
        if not isinstance(size, int):
            raise ShapeProblem(
                "E0410",
                f"`Squeeze` cannot prove that axis {axis} of {x.shape_text()} has size 1",
                culprit=0,
            )
        if size != 1:
            raise ShapeProblem(
                "E0409",
                f"`Squeeze` takes away axes of size 1; axis {axis} of {x.shape_text()} has {size}",
                culprit=0,
                help="`Index`, written `x[i]`, takes one of several" if axis == 0 else None,
            )
        return (x.with_shape((*x.shape[:axis], *x.shape[axis + 1 :])),)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return expression(f"{{0}}.squeeze({with_batch(self.axis)})")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return OnnxForm(
            (OnnxNode("Squeeze", ("x0", "c.axes")),), {"axes": integers(with_batch(self.axis))}
        )


class Unsqueeze(Layer):
    """Adds an axis of size 1."""

    kind = "Unsqueeze"
    keeps_values = True
    summary = "Adds an axis of size 1."
    example = "Unsqueeze(0)"
    shape_rule = "a new axis of size 1 stands at `axis` of the result"
    aliases = ("ExpandDims",)

    axis: Axis = Field(description="where the new axis stands in the result")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        axis = resolve_axis(self, self.axis, x.rank + 1, (*x.shape, 1))
        return (x.with_shape((*x.shape[:axis], 1, *x.shape[axis:])),)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return expression(f"{{0}}.unsqueeze({with_batch(self.axis)})")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return OnnxForm(
            (OnnxNode("Unsqueeze", ("x0", "c.axes")),), {"axes": integers(with_batch(self.axis))}
        )


class Expand(Layer):
    """Repeats along axes of size 1."""

    kind = "Expand"
    summary = "Repeats a tensor along its axes of size 1, up to a shape."
    example = "Unsqueeze(1) -> Expand((64, 28, 28))"
    example_input = "float[64, 28]"
    shape_rule = "axes of size 1 become those of `shape`; -1 keeps an axis"
    aliases = ("BroadcastTo",)

    shape: WiderShape = Field(description="the new sizes; -1 keeps an axis as it is")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = inputs
        if 0 in self.shape:
            raise ShapeProblem(
                "E0303",
                f"`Expand` cannot make {shape_text(self.shape)}: sizes "
                "are at least 1, or -1 to keep an axis",
            )
        if len(self.shape) != x.rank:
            raise ShapeProblem(
                "E0401",
                f"`Expand` names {len(self.shape)} axes; this is {x.shape_text()}",
                culprit=0,
                help="`Unsqueeze` adds an axis",
            )
        for axis, (have, want) in enumerate(zip(x.shape, self.shape, strict=True)):
            if want not in (-1, have) and have != 1:
                raise ShapeProblem(
                    "E0402",
                    f"`Expand` cannot turn {x.shape_text()} into {shape_text(self.shape)}",
                    culprit=0,
                    label=f"axis {axis} is {have}, and only 1 can become {want}",
                )
        return (
            x.with_shape(
                tuple(
                    have if want == -1 else want
                    for have, want in zip(x.shape, self.shape, strict=True)
                )
            ),
        )

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        sizes = ", ".join(str(size) for size in self.shape)
        return expression(f"{{0}}.expand(-1, {sizes})")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        wanted = (1 if size == -1 else size for size in self.shape)  # 1 keeps an axis in ONNX
        return OnnxForm((OnnxNode("Expand", ("x0", "c.shape")),), {"shape": integers(1, *wanted)})

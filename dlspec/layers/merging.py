"""Layers that make one tensor of several, element by element: what a tuple is fed to."""

from __future__ import annotations

from typing import ClassVar

from dlspec.ir.forms import OnnxForm, OnnxNode, TorchForm
from dlspec.ir.layer import Layer
from dlspec.ir.types import TensorType
from dlspec.layers.batch import aligned_names, aligned_nodes, expression, scalar
from dlspec.layers.broadcasting import broadcast
from dlspec.layers.shapes import needs_float


class Elementwise(Layer):
    """Any number of tensors joined by one operator, from left to right; one stays as it is."""

    shape_rule: ClassVar[str] = (
        "the shapes are broadcast: axes are matched from the last one, and size 1 stretches"
    )
    inputs: ClassVar[tuple[int, int | None]] = (1, None)
    verb: ClassVar[str]
    """Completes "these tensors cannot be …"."""
    symbol: ClassVar[str] = "+"
    """Python's operator."""
    onnx_op: ClassVar[str] = "Add"
    """The ONNX operator of two inputs."""

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        return (broadcast(self, inputs, self.verb),)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return expression(f" {self.symbol} ".join(aligned_names(inputs)))

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return self.chain(inputs, "y0") if len(inputs) > 1 else OnnxForm()

    def chain(self, inputs: tuple[TensorType, ...], result: str) -> OnnxForm:
        """The operator between the first two, then with each further one, into `result`."""
        nodes, names, constants = aligned_nodes(inputs)
        so_far = names[0]
        for number, name in enumerate(names[1:], start=1):
            target = result if number == len(names) - 1 else f"t.part{number}"
            nodes.append(OnnxNode(self.onnx_op, (so_far, name), (target,)))
            so_far = target
        return OnnxForm(tuple(nodes), constants)


class Add(Elementwise):
    """The sum of tensors, what `a + b` means."""

    kind = "Add"
    linear = True
    summary = "The elementwise sum of two or more tensors; `a + b` is the same."
    example = "(it, Conv(3, 3, padding=1)) -> Add -> ReLU"
    aliases = ("Eltwise",)
    verb = "added"


class Multiply(Elementwise):
    """The product of tensors, what `a * b` means."""

    kind = "Multiply"
    summary = "The elementwise product of two or more tensors; `a * b` is the same."
    example = "(it, Conv(3, 1, activation=sigmoid)) -> Multiply"
    aliases = ("Mul",)
    verb = "multiplied"
    symbol = "*"
    onnx_op = "Mul"


class Average(Elementwise):
    """The mean of tensors, element by element."""

    kind = "Average"
    linear = True
    summary = "The elementwise mean of two or more tensors."
    example = "(Conv(8, 3), Conv(8, 3)) -> Average"
    verb = "averaged"

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        needs_float(self, *inputs)
        return super().infer(inputs)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        if len(inputs) == 1:
            return expression("{0}")
        return expression(f"({' + '.join(aligned_names(inputs))}) / {len(inputs)}")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        if len(inputs) == 1:
            return OnnxForm()
        nodes, constants, _ = self.chain(inputs, "t.sum")
        divided = OnnxNode("Div", ("t.sum", "c.count"))
        return OnnxForm((*nodes, divided), {**constants, "count": scalar(float(len(inputs)))})


class Maximum(Elementwise):
    """The greatest of tensors, element by element."""

    kind = "Maximum"
    summary = "The elementwise maximum of two or more tensors."
    example = "(Conv(8, 3), Conv(8, 3)) -> Maximum"
    aliases = ("Maxout",)
    verb = "compared"
    onnx_op = "Max"

    function: ClassVar[str] = "torch.maximum"

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        first, *others = aligned_names(inputs)
        text = first
        for name in others:
            text = f"{self.function}({text}, {name})"
        return expression(text)

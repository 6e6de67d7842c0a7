"""Activations: functions of each element, and softmax along an axis.

The ones that most networks use are here, since a cold `dlspec check` pays for every class
it imports; `rectifiers` and `squashing` have the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from dlspec.ir.arguments import Axis
from dlspec.ir.forms import Argument, Call, OnnxForm, OnnxNode, TorchForm
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Layer
from dlspec.ir.types import TensorType
from dlspec.layers.batch import with_batch
from dlspec.layers.expressions import called
from dlspec.layers.shapes import needs_float, resolve_axis


class Activation(Layer):
    """A function that keeps the shape, and is one call in PyTorch and one node in ONNX."""

    shape_rule: ClassVar[str] = "the shape stays"
    torch_module: ClassVar[str]
    """Its module, `nn.ReLU`."""
    torch_function: ClassVar[str]
    """Its function, `F.relu`."""
    onnx_op: ClassVar[str]
    """Its ONNX operator, `Relu`."""

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        needs_float(self, inputs[0])
        return inputs

    def torch_arguments(self) -> Mapping[str, Argument]:
        """The keyword arguments of module and function."""
        return {}

    def onnx_attributes(self) -> Mapping[str, int | float | str]:
        """The attributes of the node, where they differ from its defaults."""
        return {}

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        kwargs = self.torch_arguments()
        return TorchForm(
            Call(self.torch_module, (), kwargs),
            functional=called(self.torch_function, "{0}", **kwargs),
        )

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return OnnxForm((OnnxNode(self.onnx_op, ("x0",), attributes=self.onnx_attributes()),))


class Identity(Activation):
    """`x` as it is, of any element type."""

    kind = "Identity"
    keeps_values = True
    summary = "Passes its input on unchanged."
    example = "Dense(10) -> Identity"
    example_input = "float[64]"
    aliases = ("Passthrough", "NoOp")
    non_decreasing = True

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        return inputs

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return TorchForm(Call("nn.Identity"), functional="{0}")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return OnnxForm()


class ReLU(Activation):
    """`max(x, 0)`."""

    kind = "ReLU"
    idempotent = True
    summary = "The rectifier, max(x, 0)."
    example = "Conv(64, 3, padding=1) -> ReLU"
    aliases = ("Relu", "Rectifier")
    non_decreasing = True
    torch_module = "nn.ReLU"
    torch_function = "F.relu"
    onnx_op = "Relu"


class Sigmoid(Activation):
    """`1 / (1 + exp(-x))`."""

    kind = "Sigmoid"
    gives_chances = True
    summary = "The logistic function, 1 / (1 + exp(-x))."
    example = "Dense(1) -> Sigmoid"
    example_input = "float[64]"
    aliases = ("Logistic",)
    torch_module = "nn.Sigmoid"
    torch_function = "torch.sigmoid"
    onnx_op = "Sigmoid"


class Tanh(Activation):
    """The hyperbolic tangent."""

    kind = "Tanh"
    summary = "The hyperbolic tangent."
    example = "Dense(84) -> Tanh"
    example_input = "float[64]"
    aliases = ("TanH",)
    torch_module = "nn.Tanh"
    torch_function = "torch.tanh"
    onnx_op = "Tanh"


class _AlongAxis(Activation):
    shape_rule: ClassVar[str] = "the shape stays; the axis must exist"

    axis: Axis = Field(-1, description="the axis along which the results belong together")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        needs_float(self, inputs[0])
        resolve_axis(self, self.axis, inputs[0].rank, inputs[0].shape)
        return inputs

    def torch_arguments(self) -> Mapping[str, Argument]:
        return {"dim": with_batch(self.axis)}

    def onnx_attributes(self) -> Mapping[str, int | float | str]:
        return {"axis": with_batch(self.axis)}


class Softmax(_AlongAxis):
    """`exp(x) / sum(exp(x))` along an axis."""

    kind = "Softmax"
    normalizes_scores = True
    gives_chances = True
    summary = "Shares that sum to 1 along an axis, exp(x) / Σ exp(x)."
    example = "Dense(10) -> Softmax"
    example_input = "float[64]"
    torch_module = "nn.Softmax"
    torch_function = "F.softmax"
    onnx_op = "Softmax"


class LogSoftmax(_AlongAxis):
    """The logarithm of `Softmax`, computed stably."""

    kind = "LogSoftmax"
    normalizes_scores = True
    gives_chances = True
    summary = "The logarithm of Softmax, computed stably."
    example = "Dense(10) -> LogSoftmax"
    example_input = "float[64]"
    torch_module = "nn.LogSoftmax"
    torch_function = "F.log_softmax"
    onnx_op = "LogSoftmax"

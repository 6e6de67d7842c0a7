"""Activations: functions of each element, and softmax along an axis. `rectifiers` has more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from dlspec.ir.arguments import Axis
from dlspec.ir.forms import Argument, Call, OnnxForm, OnnxNode, TorchForm
from dlspec.ir.layer import Layer
from dlspec.ir.types import TensorType
from dlspec.layers.batch import expression, scalar, with_batch
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
        return TorchForm(Call(self.torch_module, (), kwargs),
                         functional=called(self.torch_function, "{0}", **kwargs))

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return OnnxForm((OnnxNode(self.onnx_op, ("x0",), attributes=self.onnx_attributes()),))


class Identity(Activation):
    """`x` as it is, of any element type."""

    kind = "Identity"
    summary = "Passes its input on unchanged."
    example = "Dense(10) -> Identity"
    aliases = ("Passthrough", "NoOp")
    non_decreasing = True

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        return inputs

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return TorchForm(Call("nn.Identity"), functional="{0}")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return OnnxForm()


class Sigmoid(Activation):
    """`1 / (1 + exp(-x))`."""

    kind = "Sigmoid"
    summary = "The logistic function, 1 / (1 + exp(-x))."
    example = "Dense(1) -> Sigmoid"
    aliases = ("Logistic",)
    torch_module = "nn.Sigmoid"
    torch_function = "torch.sigmoid"
    onnx_op = "Sigmoid"


class HardSigmoid(Activation):
    """`min(max(x / 6 + 1/2, 0), 1)`."""

    kind = "HardSigmoid"
    summary = "The sigmoid in three straight pieces, slope 1/6 (MobileNet v3, Howard 2019)."
    example = "Dense(16) -> HardSigmoid"
    aliases = ("Hardsigmoid",)
    torch_module = "nn.Hardsigmoid"
    torch_function = "F.hardsigmoid"
    onnx_op = "HardSigmoid"

    def onnx_attributes(self) -> Mapping[str, int | float | str]:
        return {"alpha": 1 / 6, "beta": 0.5}  # ONNX's own default slope is 0.2


class Tanh(Activation):
    """The hyperbolic tangent."""

    kind = "Tanh"
    summary = "The hyperbolic tangent."
    example = "Dense(84) -> Tanh"
    aliases = ("TanH",)
    torch_module = "nn.Tanh"
    torch_function = "torch.tanh"
    onnx_op = "Tanh"


class Softplus(Activation):
    """`log(1 + exp(x))`."""

    kind = "Softplus"
    summary = "A smooth rectifier, log(1 + exp(x))."
    example = "Dense(1) -> Softplus"
    aliases = ("SoftPlus",)
    torch_module = "nn.Softplus"
    torch_function = "F.softplus"
    onnx_op = "Softplus"


class Softsign(Activation):
    """`x / (1 + |x|)`."""

    kind = "Softsign"
    summary = "x / (1 + |x|)."
    example = "Dense(32) -> Softsign"
    aliases = ("SoftSign",)
    torch_module = "nn.Softsign"
    torch_function = "F.softsign"
    onnx_op = "Softsign"


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
    summary = "Shares that sum to 1 along an axis, exp(x) / Σ exp(x)."
    example = "Dense(classes) -> Softmax"
    torch_module = "nn.Softmax"
    torch_function = "F.softmax"
    onnx_op = "Softmax"


class LogSoftmax(_AlongAxis):
    """The logarithm of `Softmax`, computed stably."""

    kind = "LogSoftmax"
    normalizes_scores = True
    summary = "The logarithm of Softmax, computed stably."
    example = "Dense(classes) -> LogSoftmax"
    torch_module = "nn.LogSoftmax"
    torch_function = "F.log_softmax"
    onnx_op = "LogSoftmax"


class Step(Activation):
    """1 where `x >= 0`, else 0. Its gradient is 0 everywhere."""

    kind = "Step"
    summary = "The threshold of the perceptron: 1 where x ≥ 0, else 0 (Rosenblatt 1958)."
    example = "Dense(1) -> Step"
    aliases = ("Heaviside",)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return expression("({0} >= 0).to({0}.dtype)")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        float32 = 1  # TensorProto.FLOAT
        return OnnxForm((OnnxNode("GreaterOrEqual", ("x0", "c.zero"), ("t.reached",)),
                         OnnxNode("Cast", ("t.reached",), attributes={"to": float32})),
                        {"zero": scalar(0.0)})


class Sign(Activation):
    """-1, 0 or 1. Its gradient is 0 everywhere."""

    kind = "Sign"
    summary = "The sign of each element: -1, 0 or 1."
    example = "Dense(1) -> Sign"
    onnx_op = "Sign"

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return expression("torch.sign({0})")

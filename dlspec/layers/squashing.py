"""Activations that squash their input into a range, and the thresholds."""

from __future__ import annotations

from collections.abc import Mapping

from dlspec.ir.forms import OnnxForm, OnnxNode, TorchForm
from dlspec.ir.types import TensorType
from dlspec.layers.activations import Activation
from dlspec.layers.batch import expression, scalar


class HardSigmoid(Activation):
    """`min(max(x / 6 + 1/2, 0), 1)`."""

    kind = "HardSigmoid"
    gives_chances = True
    summary = "The sigmoid in three straight pieces, slope 1/6 (MobileNet v3, Howard 2019)."
    example = "Dense(16) -> HardSigmoid"
    example_input = "float[64]"
    aliases = ("Hardsigmoid",)
    torch_module = "nn.Hardsigmoid"
    torch_function = "F.hardsigmoid"
    onnx_op = "HardSigmoid"

    def onnx_attributes(self) -> Mapping[str, int | float | str]:
        return {"alpha": 1 / 6, "beta": 0.5}  # ONNX's own default slope is 0.2


class Softsign(Activation):
    """`x / (1 + |x|)`."""

    kind = "Softsign"
    summary = "x / (1 + |x|)."
    example = "Dense(32) -> Softsign"
    example_input = "float[64]"
    aliases = ("SoftSign",)
    torch_module = "nn.Softsign"
    torch_function = "F.softsign"
    onnx_op = "Softsign"


class Step(Activation):
    """1 where `x >= 0`, else 0. Its gradient is 0 everywhere."""

    kind = "Step"
    summary = "The threshold of the perceptron: 1 where x ≥ 0, else 0 (Rosenblatt 1958)."
    example = "Dense(1) -> Step"
    example_input = "float[64]"
    aliases = ("Heaviside",)

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return expression("({0} >= 0).to({0}.dtype)")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        float32 = 1  # TensorProto.FLOAT
        return OnnxForm(
            (
                OnnxNode("GreaterOrEqual", ("x0", "c.zero"), ("t.reached",)),
                OnnxNode("Cast", ("t.reached",), attributes={"to": float32}),
            ),
            {"zero": scalar(0.0)},
        )


class Sign(Activation):
    """-1, 0 or 1. Its gradient is 0 everywhere."""

    kind = "Sign"
    summary = "The sign of each element: -1, 0 or 1."
    example = "Dense(1) -> Sign"
    example_input = "float[64]"
    onnx_op = "Sign"

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return expression("torch.sign({0})")

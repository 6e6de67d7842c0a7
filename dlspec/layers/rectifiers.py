"""Activations that pass what is positive on, more or less: ReLU and its relatives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from dlspec.ir.arguments import Expected, NonNegativeFloat
from dlspec.ir.forms import Argument, Call, OnnxForm, OnnxNode, TorchForm
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Initial
from dlspec.ir.types import TensorType
from dlspec.layers.activations import Activation
from dlspec.layers.batch import scalar


class ReLU6(Activation):
    """`min(max(x, 0), 6)`."""

    kind = "ReLU6"
    idempotent = True
    summary = "The rectifier cut off at 6, min(max(x, 0), 6) (MobileNet, Howard 2017)."
    example = "DepthwiseConv(3, padding=1, bias=false) -> BatchNorm -> ReLU6"
    aliases = ("Relu6",)
    non_decreasing = True
    torch_module = "nn.ReLU6"
    torch_function = "F.relu6"
    onnx_op = "Clip"

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        node = OnnxNode("Clip", ("x0", "c.least", "c.greatest"))
        return OnnxForm((node,), {"least": scalar(0.0), "greatest": scalar(6.0)})


class LeakyReLU(Activation):
    """`x` where it is positive, `slope * x` elsewhere."""

    kind = "LeakyReLU"
    summary = "The rectifier with a small slope below zero (Maas 2013)."
    example = "Conv(64, 4, stride=2, padding=1) -> LeakyReLU(0.2)"
    aliases = ("LeakyRelu",)
    non_decreasing = True
    torch_module = "nn.LeakyReLU"
    torch_function = "F.leaky_relu"
    onnx_op = "LeakyRelu"

    slope: NonNegativeFloat = Field(0.01, description="factor of negative values")

    def torch_arguments(self) -> Mapping[str, Argument]:
        return {} if self.slope == 0.01 else {"negative_slope": self.slope}

    def onnx_attributes(self) -> Mapping[str, int | float | str]:
        return {"alpha": self.slope}


class PReLU(Activation):
    """`x` where it is positive, elsewhere `x` times one learned slope."""

    kind = "PReLU"
    summary = "The rectifier with one learned slope below zero (He 2015)."
    example = "Conv(64, 3, padding=1) -> PReLU"
    aliases = ("PRelu",)

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        return {"weight": (1,)}

    def initial(self, inputs: tuple[TensorType, ...]) -> dict[str, Initial]:
        return {"weight": ("constant", 0.25)}

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return TorchForm(Call("nn.PReLU"))

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return OnnxForm((OnnxNode("PRelu", ("x0", "w.weight")),))


class ELU(Activation):
    """`x` where it is positive, `exp(x) - 1` elsewhere."""

    kind = "ELU"
    summary = "The exponential linear unit (Clevert 2015)."
    example = "Dense(100) -> ELU"
    example_input = "float[64]"
    aliases = ("Elu",)
    torch_module = "nn.ELU"
    torch_function = "F.elu"
    onnx_op = "Elu"


class SELU(Activation):
    """A scaled ELU whose activations keep mean 0 and variance 1."""

    kind = "SELU"
    summary = "The self-normalising exponential linear unit (Klambauer 2017)."
    example = "Dense(100) -> SELU"
    example_input = "float[64]"
    aliases = ("Selu",)
    torch_module = "nn.SELU"
    torch_function = "F.selu"
    onnx_op = "Selu"


class GELU(Activation):
    """`x * Phi(x)`, Phi being the normal distribution function."""

    kind = "GELU"
    summary = "The Gaussian error linear unit, x Φ(x) (Hendrycks, Gimpel 2016)."
    example = "LayerNorm -> Dense(256) -> GELU -> Dense(64)"
    example_input = "float[50, 64]"
    aliases = ("Gelu",)
    torch_module = "nn.GELU"
    torch_function = "F.gelu"
    onnx_op = "Gelu"

    approximate: Annotated[Literal["tanh"] | None, Expected("`none` or `tanh`")] = Field(
        None, description="`tanh` for the approximation that GPT-2 uses; `none` is exact"
    )

    def torch_arguments(self) -> Mapping[str, Argument]:
        return {"approximate": self.approximate} if self.approximate else {}

    def onnx_attributes(self) -> Mapping[str, int | float | str]:
        return {"approximate": self.approximate or "none"}


class SiLU(Activation):
    """`x * sigmoid(x)`."""

    kind = "SiLU"
    summary = "The sigmoid linear unit, x · sigmoid(x), also called swish (Elfwing 2017)."
    example = "Conv(64, 3, padding=1) -> SiLU"
    aliases = ("Swish", "Silu")
    torch_module = "nn.SiLU"
    torch_function = "F.silu"

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return OnnxForm(
            (OnnxNode("Sigmoid", ("x0",), ("t.gate",)), OnnxNode("Mul", ("x0", "t.gate")))
        )


class Mish(Activation):
    """`x * tanh(softplus(x))`."""

    kind = "Mish"
    summary = "x · tanh(softplus(x)) (Misra 2019)."
    example = "Conv(64, 3, padding=1) -> Mish"
    torch_module = "nn.Mish"
    torch_function = "F.mish"
    onnx_op = "Mish"


class HardSwish(Activation):
    """`x * hard_sigmoid(x)`."""

    kind = "HardSwish"
    summary = "x · hard_sigmoid(x) (MobileNet v3, Howard 2019)."
    example = "Conv(16, 3, padding=1) -> HardSwish"
    aliases = ("Hardswish", "HardSiLU")
    torch_module = "nn.Hardswish"
    torch_function = "F.hardswish"
    onnx_op = "HardSwish"


class Softplus(Activation):
    """`log(1 + exp(x))`."""

    kind = "Softplus"
    summary = "A smooth rectifier, log(1 + exp(x))."
    example = "Dense(1) -> Softplus"
    example_input = "float[64]"
    aliases = ("SoftPlus",)
    torch_module = "nn.Softplus"
    torch_function = "F.softplus"
    onnx_op = "Softplus"

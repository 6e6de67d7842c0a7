"""Layers that act in training alone, and StopGradient. At inference each is the identity."""

from __future__ import annotations

from typing import ClassVar

from dlspec.ir.arguments import Fraction, NonNegativeFloat
from dlspec.ir.forms import Call, OnnxForm, TorchForm
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import TensorType
from dlspec.layers.batch import expression
from dlspec.layers.shapes import needs_float

_DROP_PATH = '''class DropPath(nn.Module):
    """Drops the whole branch for a random share of the examples, in training alone."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        kept = torch.rand(len(x), device=x.device) >= self.rate
        kept = kept.reshape(-1, *[1] * (x.ndim - 1))
        return x * kept / (1 - self.rate)
'''

_GAUSSIAN_NOISE = '''class GaussianNoise(nn.Module):
    """Adds normally distributed noise, in training alone."""

    def __init__(self, stddev: float) -> None:
        super().__init__()
        self.stddev = stddev

    def forward(self, x: Tensor) -> Tensor:
        return x + self.stddev * torch.randn_like(x) if self.training else x
'''


class _TrainingOnly(Layer):
    training_only: ClassVar[bool] = True
    keeps_values: ClassVar[bool] = True
    shape_rule: ClassVar[str] = "the shape stays"

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        needs_float(self, *inputs)
        return inputs

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return OnnxForm()


class Dropout(_TrainingOnly):
    """Sets a random share of the elements to 0 in training and scales the rest up."""

    kind = "Dropout"
    summary = "Sets a random share of the elements to 0 in training (Srivastava 2014)."
    example = "Dense(4096, activation=relu) -> Dropout(0.5) -> Dense(10)"
    example_input = "float[64]"

    rate: Fraction = Field(0.5, description="share of the elements that are dropped")

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return TorchForm(Call("nn.Dropout", (self.rate,)))


class SpatialDropout(_TrainingOnly):
    """Dropout of whole channels."""

    kind = "SpatialDropout"
    summary = "Sets a random share of the channels to 0 in training (Tompson 2015)."
    example = "Conv(64, 3, padding=1) -> SpatialDropout(0.2) -> Conv(64, 3)"
    shape_rule = "the shape stays; channels and 1 to 3 spatial axes"
    ranks = (1, 2, 3)
    aliases = ("Dropout1d", "Dropout2d", "Dropout3d")

    rate: Fraction = Field(0.5, description="share of the channels that are dropped")

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (x,) = super().infer(inputs)
        if not 2 <= x.rank <= 4:
            raise ShapeProblem(
                "E0401",
                "`SpatialDropout` needs channels and 1 to 3 spatial axes; "
                f"this is {x.shape_text()}",
                culprit=0,
                help="`Dropout` works on any shape",
            )
        return inputs

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return TorchForm(Call(f"nn.Dropout{inputs[0].rank - 1}d", (self.rate,)))


class DropPath(_TrainingOnly):
    """Sets whole examples to 0 in training: in a residual branch, that skips the branch."""

    kind = "DropPath"
    summary = "Drops a residual branch for a random share of the examples (Huang 2016)."
    example = "it + (LayerNorm -> Attention(8) -> DropPath(0.1))"
    example_input = "float[50, 64]"
    aliases = ("StochasticDepth",)

    rate: Fraction = Field(description="share of the examples whose branch is dropped")

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return TorchForm(Call("DropPath", (self.rate,)), definitions=(_DROP_PATH,))


class GaussianNoise(_TrainingOnly):
    """Adds normally distributed noise in training."""

    kind = "GaussianNoise"
    summary = "Adds normally distributed noise in training."
    example = "GaussianNoise(0.1) -> Dense(64)"
    example_input = "float[64]"

    stddev: NonNegativeFloat = Field(description="standard deviation of the noise")

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return TorchForm(Call("GaussianNoise", (self.stddev,)), definitions=(_GAUSSIAN_NOISE,))


class StopGradient(Layer):
    """Passes values on and no gradient back."""

    kind = "StopGradient"
    keeps_values: ClassVar[bool] = True
    summary = "Passes values on, and no gradient back."
    example = "Dense(64) -> StopGradient -> Dense(10)"
    example_input = "float[64]"
    shape_rule = "the shape stays"
    aliases = ("Detach",)

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        return inputs

    def torch(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> TorchForm:
        return expression("{0}.detach()")

    def onnx(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> OnnxForm:
        return OnnxForm()

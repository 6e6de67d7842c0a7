"""The named choices of a `train` beside loss, optimizer and schedule: what stops it early, what
keeps its weights small, which weights it begins with."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from dlspec.ir.arguments import Expected, NonNegativeFloat, PositiveFloat, PositiveInt
from dlspec.ir.frozen import Field
from dlspec.ir.option import Option

LayerPaths: TypeAlias = Annotated[
    tuple[str, ...], Expected("a list of layer paths, such as [stem] or [stage1.conv1]")
]


class Patience(Option):
    """Training stops where a figure has not got better for some epochs."""

    summary = "stops when a figure has not got better for `epochs` epochs"
    aliases = ("EarlyStopping",)
    kind: Literal["patience"] = "patience"
    epochs: PositiveInt = Field(description="epochs without a better figure")
    metric: str = Field("val_loss", description="the figure, as the log names it")
    min_delta: NonNegativeFloat = Field(0.0, description="what counts as better is over this")


class L2(Option):
    summary = "adds `factor` times the sum of the squares of the weights to what is minimised"
    aliases = ("ridge", "L2Regularizer")
    kind: Literal["l2"] = "l2"
    factor: PositiveFloat = Field(0.01, description="factor of the sum")


class L1(Option):
    summary = "adds `factor` times the sum of the sizes of the weights to what is minimised"
    aliases = ("lasso", "L1Regularizer")
    kind: Literal["l1"] = "l1"
    factor: PositiveFloat = Field(0.01, description="factor of the sum")


AnyRegularization: TypeAlias = Annotated[L2 | L1, Field(discriminator="kind")]


class WeightsFile(Option):
    """The file whose weights a training begins with: every weight has its place, or is named."""

    summary = "begins with the weights of a safetensors file, a checkpoint among them"
    aliases = ("load_weights", "from_pretrained")
    kind: Literal["weights"] = "weights"
    path: str = Field(description="the file, from the folder of the spec")
    fresh: LayerPaths = Field((), description="layers that start anew, such as [head]")
    unused: LayerPaths = Field((), description="layers of the file that the model does not have")

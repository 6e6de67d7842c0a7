"""The schedules: how the learning rate goes."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from dlspec.ir.arguments import Expected, Fraction, PositiveFloat, PositiveInt, Share
from dlspec.ir.frozen import Field
from dlspec.ir.option import Option

Milestones: TypeAlias = Annotated[
    tuple[PositiveInt, ...],
    Field(min_length=1, max_length=1000),
    Expected("a list of epochs, such as [30, 60]"),
]


class Schedule(Option):
    """How the learning rate goes, as a factor of the optimizer's at each step."""


class Constant(Schedule):
    summary = "the learning rate stays what it is"
    kind: Literal["constant"] = "constant"


class StepDecay(Schedule):
    summary = "multiplies the learning rate by `gamma` every `period` epochs"
    aliases = ("StepLR",)
    kind: Literal["step_decay"] = "step_decay"
    period: PositiveInt = Field(description="epochs between two decays")
    gamma: PositiveFloat = Field(0.1, description="factor of one decay")


class Cosine(Schedule):
    summary = "a linear warm-up, then half a cosine down to `final`"
    aliases = ("CosineAnnealingLR", "cosine_annealing")
    kind: Literal["cosine"] = "cosine"
    warmup: Fraction = Field(0.0, description="share of the steps for the warm-up")
    final: Share = Field(0.0, description="where it ends, as a share of the learning rate")


class OneCycle(Schedule):
    summary = "up from 1/25 to the learning rate and down to 1/250,000 (Smith 2018)"
    aliases = ("OneCycleLR",)
    kind: Literal["one_cycle"] = "one_cycle"
    warmup: Fraction = Field(0.3, description="share of the steps in which it rises")


class MultiStepDecay(Schedule):
    summary = "multiplies the learning rate by `gamma` after each of the `milestones`"
    aliases = ("MultiStepLR",)
    kind: Literal["multi_step_decay"] = "multi_step_decay"
    milestones: Milestones = Field(description="epochs after which it falls, such as [30, 60]")
    gamma: PositiveFloat = Field(0.1, description="factor of one decay")


class Exponential(Schedule):
    summary = "multiplies the learning rate by `gamma` every epoch"
    aliases = ("ExponentialLR",)
    kind: Literal["exponential"] = "exponential"
    gamma: PositiveFloat = Field(description="factor of one epoch")


class Linear(Schedule):
    summary = "a linear warm-up, then linearly down to `final`"
    aliases = ("LinearLR",)
    kind: Literal["linear"] = "linear"
    warmup: Fraction = Field(0.0, description="share of the steps for the warm-up")
    final: Share = Field(0.0, description="where it ends, as a share of the learning rate")


class Polynomial(Schedule):
    summary = "down to 0 as the share of the steps that is left, to a power"
    aliases = ("PolynomialLR", "PolynomialDecay")
    kind: Literal["polynomial"] = "polynomial"
    power: PositiveFloat = Field(1.0, description="the power; 1 is linear")


class Plateau(Schedule):
    summary = "multiplies by `factor` when validation has not got better for `patience` epochs"
    aliases = ("ReduceLROnPlateau",)
    kind: Literal["plateau"] = "plateau"
    patience: PositiveInt = Field(10, description="epochs without a better figure")
    factor: Fraction = Field(0.1, description="factor of one decay")


AnySchedule: TypeAlias = Annotated[
    Constant
    | StepDecay
    | MultiStepDecay
    | Exponential
    | Linear
    | Polynomial
    | Cosine
    | OneCycle
    | Plateau,
    Field(discriminator="kind"),
]

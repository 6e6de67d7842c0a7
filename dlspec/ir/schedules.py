"""The schedules: how the learning rate goes."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from dlspec.ir.arguments import Fraction, PositiveFloat, PositiveInt, Share
from dlspec.ir.frozen import Field
from dlspec.ir.option import Option


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


AnySchedule: TypeAlias = Annotated[
    Constant | StepDecay | Cosine | OneCycle, Field(discriminator="kind")
]

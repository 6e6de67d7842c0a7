"""The learning rate of a step of training, by its schedule."""

from __future__ import annotations

from collections.abc import Sequence

from dlspec.ir.schedules import (
    Constant,
    Cosine,
    Exponential,
    Linear,
    MultiStepDecay,
    OneCycle,
    Plateau,
    Polynomial,
    StepDecay,
)
from dlspec.ir.training import StepPlan
from dlspec.training import schedules


def learning_rate(
    plan: StepPlan, step: int, steps: int, steps_per_epoch: int, losses: Sequence[float] = ()
) -> float:
    """The learning rate of a step of the plan at a batch (from 0).

    losses: what decides on the validation split, an epoch each, lower is better.
    """
    rate: float = plan.optimizer.lr
    match plan.schedule:
        case OneCycle(warmup=warmup):
            return rate * schedules.one_cycle(step, steps, warmup)
        case Cosine(warmup=warmup, final=final):
            return rate * schedules.cosine(step, steps, warmup, final)
        case Linear(warmup=warmup, final=final):
            return rate * schedules.linear(step, steps, warmup, final)
        case Polynomial(power=power):
            return rate * schedules.polynomial(step, steps, power)
        case StepDecay(period=period, gamma=gamma):
            return rate * schedules.step_decay(step, steps_per_epoch, period, gamma)
        case MultiStepDecay(milestones=milestones, gamma=gamma):
            return rate * schedules.multi_step_decay(step, steps_per_epoch, milestones, gamma)
        case Exponential(gamma=gamma):
            return rate * schedules.exponential(step, steps_per_epoch, gamma)
        case Plateau(patience=patience, factor=factor):
            return rate * schedules.plateau(list(losses), patience, factor)
        case Constant():
            return rate

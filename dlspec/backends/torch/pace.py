"""How long a loop goes on and how fast: epochs, steps, and the learning rate at each, as text."""

from __future__ import annotations

from dlspec.backends.torch import upkeep
from dlspec.backends.torch.printer import literal
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
from dlspec.ir.training import StepPlan, TrainPlan


def lengths(plan: TrainPlan) -> list[str]:
    if plan.steps is not None:
        return [f"    epochs = math.ceil(STEPS / {upkeep.per_epoch(plan)})"]
    if any(
        isinstance(s.schedule, OneCycle | Cosine | Linear | Polynomial) for s in plan.each_batch
    ):
        return [f"    steps = EPOCHS * {upkeep.per_epoch(plan)}"]
    return []


def _steps(plan: TrainPlan) -> str:
    return "steps" if plan.steps is None else "STEPS"


def epochs_text(plan: TrainPlan) -> str:
    return "EPOCHS" if plan.steps is None else "epochs"


def slice_text(plan: TrainPlan) -> str:
    count = upkeep.per_epoch(plan)
    return count if plan.steps is None else f" min({count}, STEPS - len(losses))"


def rate_factor(plan: TrainPlan, step: StepPlan, position: str) -> str:
    """The factor of a step's learning rate at a batch."""
    count = upkeep.per_epoch(plan)
    match step.schedule:
        case OneCycle(warmup=warmup):
            return f"one_cycle({position}, {_steps(plan)}, {literal(warmup)})"
        case Cosine(warmup=warmup, final=final):
            arguments = f"{_steps(plan)}, {literal(warmup)}, {literal(final)}"
            return f"cosine({position}, {arguments})"
        case Linear(warmup=warmup, final=final):
            return f"linear({position}, {_steps(plan)}, {literal(warmup)}, {literal(final)})"
        case Polynomial(power=power):
            return f"polynomial({position}, {_steps(plan)}, {literal(power)})"
        case MultiStepDecay(milestones=milestones, gamma=gamma):
            arguments = f"{literal(milestones)}, {literal(gamma)}"
            return f"multi_step_decay({position}, {count}, {arguments})"
        case Exponential(gamma=gamma):
            return f"exponential({position}, {count}, {literal(gamma)})"
        case Plateau(patience=patience, factor=factor):
            return f"plateau(decisions, {literal(patience)}, {literal(factor)})"
        case StepDecay(period=period, gamma=gamma):
            return f"step_decay({position}, {count}, {literal(period)}, {literal(gamma)})"
        case Constant():
            raise AssertionError("a constant rate is never set")

"""The figures that a spec promises: the test split, measured once, in float32."""

from __future__ import annotations

import operator
from collections.abc import Callable

from torch import nn

from dlspec.data import Split
from dlspec.ir.training import Requirement, TrainPlan
from dlspec.training.device import Numerics, exact_float32
from dlspec.training.distributed import World
from dlspec.training.examples import Batch, Examples
from dlspec.training.measuring import measure
from dlspec.training.objective import Objective
from dlspec.training.settings import Evaluation, Held

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def evaluate_split(
    model: nn.Module,
    plan: TrainPlan,
    objective: Objective,
    split: Split,
    prepare: Callable[[Batch], Batch],
    numerics: Numerics,
    world: World | None = None,
) -> Evaluation:
    """Measure a split and check the plan's `require`s on it.

    In float32 whatever the training computed in, so that the figures are those of the
    exported model.
    """
    examples = Examples(split, numerics._replace(bf16=False))
    with exact_float32():
        figures = measure(model, objective, examples, prepare, plan.batch_size, world or World())
    held = tuple(_check(requirement, figures) for requirement in plan.requires)
    return Evaluation(examples.count, figures, held)


def _check(requirement: Requirement, figures: dict[str, float]) -> Held:
    figure = figures[requirement.metric]
    holds = _COMPARE[requirement.operator](figure, requirement.value)
    return Held(requirement, figure, holds)

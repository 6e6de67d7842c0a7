"""The figures that a spec promises: the test split, measured once, in float32."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

from torch import nn

from dlspec.data import Split
from dlspec.ir.training import Requirement, TrainPlan
from dlspec.training.classes import class_table
from dlspec.training.device import Numerics, float32_products
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
    models: Sequence[nn.Module],
    plan: TrainPlan,
    objective: Objective,
    split: Split,
    prepare: Callable[[Batch], Batch],
    numerics: Numerics,
    world: World | None = None,
    *,
    name: str = "test",
    classes: Sequence[str] | None = None,
    by_class: bool = False,
) -> Evaluation:
    """Measure a split and, of the test split, check the plan's `require`s on it.

    In float32 whatever the training computed in, so that the figures are those of the
    exported model. name: of the split; classes: their names, where the data has some;
    by_class: whether to tell classes apart even where no metric does.
    """
    examples = Examples(split, numerics._replace(bf16=False, tf32=False))
    batch_size = plan.batch_size
    with float32_products():
        found = measure(
            models, objective, examples, prepare, batch_size, world or World(), by_class=by_class
        )
    requires = plan.requires if name == "test" else ()
    held = tuple(_check(requirement, found.figures) for requirement in requires)
    table = class_table(found.by_class, classes) if found.by_class is not None else None
    return Evaluation(examples.count, found.figures, held, name, table)


def _check(requirement: Requirement, figures: dict[str, float]) -> Held:
    figure = figures[requirement.metric]
    holds = _COMPARE[requirement.operator](figure, requirement.value)
    return Held(requirement, figure, holds)

"""Whether the further settings of a plan that comes from JSON mean something in its program."""

from __future__ import annotations

from collections.abc import Iterator

from dlspec.ir.datacheck import path_problem
from dlspec.ir.graph import Program
from dlspec.ir.paths import covers, within
from dlspec.ir.training import TrainPlan
from dlspec.ir.walk import buffer_shapes, weight_shapes
from dlspec.layers import snake_case


def setting_fault(program: Program) -> str | None:
    """The first way in which they do not, of a program that is sound else."""
    return next(
        (
            f"a `train` of `{plan.model}`: {text}"
            for plan in program.trains
            for text in _faults(program, plan)
        ),
        None,
    )


def _faults(program: Program, plan: TrainPlan) -> Iterator[str]:
    rule = plan.early_stopping
    measured = {f"val_{name}" for name in ("loss", *(metric.kind for metric in plan.metrics))}
    if rule is not None and (rule.metric not in measured or len(plan.each_batch) > 1):
        yield f"it does not measure `{rule.metric[:80]}`, which `early_stopping` watches"
    start = plan.start_from
    reason = path_problem(start.path) if start is not None else None
    if reason is not None:
        yield f"the path of `start_from` {reason}"
    if plan.freeze:
        yield from _freeze_faults(program, plan)


def _freeze_faults(program: Program, plan: TrainPlan) -> Iterator[str]:
    several = len(plan.models) > 1
    names: list[str] = []
    for key in plan.models:
        graph = program.graphs[key]
        head = snake_case(graph.name) if several else None
        patterns = within(head, plan.freeze)
        learned = weight_shapes(program, graph)
        own = [*learned, *buffer_shapes(program, graph)]
        names += [f"{head}.{name}" if several else name for name in own]
        if learned and all(any(covers(p, name) for p in patterns) for name in learned):
            yield f"`freeze` leaves nothing of `{graph.name}` to train"
    for pattern in plan.freeze:
        if not any(covers(pattern, name) for name in names):
            yield f"`freeze` names no layer `{pattern[:80]}`"

"""Whether what a `train` minimises takes the mixtures of examples that its data makes."""

from __future__ import annotations

from collections.abc import Mapping

from dlspec.ir.data import DataPlan
from dlspec.ir.mixing import mixed_classes, mixing
from dlspec.ir.objective import Objective
from dlspec.ir.training import TrainPlan
from dlspec.passes.context import Frame
from dlspec.source import Span


def takes_mixtures(
    plan: TrainPlan, data: DataPlan, objectives: Mapping[str, Objective], span: Span, frame: Frame
) -> bool:
    """Whether every objective does, where there are mixtures. Reports E0504 at `span`."""
    mixer = mixing(data)
    if mixer is None:
        return True
    try:
        mixed_classes(plan, data, objectives, data.fields)
    except ValueError as problem:
        frame.report.error(
            "E0504",
            span,
            str(problem),
            help=f"leave `{mixer.kind_name()}` out of `{data.name}`, or train with `cross_entropy`",
        )
        return False
    return True

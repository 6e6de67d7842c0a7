"""Which fields of the data MixUp and CutMix turn into shares of classes.

A mixture of two images has no class number: its target is a share of each of the two classes.
`cross_entropy` takes such shares; nothing else in an objective does.
"""

from __future__ import annotations

from collections.abc import Mapping

from dlspec.ir.data import DataPlan
from dlspec.ir.datacheck import training_order
from dlspec.ir.losses import CrossEntropy
from dlspec.ir.objective import LossNode, Objective
from dlspec.ir.training import TrainPlan
from dlspec.ir.transforms import Transform
from dlspec.ir.types import TensorType


def mixing(data: DataPlan) -> Transform | None:
    """The first transform that mixes the examples of a training batch."""
    return next((stage for stage in training_order(data) if stage.mixes), None)


def mixed_classes(
    plan: TrainPlan,
    data: DataPlan,
    objectives: Mapping[str, Objective],
    fields: Mapping[str, TensorType] | None = None,
) -> dict[str, int]:
    """The number of classes of every field that becomes shares of classes in training.

    objectives: by key, those of the plan's steps among them.
    fields:     the types of the data's fields, where they are known.
    Raises ValueError with a sentence where an objective cannot take a mixture.
    """
    mixer = mixing(data)
    if mixer is None:
        return {}
    found: dict[str, int] = {}
    for step in plan.each_batch:
        objective = objectives[step.objective]
        for port in objective.inputs:
            if port.name != "image":
                count = _classes(mixer, objective, port.name, port.value, fields)
                if found.setdefault(port.name, count) != count:
                    raise ValueError(
                        f"`{mixer.kind_name()}` needs one number of classes; `{port.name}` is"
                        f" compared with {found[port.name]} scores and with {count}"
                    )
    return found


def _classes(
    mixer: Transform,
    objective: Objective,
    name: str,
    value: str,
    fields: Mapping[str, TensorType] | None,
) -> int:
    """The number of classes of a field. Raises ValueError where it is anything but classes."""
    kind = mixer.kind_name()
    given = fields.get(name) if fields else None
    if given is not None and (given.dtype != "int" or given.rank):
        raise ValueError(f"`{kind}` mixes class numbers; `{name}` of the data is {given}")
    counts: set[object] = set()
    for node in objective.nodes:
        if value not in node.inputs:
            continue
        if not isinstance(node, LossNode) or not isinstance(node.loss, CrossEntropy):
            use = f"`{node.loss.kind}`" if isinstance(node, LossNode) else "another use of it"
            raise ValueError(
                f"`{kind}` makes shares of classes of `{name}`, which `cross_entropy` alone"
                f" takes, not {use}"
            )
        scores = objective.types[node.inputs[0]]
        if node.inputs[0] == value or scores.rank != 1 or not isinstance(scores.shape[0], int):
            raise ValueError(
                f"`{kind}` needs one class for every image; `cross_entropy` compares"
                f" {scores} with `{name}`"
            )
        counts.add(scores.shape[0])
    if len(counts) > 1:
        raise ValueError(
            f"`{kind}` needs one number of classes; `{name}` is compared with"
            f" {' and '.join(str(count) for count in sorted(map(str, counts)))} scores"
        )
    (count,) = counts
    assert isinstance(count, int)
    return count

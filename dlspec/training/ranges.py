"""Whether the whole numbers of the data are ones that the model and the loss have a place for.

A number without a place would end a run on the CPU in an error of PyTorch's, and on a GPU in one
that names nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from dlspec.data import Dataset
from dlspec.ir.graph import Graph, Program
from dlspec.ir.losstargets import class_axis
from dlspec.ir.nodes import CallNode, LayerNode
from dlspec.ir.objective import LossNode, Objective
from dlspec.ir.training import TrainPlan


class Place(NamedTuple):
    """How many numbers, from 0 on, something has a place for."""

    count: int
    what: str


def range_problem(program: Program, plan: TrainPlan, dataset: Dataset) -> str | None:
    """A field whose numbers something has no place for, and why, in a sentence; else None."""
    for field, place in _places(program, plan):
        for split in (dataset.train, dataset.validation, dataset.test):
            numbers = split.fields.get(field)
            if not isinstance(numbers, np.ndarray) or numbers.dtype.kind != "i":
                continue
            if len(numbers) == 0:
                continue
            least, most = int(numbers.min()), int(numbers.max())
            if least < 0 or most >= place.count:
                return (
                    f"`{field}` of `{plan.data}` goes from {least} to {most}; {place.what} has"
                    f" {place.count}, for numbers from 0 to {place.count - 1}"
                )
    return None


def _places(program: Program, plan: TrainPlan) -> Iterator[tuple[str, Place]]:
    for step in plan.each_batch:
        yield from _compared(program.objectives[step.objective])
    if len(plan.models) == 1:
        graph = program.graphs[plan.models[0]]
        names = {port.value: plan.feeds.get(port.name, port.name) for port in graph.inputs}
        yield from _looked_up(program, graph, names)


def _compared(objective: Objective) -> Iterator[tuple[str, Place]]:
    """Targets of losses over classes."""
    fields = {port.value: port.name for port in objective.inputs}
    for node in objective.nodes:
        if not isinstance(node, LossNode) or node.loss.target != "classes":
            continue
        scores, target = objective.types[node.inputs[0]], node.inputs[-1]
        if node.loss.kind_name() == "ctc" or target not in fields:
            continue
        axis = class_axis(scores, objective.types[target])
        count = scores.shape[axis] if axis is not None else None
        if isinstance(count, int):
            yield fields[target], Place(count, f"the output that `{node.loss.kind}` compares")


def _looked_up(
    program: Program, graph: Graph, names: Mapping[str, str]
) -> Iterator[tuple[str, Place]]:
    """Inputs that layers look vectors up by."""
    for node in graph.nodes:
        if isinstance(node, LayerNode) and node.layer.counts is not None:
            count = getattr(node.layer, node.layer.counts)
            for value in node.inputs:
                if value in names:
                    yield names[value], Place(count, f"`{node.path}`")
        elif isinstance(node, CallNode):
            called = program.graphs[node.graph]
            handed = zip(called.inputs, node.inputs, strict=True)
            inner = {port.value: names[value] for port, value in handed if value in names}
            if inner:
                yield from _looked_up(program, called, inner)

"""Whether the objectives of a program that was not made from a spec's text hold together.

They become functions, so their names are held to what elaboration makes, as those of graphs are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isfinite

from dlspec.ir.graph import CallNode, LayerNode, Program
from dlspec.ir.layer import ShapeProblem
from dlspec.ir.losstargets import target_problem
from dlspec.ir.objective import (
    LossNode,
    NoiseNode,
    Objective,
    ObjectiveNode,
    PenaltyNode,
    ShuffleNode,
)
from dlspec.ir.training import StepPlan, TrainPlan
from dlspec.ir.types import tensor

_NAME = re.compile(r"[a-z_][A-Za-z0-9_]{0,63}")


def step_faults(program: Program, plan: TrainPlan) -> Iterator[str]:
    """What no spec could have made of a plan's steps, a sentence each."""
    names = [program.graphs[key].name for key in plan.models if key in program.graphs]
    if not plan.each_batch:
        yield "it minimises nothing"
    if len(names) != len(plan.models) or len(set(names)) != len(names):
        yield "its models are not those of the program, each once"
        return
    if len({step.name for step in plan.each_batch}) != len(plan.each_batch):
        yield "two of its steps have one name"
    if plan.metrics and not _scored(program, plan):
        yield "its metrics have nothing to compare"
    for step in plan.each_batch:
        yield from _step(program, plan, step, dict(zip(names, plan.models, strict=True)))


def _scored(program: Program, plan: TrainPlan) -> bool:
    """Whether the objective that is measured first has what metrics compare."""
    key = plan.each_batch[0].objective
    objective = program.objectives.get(f"{key}.evaluation", program.objectives.get(key))
    return objective is not None and objective.value("scores") is not None


def _step(
    program: Program, plan: TrainPlan, step: StepPlan, models: dict[str, str]
) -> Iterator[str]:
    if not _NAME.fullmatch(step.name):
        yield f"`{step.name[:80]}` is not the name of a step"
    if not step.updates or not set(step.updates) <= set(models):
        yield f"the step `{step.name[:80]}` does not update models of the `train`"
    if step.objective not in program.objectives:
        yield f"there is no objective `{step.objective[:80]}`"
    for key in (step.objective, f"{step.objective}.evaluation"):
        if key in program.objectives:
            yield from _objective(program, program.objectives[key], models)


def _objective(program: Program, objective: Objective, models: dict[str, str]) -> Iterator[str]:
    values = {port.value for port in objective.inputs}
    for port in objective.inputs:
        if not _NAME.fullmatch(port.name) or port.value not in objective.types:
            yield f"`{port.name[:80]}` is not a field of data"
    for node in objective.nodes:
        for name in (*node.inputs, *node.outputs):
            if name not in objective.types or (name in node.inputs and name not in values):
                yield f"there is no value `{name[:80]}` yet"
                return
        if values & set(node.outputs):
            yield f"a value of `{node.path[:80]}` is made twice"
        if not _holds(program, objective, node, models):
            yield f"the types around `{node.path[:80]}` are not what it makes of its inputs"
        values.update(node.outputs)
    names = [port.name for port in objective.outputs]
    if names not in (["loss"], ["loss", "scores", "target"]):
        yield "an objective has other outputs than a loss, scores and a target"
    for port in objective.outputs:
        if port.value not in values:
            yield f"there is no value `{port.value[:80]}`"


def _holds(
    program: Program, objective: Objective, node: ObjectiveNode, models: dict[str, str]
) -> bool:
    inputs, outputs = objective.input_types(node), objective.output_types(node)
    if isinstance(node, LayerNode):
        try:
            return node.shares is None and node.layer.infer(inputs) == outputs
        except ShapeProblem:
            return False
    if isinstance(node, CallNode):
        return _calls(program, node, models) and len(inputs) == len(
            program.graphs[node.graph].inputs
        )
    if isinstance(node, LossNode):
        if outputs != (tensor(),):
            return False
        if node.value is not None:
            return len(inputs) == 1 and isfinite(node.value)
        return len(inputs) == 2 and (
            node.loss.target == "values"
            or inputs[1].dtype == "int"
            or target_problem(node.loss, *inputs) is None
        )
    if isinstance(node, NoiseNode):
        return len(inputs) == 1 and outputs == (tensor(*node.shape),)
    if isinstance(node, ShuffleNode):
        return len(inputs) == 1 and inputs == outputs
    return _calls(program, node, models) and len(inputs) == 2 and outputs == (tensor(),)


def _calls(program: Program, node: CallNode | PenaltyNode, models: dict[str, str]) -> bool:
    """Whether a node calls a model of the `train` and takes results that it has."""
    if node.shares is None or models.get(node.shares) != node.graph:
        return False
    graph = program.graphs[node.graph]
    if isinstance(node, PenaltyNode):
        return len(graph.outputs) == 1
    most = len(graph.outputs) + len(graph.auxiliaries)
    return len(node.outputs) in (len(graph.outputs), most)

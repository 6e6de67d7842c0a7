"""Whether model, data and loss fit each other.

Asked when a spec is checked, where the source knows its types beforehand, and
again when the data has been read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dlspec.ir.data import DataPlan
from dlspec.ir.graph import Graph, Program
from dlspec.ir.losses import Target
from dlspec.ir.losstargets import Comparison, comparison, target_problem, yes_or_no
from dlspec.ir.metrics import MOST_CLASSES, Confusion, Metric, TopK
from dlspec.ir.objective import LossNode, Objective
from dlspec.ir.training import TrainPlan
from dlspec.ir.types import TensorType

TARGETS = ("label", "target", "next")


class FitProblem(NamedTuple):
    """A mistake: its code, the setting it is about (`data`, `loss`, `metrics`), the sentence."""

    code: str
    setting: str
    message: str
    help: str | None = None


def target_field(data: DataPlan) -> str:
    """The field that the loss compares with: `label`, or `target`, or `next`."""
    known = data.fields or {}
    return next((name for name in TARGETS if name in known), TARGETS[0])


def problems(
    plan: TrainPlan, graph: Graph, data: DataPlan, fields: Mapping[str, TensorType]
) -> tuple[FitProblem, ...]:
    """Every way in which the data's fields do not fit the model and the loss."""
    found = _feeds(plan, graph, data, fields)
    if plan.loss is None and not plan.metrics:
        return tuple(found)
    if plan.target not in fields:
        found.append(
            FitProblem(
                "E0604",
                "data",
                f"`{data.name}` gives no `label`, `target` or `next` for the "
                f"{'metrics' if plan.loss is None else 'loss'}; it gives {_listed(fields)}",
            )
        )
        return tuple(found)
    output = graph.types[graph.outputs[0].value]
    target = fields[plan.target]
    if plan.loss is None:
        return (*found, *_metric_problems(plan, output, target))
    wrong = target_problem(plan.loss, output, target, data.source.classes())
    if wrong is not None:
        found.append(
            FitProblem(
                "E0504", "loss", f"`{plan.loss.kind}` {wrong}", _loss_help(plan.loss.target, target)
            )
        )
        return tuple(found)
    return (*found, *_metric_problems(plan, output, target))


def _feeds(
    plan: TrainPlan, graph: Graph, data: DataPlan, fields: Mapping[str, TensorType]
) -> list[FitProblem]:
    found: list[FitProblem] = []
    for port in graph.inputs:
        field = plan.feeds[port.name]
        wanted = graph.types[port.value]
        if field not in fields:
            found.append(
                FitProblem(
                    "E0604",
                    "data",
                    f"`{data.name}` gives no field `{field}` for the input of "
                    f"`{graph.name}`; it gives {_listed(fields)}",
                    "name the input like the field that feeds it",
                )
            )
        elif not _same(wanted, fields[field]):
            help = None
            if fields[field].rank == wanted.rank == 3 and fields[field].shape[0] == wanted.shape[0]:
                _, height, width = wanted.shape
                size = height if height == width else f"({height}, {width})"
                help = f"add `Resize({size})` to the transform of `{data.name}`"
            found.append(
                FitProblem(
                    "E0604",
                    "data",
                    f"the input `{port.name}` of `{graph.name}` is {wanted}; "
                    f"`{data.name}` gives {fields[field]}",
                    help,
                )
            )
    return found


def retargeted(program: Program, plan: TrainPlan, field: str) -> tuple[Program, TrainPlan]:
    """The program and the plan with another field of the data as the target."""
    objectives = dict(program.objectives)
    for step in plan.each_batch:
        for key in (step.objective, f"{step.objective}.evaluation"):
            if key in objectives:
                ports = tuple(
                    port.model_copy(update={"name": field}) if port.name == plan.target else port
                    for port in objectives[key].inputs
                )
                objectives[key] = objectives[key].model_copy(update={"inputs": ports})
    changed = plan.model_copy(update={"target": field})
    trains = tuple(changed if other == plan else other for other in program.trains)
    return program.model_copy(update={"objectives": objectives, "trains": trains}), changed


def objective_problems(
    plan: TrainPlan, objective: Objective, data: DataPlan, fields: Mapping[str, TensorType]
) -> tuple[FitProblem, ...]:
    """Every field that an objective uses and the data, once read, does not give so.

    The target of `loss = …` is compared by `problems`, which knows what the loss takes.
    """
    found: list[FitProblem] = []
    for port in objective.inputs:
        if plan.loss is not None and port.name == plan.target:
            continue
        given = fields.get(port.name)
        if given is None:
            message = f"`{data.name}` gives no field `{port.name}`; it gives {_listed(fields)}"
        else:
            wrong = _use_problem(objective, port.value, given)
            if wrong is None:
                continue
            message = f"`{port.name}` of `{data.name}` does not fit: {wrong}"
        found.append(FitProblem("E0604", "data", message))
    return tuple(found)


def _use_problem(objective: Objective, value: str, given: TensorType) -> str | None:
    """Why what a file gives cannot stand for a value of an objective, or None.

    A target that losses bring into the type and the shape of their scores may be any that fits
    them; everything else has the type that the objective was made for.
    """
    uses = [node for node in objective.nodes if value in node.inputs]
    compared = [n for n in uses if isinstance(n, LossNode) and n.inputs[0] != value]
    if len(compared) < len(uses) or any(_of_classes(objective, node) for node in compared):
        wanted = objective.types[value]
        return None if _same(wanted, given) else f"it is used as {wanted} and is {given}"
    for node in compared:
        wrong = target_problem(node.loss, objective.types[node.inputs[0]], given)
        if wrong is not None:
            return f"`{node.loss.kind}` {wrong}"
    return None


def _of_classes(objective: Objective, node: LossNode) -> bool:
    """Whether a loss compares classes at several places, which are counted beforehand."""
    return node.loss.target == "classes" and objective.types[node.inputs[0]].rank > 1


def _same(wanted: TensorType, given: TensorType) -> bool:
    if wanted.dtype != given.dtype or wanted.rank != given.rank:
        return False
    return all(
        want == have or not isinstance(want, int) or not isinstance(have, int)
        for want, have in zip(wanted.shape, given.shape, strict=True)
    )


def _loss_help(kind: Target, target: TensorType) -> str | None:
    if kind == "values" and target.dtype == "int":
        return "for class numbers there is `cross_entropy`"
    if kind == "classes" and target.dtype == "float":
        return "for values there is `mse`"
    return None


def _metric_problems(plan: TrainPlan, output: TensorType, target: TensorType) -> list[FitProblem]:
    found: list[FitProblem] = []
    for metric in plan.metrics:
        wrong = None
        if not (metric.yes_or_no and yes_or_no(plan.loss, output, target)):
            wrong = target_problem(metric, output, target)
        wrong = wrong or _size_problem(metric, comparison(plan.loss, output, target))
        if wrong is not None:
            found.append(FitProblem("E0505", "metrics", f"`{_written(metric)}` {wrong}"))
    return found


def _size_problem(metric: Metric, compared: Comparison) -> str | None:
    count = compared.size
    if isinstance(metric, TopK) and metric.k > count:
        return f"needs at least {metric.k} scores; the model gives {count}"
    if isinstance(metric, Confusion) and compared.kind == "labels" and count > 1:
        return f"is of one class for each example; the model answers {count} questions of each"
    if isinstance(metric, Confusion) and count > MOST_CLASSES:
        return f"is a table of at most {MOST_CLASSES:,} classes; the model gives {count:,} scores"
    return None


def _written(metric: Metric) -> str:
    return f"top_k({metric.k})" if isinstance(metric, TopK) else metric.kind_name()


def _listed(fields: Mapping[str, TensorType]) -> str:
    return ", ".join(f"`{name}`" for name in fields)

"""Whether model, data and loss fit each other.

Asked when a spec is checked, where the source knows its types beforehand, and
again when the data has been read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dlspec.ir.data import DataPlan
from dlspec.ir.graph import Graph
from dlspec.ir.training import Target, TopK, TrainPlan
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
    if plan.target not in fields:
        found.append(
            FitProblem(
                "E0604",
                "data",
                f"`{data.name}` gives no `label`, `target` or `next` for the loss; "
                f"it gives {_listed(fields)}",
            )
        )
        return tuple(found)
    output = graph.types[graph.outputs[0].value]
    target = fields[plan.target]
    wrong = _target_problem(plan.loss.target, output, target, data.source.classes())
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


def _same(wanted: TensorType, given: TensorType) -> bool:
    if wanted.dtype != given.dtype or wanted.rank != given.rank:
        return False
    return all(
        want == have or not isinstance(want, int) or not isinstance(have, int)
        for want, have in zip(wanted.shape, given.shape, strict=True)
    )


def _target_problem(
    kind: Target, output: TensorType, target: TensorType, classes: tuple[str, ...] | None
) -> str | None:
    """Why output and target do not fit, to stand behind the name of the loss, or None."""
    if output.dtype != "float":
        return f"needs a float output; the model gives {output}"
    if kind == "classes":
        if target.dtype != "int":
            return f"compares with class numbers; the target is {target}"
        if output.rank == 0 or output.shape[:-1] != target.shape:
            return (
                f"compares scores {output.shape_text()} with a class number for each; the "
                f"target is {target}"
            )
        scores = output.shape[-1]
        if classes is not None and isinstance(scores, int) and scores < len(classes):
            return f"has {scores} scores for the {len(classes)} classes of the data"
        return None
    if output.shape != target.shape and output.shape != (*target.shape, 1):
        return f"compares output and target one by one; they are {output} and {target}"
    return None


def _loss_help(kind: Target, target: TensorType) -> str | None:
    if kind == "values" and target.dtype == "int":
        return "for class numbers there is `cross_entropy`"
    if kind == "classes" and target.dtype == "float":
        return "for values there is `mse`"
    return None


def _metric_problems(plan: TrainPlan, output: TensorType, target: TensorType) -> list[FitProblem]:
    found: list[FitProblem] = []
    yes_or_no = plan.loss.target == "values" and plan.loss.from_logits is not None
    for metric in plan.metrics:
        if yes_or_no and metric.yes_or_no:
            continue
        wrong = _target_problem(metric.target, output, target, None)
        if wrong is not None:
            found.append(FitProblem("E0505", "metrics", f"`{metric.kind}` {wrong}"))
        elif (
            isinstance(metric, TopK)
            and isinstance(output.shape[-1], int)
            and metric.k > output.shape[-1]
        ):
            found.append(
                FitProblem(
                    "E0505",
                    "metrics",
                    f"`top_k({metric.k})` needs at least {metric.k} scores; the "
                    f"model gives {output.shape[-1]}",
                )
            )
    return found


def _listed(fields: Mapping[str, TensorType]) -> str:
    return ", ".join(f"`{name}`" for name in fields)

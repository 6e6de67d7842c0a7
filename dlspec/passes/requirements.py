"""The promises of a `train`: `require accuracy >= 97%`, on figures that it measures."""

from __future__ import annotations

from collections.abc import Sequence

from dlspec.ir.metrics import Metric
from dlspec.ir.training import Requirement
from dlspec.passes.context import Frame
from dlspec.passes.evaluate import evaluate
from dlspec.passes.scope import did_you_mean
from dlspec.passes.values import contains_unknown, describe
from dlspec.syntax import tree


def requirements(
    declaration: tree.TrainDeclaration,
    metrics: list[tuple[Metric, tree.Expr]],
    losses: Sequence[str],
    frame: Frame,
) -> tuple[Requirement, ...]:
    """What a `train` requires of its figures. Reports E0507 and E0306.

    metrics: those that it measures, each where it stands; losses: the names of what it minimises.
    """
    names = [*losses, *(metric.kind_name() for metric, _ in metrics if metric.number)]
    found = [
        _requirement(statement, names, frame)
        for statement in declaration.body.statements
        if isinstance(statement, tree.RequireStatement)
    ]
    return tuple(requirement for requirement in found if requirement is not None)


MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def _requirement(
    statement: tree.RequireStatement, names: list[str], frame: Frame
) -> Requirement | None:
    condition = statement.condition
    if not isinstance(condition, tree.Binary) or condition.operator not in MIRRORED:
        frame.report.error(
            "E0507",
            statement.span,
            "a requirement compares a metric with a number: `require accuracy >= 97%`",
        )
        return None
    metric, limit, operator = condition.left, condition.right, condition.operator
    if not isinstance(metric, tree.Name) and isinstance(limit, tree.Name):
        metric, limit, operator = limit, metric, MIRRORED[operator]
    if isinstance(metric, tree.Call) and isinstance(metric.callee, tree.Name):
        metric = metric.callee
    if isinstance(metric, tree.Name) and metric.id == "confusion":
        frame.report.error(
            "E0507",
            metric.span,
            "`confusion` is a table and no number to compare",
            help="`precision`, `recall` and `f1` are numbers of it",
        )
        return None
    if not isinstance(metric, tree.Name) or metric.id not in names:
        shown = f"`{metric.span.text}`"
        help = did_you_mean(metric.span.text, names)
        frame.report.error(
            "E0507",
            metric.span,
            f"{shown} is not measured in this `train`",
            help=help or f"add it to the metrics: `metrics = [{metric.span.text}]`",
        )
        return None
    value = evaluate(limit, frame.as_argument())
    if not isinstance(value, int | float) or isinstance(value, bool):
        if not contains_unknown(value):
            frame.report.error(
                "E0306", limit.span, f"a metric is compared with a number, not {describe(value)}"
            )
        return None
    return Requirement.model_construct(metric=metric.id, operator=operator, value=float(value))

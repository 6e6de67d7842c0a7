"""`train` declarations made into plans, and checked against their model and data."""

from __future__ import annotations

from typing import Any, cast

from dlspec.diagnostics import Label
from dlspec.ir.data import DataPlan
from dlspec.ir.graph import Graph
from dlspec.ir.training import (
    AnyLoss,
    AnyMetric,
    AnyOptimizer,
    AnySchedule,
    Constant,
    Loss,
    Metric,
    Optimizer,
    Requirement,
    Schedule,
    TrainPlan,
    TrainSettings,
)
from dlspec.passes import fit
from dlspec.passes.context import Frame
from dlspec.passes.evaluate import evaluate
from dlspec.passes.options import classes_of, option
from dlspec.passes.scope import did_you_mean
from dlspec.passes.settings import gather, misplaced, plain_settings
from dlspec.passes.values import contains_unknown, describe
from dlspec.syntax import tree

SETTINGS = ("loss", "optimizer", "schedule", "metrics", *TrainSettings.model_fields)
PLANNED = frozenset(
    {"accumulate", "ema", "early_stopping", "regularization", "freeze", "start_from", "init"}
)


def train_plan(
    declaration: tree.TrainDeclaration, graph: Graph | None, data: DataPlan | None, frame: Frame
) -> TrainPlan | None:
    """The plan of a `train` of one model. None after a mistake."""
    before = len(frame.report.diagnostics)
    found = gather(declaration.body, SETTINGS, PLANNED, "E0501", "train", frame)
    misplaced(
        declaration.body,
        (tree.RequireStatement, tree.MinimizeStatement, tree.StepStatement),
        "train",
        frame,
    )
    later = _later_forms(declaration, frame)
    loss = _option(found, "loss", "E0508", AnyLoss, frame)
    optimizer = _option(found, "optimizer", "E0508", AnyOptimizer, frame)
    schedule = _option(found, "schedule", "E0508", AnySchedule, frame)
    metrics = _metrics(found.get("metrics"), frame)
    settings = plain_settings(TrainSettings, "train", declaration.span, found, frame)
    requires = _requires(declaration, metrics, frame)
    if not later:
        _missing(declaration, found, frame)
    if settings is not None:
        _length(settings, declaration, found, frame)
    if loss is None or settings is None or graph is None or data is None:
        return None
    plan = TrainPlan.model_construct(
        model=graph.key,
        data=data.name,
        documentation=declaration.documentation,
        output=graph.outputs[0].name,
        target=fit.target_field(data),
        feeds={port.name: port.name for port in graph.inputs},
        loss=cast("Loss", loss),
        optimizer=cast("Optimizer", optimizer),
        schedule=cast("Schedule", schedule) or Constant.model_construct(),
        metrics=tuple(m for m, _ in metrics),
        requires=requires,
        **vars(settings),
    )
    fits = _fits(plan, graph, data, declaration, found, frame)
    failed = any(d.severity == "error" for d in frame.report.diagnostics[before:])
    return None if failed or not fits else plan


def _later_forms(declaration: tree.TrainDeclaration, frame: Frame) -> bool:
    """Report the forms whose meaning this version does not have, once each."""
    forms = [
        (statement, "`step`" if isinstance(statement, tree.StepStatement) else "`minimize`")
        for statement in declaration.body.statements
        if isinstance(statement, tree.StepStatement | tree.MinimizeStatement)
    ]
    if forms:
        statement, word = forms[0]
        frame.report.error(
            "E0210",
            statement.span,
            f"this version of dlspec does not train with {word} yet",
            help="`loss = …` trains one model",
        )
    elif len(declaration.models) > 1:
        frame.report.error(
            "E0210", declaration.models[1].span, "this version of dlspec trains one model at a time"
        )
        return True
    return bool(forms)


def _option(
    found: dict[str, tree.Bind], name: str, code: str, family: Any, frame: Frame
) -> object | None:
    statement = found.get(name)
    if statement is None:
        return None
    return option(statement.value, name, code, classes_of(family), frame)


def _metrics(statement: tree.Bind | None, frame: Frame) -> list[tuple[Metric, tree.Expr]]:
    if statement is None:
        return []
    value = statement.value
    items = value.items if isinstance(value, tree.ListExpr | tree.TupleExpr) else (value,)
    classes = cast("tuple[type[Metric], ...]", classes_of(AnyMetric))
    found: list[tuple[Metric, tree.Expr]] = []
    for item in items:
        metric = option(item, "metric", "E0508", classes, frame)
        if metric is None:
            continue
        first = next((e for m, e in found if m.kind_name() == metric.kind_name()), None)
        if first is not None:
            frame.report.error(
                "E0305",
                item.span,
                f"the metric `{metric.kind_name()}` stands twice",
                labels=[Label(first.span, "it stands here already")],
            )
            continue
        found.append((metric, item))
    return found


def _missing(declaration: tree.TrainDeclaration, found: dict[str, tree.Bind], frame: Frame) -> None:
    examples = {"loss": "loss = cross_entropy", "optimizer": "optimizer = adam(lr=1e-3)"}
    span = declaration.models[0].span.to(declaration.data.span)
    for name, example in examples.items():
        if name not in found:
            frame.report.error(
                "E0502", span, f"this `train` has no {name}", help=f"add `{example}`, for example"
            )


def _length(
    settings: TrainSettings,
    declaration: tree.TrainDeclaration,
    found: dict[str, tree.Bind],
    frame: Frame,
) -> None:
    if settings.epochs is not None and settings.steps is not None:
        frame.report.error(
            "E0506",
            found["steps"].span,
            "`steps` and `epochs` both say how long to train",
            labels=[Label(found["epochs"].span, "epochs are set here")],
            help="keep one of them",
        )
    elif settings.epochs is None and settings.steps is None:
        frame.report.error(
            "E0502",
            declaration.models[0].span.to(declaration.data.span),
            "this `train` says neither `epochs` nor `steps`",
            help="add `epochs = 10`, for example",
        )


# --- requirements ------------------------------------------------------------------


def _requires(
    declaration: tree.TrainDeclaration, metrics: list[tuple[Metric, tree.Expr]], frame: Frame
) -> tuple[Requirement, ...]:
    names = ["loss", *(metric.kind_name() for metric, _ in metrics)]
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


# --- model, data and loss against each other -----------------------------------------


def _fits(
    plan: TrainPlan,
    graph: Graph,
    data: DataPlan,
    declaration: tree.TrainDeclaration,
    found: dict[str, tree.Bind],
    frame: Frame,
) -> bool:
    before = len(frame.report.diagnostics)
    if len(graph.outputs) != 1:
        names = ", ".join(f"`{port.name}`" for port in graph.outputs)
        frame.report.error(
            "E0506",
            found["loss"].span,
            f"`{graph.name}` has several outputs ({names}); `loss = …` is of one",
            help="this version of dlspec trains models with one output",
        )
        return False
    if data.fields is None:
        return True
    for problem in fit.problems(plan, graph, data, data.fields):
        span = declaration.data.span
        if problem.setting == "loss":
            span = found["loss"].value.span
        elif problem.setting == "metrics":
            span = found["metrics"].value.span
        frame.report.error(problem.code, span, problem.message, help=problem.help)
    return len(frame.report.diagnostics) == before

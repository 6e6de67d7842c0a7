"""`train` declarations made into plans, and checked against their model and data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from dlspec.diagnostics import Label
from dlspec.ir.data import DataPlan
from dlspec.ir.graph import Graph, Program
from dlspec.ir.losses import AnyLoss, Loss
from dlspec.ir.metrics import AnyMetric, Metric
from dlspec.ir.objective import Objective
from dlspec.ir.schedules import Plateau
from dlspec.ir.training import Requirement, TrainPlan, TrainSettings
from dlspec.passes import fit
from dlspec.passes.context import Frame
from dlspec.passes.evaluate import evaluate
from dlspec.passes.onestep import OneStep
from dlspec.passes.options import classes_of, option
from dlspec.passes.scope import did_you_mean
from dlspec.passes.settings import gather, misplaced, plain_settings
from dlspec.passes.trainbuilding import Common, common_settings
from dlspec.passes.trainsteps import FORMS, Steps, has_optimizer
from dlspec.passes.values import TrainedNetwork, contains_unknown, describe
from dlspec.source import Span
from dlspec.syntax import tree

SETTINGS = ("loss", "optimizer", "schedule", "metrics", *TrainSettings.model_fields)
PLANNED = frozenset(
    {"accumulate", "ema", "early_stopping", "regularization", "freeze", "start_from", "init"}
)


class Parts(NamedTuple):
    """What the settings of a `train` say, before its objectives are built."""

    loss: Loss | None
    metrics: tuple[Metric, ...]
    settings: TrainSettings
    requires: tuple[Requirement, ...]
    common: Common


def train_plan(
    declaration: tree.TrainDeclaration,
    models: Sequence[TrainedNetwork],
    data: DataPlan | None,
    program: Program,
    frame: Frame,
) -> tuple[TrainPlan, dict[str, Objective]] | None:
    """The plan of a `train`, and the objectives of its steps by key. None after a mistake."""
    before = len(frame.report.diagnostics)
    found = gather(declaration.body, SETTINGS, PLANNED, "E0501", "train", frame)
    misplaced(declaration.body, FORMS, "train", frame)
    parts = _parts(declaration, found, frame)
    if parts is None or not models or data is None:
        return None
    graph = program.graphs[models[0].key]
    base: dict[str, Any] = {
        "models": tuple(model.key for model in models),
        "data": data.name,
        "documentation": declaration.documentation,
        "output": graph.outputs[0].name,
        "target": fit.target_field(data),
        "feeds": {port.name: port.name for port in graph.inputs},
        "loss": parts.loss,
        "metrics": parts.metrics,
        "requires": parts.requires,
        **vars(parts.settings),
    }
    plan = TrainPlan.model_construct(**base, each_batch=())
    if not _fits(plan, graph, data, declaration, found, frame):
        return None
    several = any(isinstance(s, tree.StepStatement) for s in declaration.body.statements)
    building = (Steps if several else OneStep)(declaration, models, data, program, frame, plan)
    built = building.built(parts.common)
    failed = any(d.severity == "error" for d in frame.report.diagnostics[before:])
    if failed or built is None:
        return None
    steps, objectives = built
    return TrainPlan.model_construct(**base, each_batch=steps), objectives


def _parts(
    declaration: tree.TrainDeclaration, found: dict[str, tree.Bind], frame: Frame
) -> Parts | None:
    loss = _option(found, "loss", "E0508", AnyLoss, frame)
    common = common_settings(found, frame)
    metrics = _metrics(found.get("metrics"), frame)
    settings = plain_settings(TrainSettings, "train", declaration.span, found, frame)
    requires = _requires(declaration, metrics, frame)
    one_form = _one_form(declaration, found, frame)
    _missing(declaration, found, frame)
    if settings is not None:
        _length(settings, declaration, found, frame)
    if settings is None or not one_form or ("loss" in found and loss is None):
        return None
    if isinstance(common.schedule, Plateau) and (
        "loss" not in found and any(map(_is_step, declaration.body.statements))
    ):
        frame.report.error(
            "E0506",
            found["schedule"].span,
            "`plateau` follows a figure of the validation split, which a `train` in steps has not",
        )
        return None
    clip = settings.gradient_clip
    return Parts(
        cast("Loss | None", loss),
        tuple(m for m, _ in metrics),
        settings,
        requires,
        common._replace(gradient_clip=clip),
    )


def _is_step(statement: tree.Statement) -> bool:
    return isinstance(statement, tree.StepStatement)


def _one_form(
    declaration: tree.TrainDeclaration, found: dict[str, tree.Bind], frame: Frame
) -> bool:
    """Whether a `train` says what it minimises in one of the three forms. Reports E0506."""
    ways: list[tuple[str, Span]] = []
    if "loss" in found:
        ways.append(("`loss`", found["loss"].names[0].span))
    for statement in declaration.body.statements:
        if isinstance(statement, tree.MinimizeStatement):
            ways.append(("`minimize`", statement.span))
        elif isinstance(statement, tree.StepStatement):
            ways.append(("`step`", statement.name.span))
    words = [word for word, _ in ways]
    if len(set(words)) > 1 or words.count("`minimize`") > 1:
        frame.report.error(
            "E0506",
            ways[1][1],
            f"{words[0]} and {words[1]} both say what is minimised",
            labels=[Label(ways[0][1], "it is said here")],
            help="keep one; several `step`s of one `train` each minimise something",
        )
        return False
    if len(declaration.models) > 1 and words and words[0] != "`step`":
        frame.report.error(
            "E0506",
            ways[0][1],
            f"{words[0]} trains one model; this `train` has {len(declaration.models)}",
            help="several models are trained in steps: `step name updates Model { … }`",
        )
        return False
    return True


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
    body = declaration.body.statements
    steps = [s for s in body if isinstance(s, tree.StepStatement)]
    minimized = steps or any(isinstance(s, tree.MinimizeStatement) for s in body)
    wanted = {
        "loss": "" if minimized else "loss = cross_entropy",
        "optimizer": ""
        if steps and all(map(has_optimizer, steps))
        else "optimizer = adam(lr=1e-3)",
    }
    span = declaration.models[0].span.to(declaration.data.span)
    for name, example in wanted.items():
        if example and name not in found:
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
    if len(graph.outputs) != 1 and plan.loss is not None:
        names = ", ".join(f"`{port.name}`" for port in graph.outputs)
        frame.report.error(
            "E0506",
            found["loss"].span,
            f"`{graph.name}` has several outputs ({names}); `loss = …` is of one",
            help=f"say it at length: `minimize {plan.loss.kind}({graph.outputs[0].name}, "
            f"{plan.target})`",
        )
        return False
    if plan.metrics and (plan.loss is None and len(plan.models) > 1):
        frame.report.error(
            "E0506", found["metrics"].span, "metrics are of one model; this `train` has several"
        )
        return False
    if data.fields is None:
        return True
    if plan.loss is None and len(plan.models) > 1:
        return True
    for problem in fit.problems(plan, graph, data, data.fields):
        span = declaration.data.span
        if problem.setting == "loss":
            span = found["loss"].value.span
        elif problem.setting == "metrics":
            span = found["metrics"].value.span
        frame.report.error(problem.code, span, problem.message, help=problem.help)
    return len(frame.report.diagnostics) == before

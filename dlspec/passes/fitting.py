"""`train` declarations made into plans, and checked against their model and data."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any, NamedTuple, cast

from dlspec.diagnostics import Label
from dlspec.ir.data import DataPlan
from dlspec.ir.graph import Graph, Program
from dlspec.ir.losses import AnyLoss, Loss
from dlspec.ir.metrics import AnyMetric, Metric
from dlspec.ir.objective import Objective
from dlspec.ir.starts import Start
from dlspec.ir.training import Requirement, TrainPlan, TrainSettings
from dlspec.passes import fit, trainoptions
from dlspec.passes.context import Frame
from dlspec.passes.evaluate import evaluate
from dlspec.passes.mixtures import takes_mixtures
from dlspec.passes.onestep import OneStep
from dlspec.passes.options import classes_of, option
from dlspec.passes.requirements import requirements
from dlspec.passes.settings import gather, misplaced, plain_settings
from dlspec.passes.starts import read_start
from dlspec.passes.trainbuilding import Common, common_settings, named
from dlspec.passes.trainsteps import FORMS, Steps, has_optimizer
from dlspec.passes.values import TrainedNetwork, Unknown
from dlspec.source import Span
from dlspec.syntax import tree

SETTINGS = (
    *("loss", "optimizer", "schedule", "metrics", "init"),
    *TrainSettings.model_fields,
    *trainoptions.SETTINGS,
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
    taken: Container[str] = (),
) -> tuple[TrainPlan, dict[str, Objective]] | None:
    """The plan of a `train`, and the objectives of its steps by key. None after a mistake.

    taken: the keys of the objectives of other `train`s.
    """
    before = len(frame.report.diagnostics)
    found = gather(declaration.body, SETTINGS, frozenset(), "E0501", "train", frame)
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
        "target": _target(declaration, data),
        "feeds": {port.name: port.name for port in graph.inputs},
        "loss": parts.loss,
        "metrics": parts.metrics,
        "requires": parts.requires,
        **vars(parts.settings),
    }
    steps = [s.name.id for s in declaration.body.statements if isinstance(s, tree.StepStatement)]
    figures = tuple(steps) or ("loss", *(metric.kind_name() for metric in parts.metrics))
    trained = trainoptions.Trained(program, models, data, figures, measured=not steps)
    base |= trainoptions.further_settings(found, trained, frame)
    plan = TrainPlan.model_construct(**base, each_batch=())
    if (parts.metrics or not steps) and not _fits(plan, graph, data, declaration, found, frame):
        return None
    form = Steps if steps else OneStep
    built = form(declaration, models, data, program, frame, plan, taken).built(parts.common)
    if built is None or any(d.severity == "error" for d in frame.report.diagnostics[before:]):
        return None
    whole = TrainPlan.model_construct(**base, each_batch=built[0])
    span = declaration.data.span
    return (whole, built[1]) if takes_mixtures(whole, data, built[1], span, frame) else None


def train_start(declaration: tree.TrainDeclaration, frame: Frame) -> Start | None:
    """How the `init` of a `train` says that the weights of its models start."""
    for statement in declaration.body.statements:
        if isinstance(statement, tree.Bind) and [n.id for n in statement.names] == ["init"]:
            start = read_start(statement.value, "`init` of `train`", frame, evaluate)
            return None if isinstance(start, Unknown) else start
    return None


def _parts(
    declaration: tree.TrainDeclaration, found: dict[str, tree.Bind], frame: Frame
) -> Parts | None:
    loss = _option(found, "loss", "E0508", AnyLoss, frame)
    common = common_settings(found, frame)
    metrics = _metrics(found.get("metrics"), frame)
    settings = plain_settings(TrainSettings, "train", declaration.span, found, frame)
    requires = requirements(declaration, metrics, _losses(declaration), frame)
    one_form = _one_form(declaration, found, frame)
    _missing(declaration, found, frame)
    if settings is not None:
        _length(settings, declaration, found, frame)
    if settings is None or not one_form or ("loss" in found and loss is None):
        return None
    clip = settings.gradient_clip
    return Parts(
        cast("Loss | None", loss),
        tuple(m for m, _ in metrics),
        settings,
        requires,
        common._replace(gradient_clip=clip),
    )


def _target(declaration: tree.TrainDeclaration, data: DataPlan) -> str:
    """The field that metrics compare with: of one that only the file knows, as `minimize` says."""
    if data.fields is None:
        mentioned = named(declaration.body)
        found = next((name for name in fit.TARGETS if name in mentioned), None)
        return found or fit.target_field(data)
    return fit.target_field(data)


def _losses(declaration: tree.TrainDeclaration) -> list[str]:
    """The names of what is minimised: those of the steps, of fewer than two `loss`."""
    steps = [s.name.id for s in declaration.body.statements if isinstance(s, tree.StepStatement)]
    return steps if len(steps) > 1 else ["loss"]


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
    if data.fields is None:
        return True
    fed = all(port.name in data.fields for port in graph.inputs)
    if plan.loss is None and not plan.metrics and not fed:
        return True  # `minimize` says what flows into the model
    for problem in fit.problems(plan, graph, data, data.fields):
        span = declaration.data.span
        if problem.setting == "loss":
            span = found["loss"].value.span
        elif problem.setting == "metrics":
            span = found["metrics"].value.span
        frame.report.error(problem.code, span, problem.message, help=problem.help)
    return len(frame.report.diagnostics) == before

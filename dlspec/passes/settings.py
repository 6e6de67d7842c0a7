"""`data` declarations made into plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from dlspec.diagnostics import Label
from dlspec.ir.data import DataPlan, DataSettings
from dlspec.ir.datacheck import known_fields, plan_problems
from dlspec.ir.frozen import Frozen
from dlspec.ir.sources import AnySource
from dlspec.ir.sources import Source as DataSource
from dlspec.ir.transforms import AnyTransform, Transform
from dlspec.passes.arguments import Given, construct, option_words
from dlspec.passes.context import Frame
from dlspec.passes.evaluate import evaluate
from dlspec.passes.options import classes_of, option
from dlspec.passes.scope import did_you_mean
from dlspec.passes.search import check_search
from dlspec.passes.spellings import SETTING_SPELLINGS
from dlspec.passes.values import Value, Word
from dlspec.source import Span
from dlspec.syntax import tree

Settings = TypeVar("Settings", bound=Frozen)
CHAINS = ("transform", "train_transform", "augment")
"""The settings that are transforms along arrows."""
DATA_SETTINGS = ("source", *CHAINS, *DataSettings.model_fields)


def gather(
    body: tree.Body,
    known: tuple[str, ...],
    planned: frozenset[str],
    code: str,
    what: str,
    frame: Frame,
) -> dict[str, tree.Bind]:
    """The settings of a body by name. Reports unknown, repeated and misplaced ones."""
    found: dict[str, tree.Bind] = {}
    for statement in body.statements:
        if isinstance(statement, tree.Bind):
            _gather_one(statement, found, known, planned, code, what, frame)
    return found


def _gather_one(
    statement: tree.Bind,
    found: dict[str, tree.Bind],
    known: tuple[str, ...],
    planned: frozenset[str],
    code: str,
    what: str,
    frame: Frame,
) -> None:
    name = statement.names[0]
    if len(statement.names) > 1:
        frame.report.error("E0109", statement.span, f"a setting of `{what}` has one name")
    elif name.id in planned:
        frame.report.error(
            "E0210", name.span, f"this version of dlspec does not know the setting `{name.id}` yet"
        )
    elif name.id not in known:
        frame.report.error(
            code,
            name.span,
            f"`{what}` has no setting `{name.id}`",
            help=SETTING_SPELLINGS.get(name.id)
            or did_you_mean(name.id, known)
            or "its settings are " + ", ".join(f"`{k}`" for k in known),
        )
    elif name.id in found:
        frame.report.error(
            "E0305",
            name.span,
            f"`{name.id}` is set twice",
            labels=[Label(found[name.id].span, "it is set here already")],
        )
    else:
        found[name.id] = statement


def plain_settings(
    cls: type[Settings], what: str, span: Span, found: Mapping[str, tree.Bind], frame: Frame
) -> Settings | None:
    """The settings that are plain values, checked against `cls`. None after a mistake."""
    given: list[Given] = []
    inner = frame.as_argument()
    for name, field in cls.model_fields.items():
        statement = found.get(name)
        if statement is None:
            continue
        words = option_words(field.annotation)
        if isinstance(statement.value, tree.Name) and statement.value.id in words:
            value: Value = Word(statement.value.id)
        else:
            value = evaluate(statement.value, inner)
        if statement.search is not None:
            check_search(value, statement.search, inner, evaluate, field, words)
        given.append(Given(name, value, statement.value.span))
    return construct(cls, what, span, given, frame.report)


def misplaced(body: tree.Body, allowed: tuple[type, ...], what: str, frame: Frame) -> None:
    """Report E0109 for statements that do not belong into a body of settings."""
    for statement in body.statements:
        if not isinstance(statement, (tree.Bind, tree.ErrorStatement, *allowed)):
            frame.report.error(
                "E0109",
                statement.span,
                f"this does not belong in `{what}`, which holds settings such as `name = value`",
            )


def data_plan(declaration: tree.DataDeclaration, frame: Frame) -> DataPlan | None:
    """The plan of a `data` declaration. None after a mistake."""
    before = len(frame.report.diagnostics)
    misplaced(declaration.body, (), "data", frame)
    found = gather(declaration.body, DATA_SETTINGS, frozenset(), "E0601", "data", frame)
    if "source" not in found:
        frame.report.error(
            "E0602",
            declaration.name.span,
            f"`data {declaration.name.id}` has no source",
            help="add `source = digits()`, for example",
        )
    source = _source(found.get("source"), frame)
    chains = {name: _transforms(found.get(name), frame) for name in CHAINS}
    settings = plain_settings(DataSettings, "data", declaration.name.span, found, frame)
    broken = settings is None or any(
        d.severity == "error" for d in frame.report.diagnostics[before:]
    )
    if source is None:
        return None
    plan = DataPlan.model_construct(
        name=declaration.name.id,
        documentation=declaration.documentation,
        source=source,
        fields=None,
        **_stages(chains, found),
        **vars(settings or DataSettings.model_construct()),
    )
    spans = {
        f"{name}.{number}": span
        for name, chain in chains.items()
        for number, (_, span) in enumerate(chain)
    }
    spans |= {name: statement.value.span for name, statement in found.items()}
    return _checked(plan, spans, frame, broken)


def _source(statement: tree.Bind | None, frame: Frame) -> DataSource | None:
    if statement is None:
        return None
    classes = cast("tuple[type[DataSource], ...]", classes_of(AnySource))
    return option(statement.value, "source", "E0603", classes, frame)


def _transforms(statement: tree.Bind | None, frame: Frame) -> list[tuple[Transform, Span]]:
    if statement is None:
        return []
    value = statement.value
    stages = value.stages if isinstance(value, tree.Pipeline) else (value,)
    classes = cast("tuple[type[Transform], ...]", classes_of(AnyTransform))
    found: list[tuple[Transform, Span]] = []
    for stage in stages:
        transform = option(stage, "transform", "E0603", classes, frame)
        if transform is not None:
            found.append((transform, stage.span))
    return found


def _stages(
    chains: Mapping[str, list[tuple[Transform, Span]]], found: Mapping[str, tree.Bind]
) -> dict[str, Any]:
    """The transforms of a plan; there is no `train_transform` where none is written."""
    stages: dict[str, Any] = {name: tuple(t for t, _ in chain) for name, chain in chains.items()}
    return stages | ({} if "train_transform" in found else {"train_transform": None})


def _checked(
    plan: DataPlan, spans: Mapping[str, Span], frame: Frame, broken: bool
) -> DataPlan | None:
    """The plan with the types of its fields, unless its own text shows a mistake.

    Where something is broken already, what is missing from the plan would look like further
    mistakes, so that its paths alone are judged.
    """
    good = not broken
    for problem in plan_problems(plan):
        if broken and not problem.setting.startswith("source."):
            continue
        span = spans.get(problem.setting) or spans[problem.setting.split(".")[0]]
        report: Callable[..., None] = frame.report.error
        if problem.code.startswith("W"):
            report = frame.report.warning
        else:
            good = False
        report(problem.code, span, problem.message, help=problem.help)
    if not good:
        return None
    return plan.model_copy(update={"fields": known_fields(plan)})

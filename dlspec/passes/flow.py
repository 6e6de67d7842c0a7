"""Pipelines: data flowing along arrows, or stages composed for later."""

from __future__ import annotations

from dlspec.passes.calls import Evaluate
from dlspec.passes.context import Frame
from dlspec.passes.spellings import foreign_help
from dlspec.passes.stages import apply, bind, feed
from dlspec.passes.values import (
    STAGES,
    UNKNOWN,
    BodyStage,
    Composition,
    Fork,
    Function,
    Network,
    Stage,
    Value,
    Word,
    contains_unknown,
    describe,
    is_flow,
)
from dlspec.syntax import tree


def pipeline(
    expression: tree.Pipeline, frame: Frame, name: str | None, evaluate: Evaluate
) -> Value:
    """Data through stages; among arguments, stages without data are a composition."""
    first, first_name = _unnamed(expression.stages[0])
    value = evaluate(first, frame)
    if isinstance(value, tuple):
        value = feed(value, frame, first.span)
    rest = expression.stages[1:]
    if isinstance(value, STAGES):
        if frame.arguments:
            return _composition(value, first_name, rest, frame, expression, evaluate)
        path = first_name.id if first_name is not None else None
        value = apply(value, frame.current(first.span), frame, path)
        name = None
    elif not is_flow(value):
        if not contains_unknown(value):
            frame.report.error("E0411", first.span, f"{describe(value)} cannot flow into a stage")
        value = UNKNOWN
    if first_name is not None:
        bind(first_name, value, frame)
    for part in rest:
        inner, part_name = _unnamed(part)
        stage = stage_of(inner, frame, evaluate)
        path = part_name.id if part_name else name if len(rest) == 1 else None
        value = UNKNOWN if stage is None else apply(stage, value, frame, path)
        if part_name is not None:
            bind(part_name, value, frame)
    return value


def _composition(
    first: Stage,
    first_name: tree.Name | None,
    rest: tuple[tree.Expr, ...],
    frame: Frame,
    expression: tree.Pipeline,
    evaluate: Evaluate,
) -> Value:
    stages: list[tuple[Stage, tree.Name | None]] = [(first, first_name)]
    for part in rest:
        inner, part_name = _unnamed(part)
        stage = stage_of(inner, frame, evaluate)
        if stage is None:
            return UNKNOWN
        stages.append((stage, part_name))
    composed = Composition(tuple(stages), frame.scope, expression.span)
    frame.context.check_layers(composed.size, expression.span)
    return composed


def _unnamed(expression: tree.Expr) -> tuple[tree.Expr, tree.Name | None]:
    if isinstance(expression, tree.As):
        return expression.value, expression.name
    return expression, None


def stage_of(expression: tree.Expr, frame: Frame, evaluate: Evaluate) -> Stage | None:
    """What stands behind an arrow, as a stage. Reports E0411 where it is none."""
    if isinstance(expression, tree.If | tree.Repeat | tree.For | tree.Body):
        return BodyStage(expression, frame.scope)
    value = evaluate(expression, frame.as_argument())
    if isinstance(value, STAGES):
        return value
    if isinstance(value, tuple) and any(isinstance(item, STAGES) for item in value):
        fork = Fork(value, expression.span)
        frame.context.check_layers(fork.size, expression.span)
        return fork
    if not contains_unknown(value):
        help = "an arrow leads into a layer, a block or a model"
        if isinstance(value, Network):
            help = None
        elif isinstance(value, Word | Function):
            help = foreign_help(value.id if isinstance(value, Word) else value.name) or help
        frame.report.error(
            "E0411",
            expression.span.with_parentheses(),
            f"data cannot flow into {describe(value)}",
            help=help,
        )
    return None

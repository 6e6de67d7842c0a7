"""Running a body: its statements in order, with `it` flowing down the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dlspec.passes import statements
from dlspec.passes.constants import LONGEST_LIST
from dlspec.passes.context import BodyExpression, Frame, NoIt
from dlspec.passes.evaluate import condition, evaluate, evaluate_flow
from dlspec.passes.handed import waits_for_data
from dlspec.passes.scope import Scope
from dlspec.passes.stages import bind
from dlspec.passes.values import (
    UNKNOWN,
    BodyStage,
    Tensor,
    Value,
    contains_unknown,
    describe,
    is_flow,
)
from dlspec.passes.whence import names_behind
from dlspec.syntax import tree


def run_body(expression: BodyExpression, frame: Frame) -> Value:
    """The value of `{ … }`, `if`, `repeat` or `for`: that of its last statement.

    Among arguments, one that data flows through is a stage to be handed on.
    """
    if isinstance(expression, tree.If):
        return _if(expression, frame)
    if frame.arguments and waits_for_data(expression):
        return BodyStage(expression, frame.scope)
    if isinstance(expression, tree.Repeat):
        return _repeat(expression, frame)
    if isinstance(expression, tree.For):
        return _for(expression, frame)
    return run_statements(expression, frame, Scope(frame.scope))


def run_statements(body: tree.Body, frame: Frame, scope: Scope) -> Value:
    """Run statements in a scope; the last one's value, else what `it` is at the end."""
    it = frame.it
    plain: Value = None
    has_plain = False
    for statement in body.statements:
        frame.context.count_statement(statement.span)
        line = Frame(frame.context, scope, frame.builder, it)
        if isinstance(statement, tree.ExprStatement):
            last = statement is body.statements[-1]
            value = _expression(statement, line, keep_stage=frame.arguments and last)
            if is_flow(value) or contains_unknown(value):
                it, has_plain = value, False
            else:
                plain, has_plain = value, True
                _check_plain(statement, value, last, line)
        else:
            result = _RULES[type(statement)](statement, line)
            if result is not None:
                it = result
    note_unused(scope, frame)
    if has_plain:
        return plain
    if isinstance(it, NoIt):
        return None
    return it


def _expression(statement: tree.ExprStatement, line: Frame, *, keep_stage: bool) -> Value:
    if keep_stage:
        return evaluate(statement.value, line.as_argument())
    if isinstance(statement.value, tree.If | tree.Repeat | tree.For | tree.Body):
        before = line.it
        value = run_body(statement.value, line)
        return _unchanged(before) if value is None else value
    return evaluate_flow(statement.value, line)


def _unchanged(before: Value | NoIt) -> Value:
    """What a body without a value leaves: the line's `it`."""
    return () if isinstance(before, NoIt) else before


def _check_plain(statement: tree.ExprStatement, value: Value, last: bool, line: Frame) -> None:
    """A number on a line of its own means something as the last line of a body alone."""
    if value == () and isinstance(statement.value, tree.If | tree.Repeat | tree.For | tree.Body):
        return
    if not last:
        line.report.warning(
            "W0201", statement.span, f"{describe(value)} on a line of its own has no effect"
        )


def note_unused(scope: Scope, frame: Frame) -> None:
    """Note the names in a scope that nothing has read so far."""
    for name, binding in scope.names.items():
        if binding.span is None or binding.kind != "value":
            continue
        if binding.used or contains_unknown(binding.value):
            frame.context.used_places.add(binding.span)
        else:
            active = frame.context.active
            place = active[-1].declaration.span if active else binding.span
            frame.context.unused.append((name, binding, place))


# --- if, repeat, for ---------------------------------------------------------------


def _if(expression: tree.If, frame: Frame) -> Value:
    value = evaluate(expression.condition, frame.as_argument())
    truth = condition(value, expression.condition, frame)
    if truth is None:
        return UNKNOWN
    if truth:
        return run_body(expression.then, frame)
    if expression.otherwise is not None:
        return run_body(expression.otherwise, frame)
    return None if isinstance(frame.it, NoIt) else frame.it


def _repeat(expression: tree.Repeat, frame: Frame) -> Value:
    times = evaluate(expression.times, frame.as_argument())
    if contains_unknown(times):
        return UNKNOWN
    if not isinstance(times, int) or isinstance(times, bool) or times < 0:
        frame.report.error(
            "E0306",
            expression.times.span,
            f"`repeat` takes a whole number of at least 0, not {describe(times)}",
            labels=names_behind(expression.times, frame.scope),
        )
        return UNKNOWN
    if times > LONGEST_LIST:
        frame.report.error(
            "E0704",
            expression.times.span,
            f"`repeat {times}` is over {LONGEST_LIST:,} times",
            labels=names_behind(expression.times, frame.scope),
        )
        return UNKNOWN
    it, value = frame.it, _nothing(frame)
    for turn in range(times):
        before, layers = it, _layers(frame)
        value = run_statements(expression.body, frame.inside(frame.scope, it), Scope(frame.scope))
        if contains_unknown(value):
            break
        it = _flowing(value, it)
        if _types(it) == _types(before):
            # From here on every turn does the same, so the end is known before it is reached.
            rest = (times - turn - 1) * (_layers(frame) - layers)
            frame.context.check_layers(_layers(frame) + rest, expression.times.span)
    return value


def _nothing(frame: Frame) -> Value:
    """The value of a loop without a turn: what flows stays what it is."""
    return None if isinstance(frame.it, NoIt) else frame.it


def _flowing(value: Value, it: Value | NoIt) -> Value | NoIt:
    """What a turn leaves to the next: its value where that flows, else what it began with."""
    return value if is_flow(value) else it


def _layers(frame: Frame) -> int:
    return frame.builder.layers if frame.builder is not None else 0


def _types(it: Value | NoIt) -> object:
    """The types of what flows: with equal types a body does equal things."""
    if isinstance(it, tuple):
        return tuple(_types(item) for item in it)
    return it.type if isinstance(it, Tensor) else it


def _for(expression: tree.For, frame: Frame) -> Value:
    values = evaluate(expression.values, frame.as_argument())
    if contains_unknown(values):
        return UNKNOWN
    if not isinstance(values, tuple):
        frame.report.error(
            "E0306",
            expression.values.span,
            f"`for` goes through a list, not {describe(values)}",
            labels=names_behind(expression.values, frame.scope),
            help="`range(n)` counts from 0 to n - 1" if isinstance(values, int) else None,
        )
        return UNKNOWN
    it, value = frame.it, _nothing(frame)
    for item in values:
        scope = Scope(frame.scope)
        inner = frame.inside(scope, it)
        if not _bind_targets(expression, item, inner):
            return UNKNOWN
        value = run_statements(expression.body, inner, scope)
        if contains_unknown(value):
            break
        it = _flowing(value, it)
    return value


def _bind_targets(expression: tree.For, value: Value, frame: Frame) -> bool:
    targets = expression.targets
    if len(targets) == 1:
        bind(targets[0], value, frame, "loop")
        return True
    if not isinstance(value, tuple) or len(value) != len(targets):
        has = f"{len(value)} parts" if isinstance(value, tuple) else "one part"
        frame.report.error(
            "E0306",
            targets[0].span.to(targets[-1].span),
            f"{len(targets)} names for an item with {has}",
        )
        return False
    for target, part in zip(targets, value, strict=True):
        bind(target, part, frame, "loop")
    return True


_RULES: dict[type, Callable[[Any, Frame], Value | None]] = {
    tree.Bind: statements.bind_names,
    tree.LayerStatement: statements.layer,
    tree.ParameterStatement: statements.parameter,
    tree.InputStatement: statements.nested_input,
    tree.OutputStatement: statements.output,
    tree.RequireStatement: statements.require,
    tree.MinimizeStatement: statements.misplaced,
    tree.StepStatement: statements.misplaced,
    tree.ErrorStatement: statements.broken,
}

"""Calls: layers, blocks and models with their arguments, and functions with theirs."""

from __future__ import annotations

from collections.abc import Sequence

from dlspec.diagnostics import Label
from dlspec.layers import spelled
from dlspec.passes import constants, operators
from dlspec.passes.arguments import Callee, Given, match
from dlspec.passes.constants import ValueProblem
from dlspec.passes.context import Frame
from dlspec.passes.given import Evaluate, evaluated
from dlspec.passes.layercalls import layer_called, layer_stage
from dlspec.passes.scope import did_you_mean
from dlspec.passes.spellings import foreign_help
from dlspec.passes.starts import start_called, start_classes
from dlspec.passes.trained import in_objective, of_objectives, trained_stage
from dlspec.passes.unknown import unknown_type
from dlspec.passes.values import (
    STAGES,
    UNKNOWN,
    Network,
    NetworkStage,
    TrainedNetwork,
    Unknown,
    Value,
    contains_unknown,
    describe,
    is_flow,
    shared_stage,
)
from dlspec.source import Span
from dlspec.syntax import tree


def call(expression: tree.Call, frame: Frame, evaluate: Evaluate) -> Value:
    """The value of `callee(arguments)`."""
    callee = expression.callee
    if isinstance(callee, tree.TypeName):
        return _call_type(expression, callee, frame, evaluate)
    if isinstance(callee, tree.Name) and frame.scope.find(callee.id) is None:
        return _call_function(expression, callee, frame, evaluate)
    value = evaluate(callee, frame.as_argument())
    evaluated(expression.arguments, frame, evaluate)
    if not contains_unknown(value):
        help = None
        if isinstance(value, STAGES):
            help = f"data flows in along an arrow: `x -> {callee.span.text.removesuffix('()')}`"
        frame.report.error("E0311", callee.span, f"{describe(value)} cannot be called", help=help)
    return UNKNOWN


# --- functions -------------------------------------------------------------------


def _call_function(
    expression: tree.Call, callee: tree.Name, frame: Frame, evaluate: Evaluate
) -> Value:
    given = evaluated(expression.arguments, frame, evaluate)
    if any(contains_unknown(argument.value) for argument in given):
        return UNKNOWN
    if callee.id in start_classes() and not in_objective(frame):
        return start_called(callee.id, callee.span, given, "it", frame)
    if (found := of_objectives(callee, given, expression.span, frame)) is not None:
        return found
    if callee.id in operators.TENSOR_FUNCTIONS and _on_data(given):
        return operators.call(callee.id, given, expression.span, frame.as_flow())
    if callee.id in constants.FUNCTIONS:
        named = next((argument for argument in given if argument.name is not None), None)
        if named is not None:
            frame.report.error(
                "E0301", named.span, f"`{callee.id}` of numbers takes no argument by name"
            )
            return UNKNOWN
        try:
            value = constants.call(callee.id, tuple(argument.value for argument in given))
        except ValueProblem as problem:
            frame.report.error(problem.code, expression.span, problem.message, help=problem.help)
            return UNKNOWN
        frame.context.check_list(value, expression.span)
        return value
    if callee.id in operators.TENSOR_FUNCTIONS:
        frame.report.error("E0306", expression.span, f"`{callee.id}` takes a tensor")
        return UNKNOWN
    frame.report.error(
        "E0201",
        callee.span,
        f"there is no function `{callee.id}`",
        help=foreign_help(callee.id)
        or did_you_mean(callee.id, [*constants.FUNCTIONS, *operators.TENSOR_FUNCTIONS]),
    )
    return UNKNOWN


def _on_data(given: Sequence[Given]) -> bool:
    """Whether a function is called with a tensor, or with something that one can flow through."""
    values = [argument.value for argument in given if argument.name is None or argument is given[0]]
    return any(is_flow(value) or _has_stage(value) for value in values)


def _has_stage(value: Value) -> bool:
    if isinstance(value, tuple):
        return any(_has_stage(item) for item in value)
    return isinstance(value, STAGES)


# --- layers, blocks, models --------------------------------------------------------


def _call_type(
    expression: tree.Call, callee: tree.TypeName, frame: Frame, evaluate: Evaluate
) -> Value:
    binding = frame.scope.find(callee.id)
    if binding is not None and not isinstance(binding.value, Network | Unknown):
        frame.report.error("E0311", callee.span, f"{describe(binding.value)} cannot be called")
        return UNKNOWN
    layer = spelled(callee.id) if binding is None else None
    if layer is not None:
        return layer_called(*layer, expression, callee, frame, evaluate)
    if binding is None:
        # What its option words are is unknown too, so a bare name is not looked into.
        named = [a for a in expression.arguments if not isinstance(a.value, tree.Name)]
        evaluated(named, frame, evaluate)
        unknown_type(callee, frame)
        return UNKNOWN
    given = evaluated(expression.arguments, frame, evaluate)
    return named_stage(callee, given, expression.span, frame)


def named_stage(
    callee: tree.TypeName,
    given: Sequence[Given],
    span: Span,
    frame: Frame,
) -> Value:
    """The stage of a capitalised name with its arguments."""
    binding = frame.scope.find(callee.id)
    if binding is not None:
        binding.used = True
        network = binding.value
        if not isinstance(network, Network):
            return UNKNOWN
        network.used = True
        if isinstance(network, TrainedNetwork):
            return trained_stage(network, given, span, frame)
        return _network_stage(network, callee, given, span, frame)
    layer = spelled(callee.id)
    if layer is None:
        unknown_type(callee, frame)
        return UNKNOWN
    return layer_stage(*layer, callee, given, span, frame)


def _network_stage(
    network: Network, callee: tree.TypeName, given: Sequence[Given], span: Span, frame: Frame
) -> Value:
    declared = network.declaration.parameters
    found = match(
        Callee(
            network.name,
            tuple(p.name.id for p in declared),
            frozenset(p.name.id for p in declared if p.default is None),
            span,
            network.heading,
        ),
        given,
        frame.report,
    )
    if found is None or any(contains_unknown(argument.value) for argument in found.values()):
        return UNKNOWN
    refused = [one for one in found.values() if not _can_be_handed(network, one, frame)]
    if refused:
        return UNKNOWN
    values = tuple((p.name.id, found[p.name.id].value) for p in declared if p.name.id in found)
    return NetworkStage(network, values, span)


def _can_be_handed(network: Network, argument: Given, frame: Frame) -> bool:
    """Whether a block can take a value. Reports E0411 for tensors, E0210 for shared weights."""
    if is_flow(argument.value):
        frame.report.error(
            "E0411",
            argument.span,
            f"an argument of `{network.name}` is a setting, not a place for "
            f"{describe(argument.value)}",
            help=f"tensors flow through arrows: `(a, b) -> {network.name}`",
        )
        return False
    shared = shared_stage(argument.value)
    if shared is not None:
        frame.report.error(
            "E0210",
            argument.span,
            "a layer with shared weights cannot be handed to another block",
            labels=[Label(network.declaration.name.span, "declared here")],
        )
    return shared is None

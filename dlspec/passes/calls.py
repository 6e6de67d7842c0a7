"""Calls: layers, blocks and models with their arguments, and functions with theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from dlspec.diagnostics import Label
from dlspec.ir.layer import Layer
from dlspec.layers import activation_options, find, spelled
from dlspec.passes import constants, operators
from dlspec.passes.arguments import Callee, Given, construct, field_names, match, option_words
from dlspec.passes.constants import ValueProblem
from dlspec.passes.context import Frame
from dlspec.passes.scope import did_you_mean
from dlspec.passes.search import check_search
from dlspec.passes.spellings import foreign_help
from dlspec.passes.trained import of_objectives, trained_stage
from dlspec.passes.unknown import unknown_type
from dlspec.passes.values import (
    STAGES,
    UNKNOWN,
    Function,
    LayerStage,
    Network,
    NetworkStage,
    TrainedNetwork,
    Unknown,
    Value,
    Word,
    contains_unknown,
    describe,
)
from dlspec.source import Span
from dlspec.syntax import tree

Evaluate: TypeAlias = Callable[[tree.Expr, Frame], Value]


def call(expression: tree.Call, frame: Frame, evaluate: Evaluate) -> Value:
    """The value of `callee(arguments)`."""
    callee = expression.callee
    if isinstance(callee, tree.TypeName):
        return _call_type(expression, callee, frame, evaluate)
    if isinstance(callee, tree.Name) and frame.scope.find(callee.id) is None:
        return _call_function(expression, callee, frame, evaluate)
    value = evaluate(callee, frame.as_argument())
    _evaluated(expression.arguments, frame, evaluate)
    if not contains_unknown(value):
        help = None
        if isinstance(value, STAGES):
            help = f"data flows in along an arrow: `x -> {callee.span.text.removesuffix('()')}`"
        frame.report.error("E0311", callee.span, f"{describe(value)} cannot be called", help=help)
    return UNKNOWN


def _evaluated(
    arguments: Sequence[tree.Argument],
    frame: Frame,
    evaluate: Evaluate,
    words: dict[int | str, tuple[str, ...]] | None = None,
) -> list[Given]:
    """The arguments' values; a bare word is an option where the callee knows it as one."""
    inner = frame.as_argument()
    given: list[Given] = []
    for number, argument in enumerate(arguments):
        name = argument.name.id if argument.name is not None else None
        known = (words or {}).get(number if name is None else name, ())
        if _is_word(argument.value, known, frame):
            value: Value = Word(argument.value.span.text)
        else:
            value = evaluate(argument.value, inner)
        if argument.search is not None:
            check_search(value, argument.search, inner, evaluate)
        given.append(Given(name, value, argument.span, argument.value, frame.scope))
    return given


def _is_word(value: tree.Expr, known: tuple[str, ...], frame: Frame) -> bool:
    """Whether a bare name is an option: a known one, or one meant where options are expected."""
    if not isinstance(value, tree.Name) or not known:
        return False
    return value.id in known or frame.scope.find(value.id) is None


# --- functions -------------------------------------------------------------------


def _call_function(
    expression: tree.Call, callee: tree.Name, frame: Frame, evaluate: Evaluate
) -> Value:
    given = _evaluated(expression.arguments, frame, evaluate)
    if any(contains_unknown(argument.value) for argument in given):
        return UNKNOWN
    if (found := of_objectives(callee, given, expression.span, frame)) is not None:
        return found
    if callee.id in operators.TENSOR_FUNCTIONS and given and _is_data(given[0].value):
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


def _is_data(value: Value) -> bool:
    return not isinstance(value, int | float | bool | str | tuple | Word | Function | None)


# --- layers, blocks, models --------------------------------------------------------


def _call_type(
    expression: tree.Call, callee: tree.TypeName, frame: Frame, evaluate: Evaluate
) -> Value:
    binding = frame.scope.find(callee.id)
    if binding is not None and not isinstance(binding.value, Network | Unknown):
        frame.report.error("E0311", callee.span, f"{describe(binding.value)} cannot be called")
        return UNKNOWN
    layer = spelled(callee.id) if binding is None else None
    words: dict[int | str, tuple[str, ...]] = {}
    if layer is not None:
        for number, (name, field) in enumerate(
            zip(field_names(layer[0]), layer[0].model_fields.values(), strict=True)
        ):
            words[number] = words[name] = option_words(field.annotation)
        words["activation"] = tuple(activation_options()) if layer[0].takes_activation else ()
    if layer is None and binding is None:
        # What its option words are is unknown too, so a bare name is not looked into.
        named = [a for a in expression.arguments if not isinstance(a.value, tree.Name)]
        _evaluated(named, frame, evaluate)
        unknown_type(callee, frame)
        return UNKNOWN
    arguments = expression.arguments
    if layer is not None and any(_is_planned(argument) for argument in arguments):
        # Its value, `he_normal`, has no meaning yet either, so it is not looked into.
        rest = [a for a in arguments if not _is_planned(a)]
        _evaluated(rest, frame, evaluate, words)
        _planned_argument(arguments, frame)
        return UNKNOWN
    activation, rest = _activation_call(arguments, layer, frame, evaluate)
    given = _evaluated(rest, frame, evaluate, words)
    return named_stage(callee, given, expression.span, frame, activation)


def _is_planned(argument: tree.Argument) -> bool:
    return argument.name is not None and argument.name.id == "init"


def _planned_argument(arguments: Sequence[tree.Argument], frame: Frame) -> None:
    span = next(argument.span for argument in arguments if _is_planned(argument))
    frame.report.error(
        "E0210",
        span,
        "this version of dlspec cannot choose how weights start; they start as PyTorch's "
        "layers start theirs",
    )


def named_stage(
    callee: tree.TypeName,
    given: Sequence[Given],
    span: Span,
    frame: Frame,
    activation: Layer | None = None,
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
    return _layer_stage(*layer, callee, given, span, frame, activation)


def _layer_stage(
    cls: type[Layer],
    rank: int | None,
    callee: tree.TypeName,
    given: Sequence[Given],
    span: Span,
    frame: Frame,
    activation: Layer | None,
) -> Value:
    own: list[Given] = []
    for argument in given:
        if argument.name == "activation" and cls.takes_activation:
            word = _activation_word(argument, callee, frame)
            if isinstance(word, Unknown):
                return UNKNOWN
            activation = word
        else:
            own.append(argument)
            if argument.name == "bias":
                frame.context.biases_written.add(span)
    layer = construct(cls, callee.id, span, own, frame.report)
    if layer is None:
        return UNKNOWN
    return LayerStage(layer, callee.id, span, rank, activation)


def _activation_word(
    argument: Given, callee: tree.TypeName, frame: Frame
) -> Layer | Unknown | None:
    value = argument.value
    if value is None:
        return None
    if isinstance(value, LayerStage) and value.layer.kind in activation_options().values():
        return value.layer
    name = (
        value.id if isinstance(value, Word) else value.name if isinstance(value, Function) else None
    )
    if name in activation_options():
        cls = find(activation_options()[name])
        assert cls is not None
        return cls.model_construct()
    if not contains_unknown(value):
        shown = f"`{name}`" if name else describe(value)
        help = name and (_foreign_activation(name) or did_you_mean(name, activation_options()))
        if isinstance(value, str) and value in activation_options():
            help = f"write `activation={value}`, without quotes"
        frame.report.error(
            "E0303",
            argument.span,
            f"`activation` of `{callee.id}` must be the "
            f"name of an activation such as `relu`, not {shown}",
            help=help,
        )
    return UNKNOWN


def _foreign_activation(name: str) -> str | None:
    kinds = activation_options()
    words = [
        word
        for word, kind in kinds.items()
        if (cls := find(kind)) and name in {alias.lower() for alias in cls.aliases}
    ]
    return f"dlspec calls it `{words[0]}`" if words else None


def _activation_call(
    arguments: tuple[tree.Argument, ...],
    layer: tuple[type[Layer], int | None] | None,
    frame: Frame,
    evaluate: Evaluate,
) -> tuple[Layer | None, tuple[tree.Argument, ...]]:
    """`activation=leaky_relu(0.2)` with arguments of its own, taken out of the list."""
    if layer is None or not layer[0].takes_activation:
        return None, arguments
    for number, argument in enumerate(arguments):
        value = argument.value
        if (
            argument.name is None
            or argument.name.id != "activation"
            or not isinstance(value, tree.Call)
            or not isinstance(value.callee, tree.Name)
            or value.callee.id not in activation_options()
        ):
            continue
        cls = find(activation_options()[value.callee.id])
        assert cls is not None
        given = _evaluated(value.arguments, frame, evaluate)
        made = construct(cls, value.callee.id, value.span, given, frame.report)
        return made, arguments[:number] + arguments[number + 1 :]
    return None, arguments


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
    for argument in found.values():
        if isinstance(argument.value, LayerStage) and argument.value.shared is not None:
            frame.report.error(
                "E0210",
                argument.span,
                "a layer with shared weights cannot be handed to another block",
                labels=[Label(network.declaration.name.span, "declared here")],
            )
            return UNKNOWN
    values = tuple((p.name.id, found[p.name.id].value) for p in declared if p.name.id in found)
    return NetworkStage(network, values, span)

"""Calls of layers: their arguments, `activation=` and `init=` among them."""

from __future__ import annotations

from collections.abc import Sequence

from dlspec.ir.layer import Layer
from dlspec.ir.starts import Start
from dlspec.layers import activation_options, find
from dlspec.passes.arguments import Given, construct, field_names, option_words
from dlspec.passes.context import Frame
from dlspec.passes.given import Evaluate, evaluated
from dlspec.passes.scope import did_you_mean
from dlspec.passes.spellings import foreign_activation
from dlspec.passes.starts import read_start
from dlspec.passes.values import (
    UNKNOWN,
    Function,
    LayerStage,
    SharedUse,
    Unknown,
    Value,
    Word,
    contains_unknown,
    describe,
)
from dlspec.source import Span
from dlspec.syntax import tree


def layer_called(
    cls: type[Layer],
    rank: int | None,
    expression: tree.Call,
    callee: tree.TypeName,
    frame: Frame,
    evaluate: Evaluate,
) -> Value:
    """The stage of a layer that is called; `rank` is what its suffix asserts."""
    words: dict[int | str, tuple[str, ...]] = {}
    fields = zip(field_names(cls), cls.model_fields.values(), strict=True)
    for number, (name, field) in enumerate(fields):
        words[number] = words[name] = option_words(field.annotation)
    words["activation"] = tuple(activation_options()) if cls.takes_activation else ()
    start, arguments = _start(expression.arguments, callee, cls, frame, evaluate)
    activation, rest = _activation_call(arguments, cls, frame, evaluate)
    given = evaluated(rest, frame, evaluate, words)
    known = None if isinstance(start, Unknown) else start
    made = layer_stage(cls, rank, callee, given, expression.span, frame, activation, known)
    return UNKNOWN if isinstance(start, Unknown) else made


def _start(
    arguments: tuple[tree.Argument, ...],
    callee: tree.TypeName,
    cls: type[Layer],
    frame: Frame,
    evaluate: Evaluate,
) -> tuple[Start | Unknown | None, tuple[tree.Argument, ...]]:
    """How the weights start, `init=he_normal`, taken out of the list where a layer has any."""
    if not cls.has_weights():
        return None, arguments
    for number, argument in enumerate(arguments):
        if argument.name is None or argument.name.id != "init":
            continue
        if argument.search is not None:
            frame.report.error(
                "E0310", argument.search.span, "how weights start has no range to search"
            )
        start = read_start(argument.value, f"`init` of `{callee.id}`", frame, evaluate)
        return start, arguments[:number] + arguments[number + 1 :]
    return None, arguments


def layer_stage(
    cls: type[Layer],
    rank: int | None,
    callee: tree.TypeName,
    given: Sequence[Given],
    span: Span,
    frame: Frame,
    activation: Layer | None = None,
    start: Start | None = None,
) -> Value:
    """The stage of a layer with its arguments."""
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
    tie = _tied(cls, callee, own, frame) if cls.tied is not None else None
    if isinstance(tie, Unknown):
        return UNKNOWN
    layer = construct(cls, callee.id, span, own, frame.report)
    if layer is None:
        return UNKNOWN
    return LayerStage(layer, callee.id, span, rank, activation, start, tie=tie)


def _tied(
    cls: type[Layer], callee: tree.TypeName, given: list[Given], frame: Frame
) -> SharedUse | Unknown | None:
    """The `layer` whose weights a stage takes; its place in `given` becomes the layer itself."""
    name = cls.tied
    assert name is not None
    wanted: type[Layer] = cls.model_fields[name].annotation
    number = next((n for n, g in enumerate(given) if g.name == name), None)
    if number is None and given and given[0].name is None:
        number = 0
    if number is None:
        return None  # `construct` says that it is missing
    value = given[number].value
    stage = value if isinstance(value, LayerStage) else None
    fits = stage is not None and isinstance(stage.layer, wanted)
    if stage is not None and fits and stage.shared is not None:
        given[number] = given[number]._replace(value=stage.layer)
        return stage.shared
    if not contains_unknown(value):
        line = f"`layer {name} = {wanted.kind}(…)`"
        frame.report.error(
            "E0303",
            given[number].span,
            f"`{name}` of `{callee.id}` must be a `layer` such as {line}, not {describe(value)}",
            help=f"give it a name with {line}, and use that" if fits else None,
        )
    return UNKNOWN


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
        nearest = did_you_mean(name, activation_options()) if name else None
        help = (foreign_activation(name) if name else None) or nearest
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


def _activation_call(
    arguments: tuple[tree.Argument, ...],
    cls: type[Layer],
    frame: Frame,
    evaluate: Evaluate,
) -> tuple[Layer | None, tuple[tree.Argument, ...]]:
    """`activation=leaky_relu(0.2)` with arguments of its own, taken out of the list."""
    if not cls.takes_activation:
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
        activation = find(activation_options()[value.callee.id])
        assert activation is not None
        given = evaluated(value.arguments, frame, evaluate)
        made = construct(activation, value.callee.id, value.span, given, frame.report)
        return made, arguments[:number] + arguments[number + 1 :]
    return None, arguments

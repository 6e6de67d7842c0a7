"""Letting data flow through a stage: layers, blocks, bodies, forks and compositions."""

from __future__ import annotations

from collections.abc import Sequence

from dlspec.diagnostics import Label
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.limits import LARGEST_SIZE
from dlspec.ir.starts import Start
from dlspec.ir.types import TensorType
from dlspec.layers import inferred
from dlspec.passes.context import Frame, unknown
from dlspec.passes.sharing import layer_fits, network_fits, owned, weights_at_hand
from dlspec.passes.starts import start_of
from dlspec.passes.values import (
    STAGES,
    UNKNOWN,
    BodyStage,
    Composition,
    Fork,
    LayerStage,
    NetworkStage,
    SharedUse,
    Stage,
    Tensor,
    TrainedNetwork,
    Unknown,
    Value,
    contains_unknown,
    describe,
)
from dlspec.passes.whence import size_behind
from dlspec.source import Span
from dlspec.syntax import tree


def feed(value: Value, frame: Frame, span: Span) -> Value:
    """A value as data: stages in it are fed the line's `it`; plain values stay what they are."""
    if isinstance(value, STAGES):
        return apply(value, frame.current(span), frame)
    if isinstance(value, tuple) and any(isinstance(item, (*STAGES, tuple)) for item in value):
        return tuple(feed(item, frame, span) for item in value)
    return value


def apply(stage: Stage, value: Value, frame: Frame, name: str | None = None) -> Value:
    """The result of a stage for what flows into it; `name` is the path the spec gives it."""
    if contains_unknown(value):
        return UNKNOWN
    if isinstance(stage, LayerStage):
        return _apply_layer(stage, value, frame, name)
    if isinstance(stage, NetworkStage):
        return _apply_network(stage, value, frame, name)
    if isinstance(stage, BodyStage):
        return frame.context.run_body(stage.expression, frame.inside(stage.scope, value))
    if isinstance(stage, Fork):
        values = tuple(
            apply(item, value, frame) if isinstance(item, STAGES) else item for item in stage.items
        )
        frame.context.check_list(values, stage.span)
        return values
    return _apply_composition(stage, value, frame)


def _apply_composition(stage: Composition, value: Value, frame: Frame) -> Value:
    inner = frame.inside(stage.scope, value)
    for part, name in stage.stages:
        value = apply(part, value, inner, name.id if name else None)
        if name is not None:
            bind(name, value, inner)
    return value


def bind(name: tree.Name, value: Value, frame: Frame, kind: str = "value") -> None:
    """Give a value a name in the frame's scope. Reports E0203 and E0204."""
    if frame.builder is not None:
        frame.builder.keep(value)
    if name.id == "_":
        return
    scope, report = frame.scope, frame.report
    taken = scope.in_declaration(name.id)
    if taken is not None:
        code, verb = (
            ("E0203", "is taken")
            if name.id in scope.names
            else ("E0204", "would hide an outer one")
        )
        labels = [Label(taken.span, "it is bound here")] if taken.span else []
        report.error(
            code,
            name.span,
            f"the name `{name.id}` {verb}",
            labels=labels,
            help="choose another name",
        )
        if taken.kind == "value":
            taken.value = UNKNOWN  # which of the two is meant below cannot be told
        return
    if isinstance(value, Tensor) and frame.builder is not None:
        builder = frame.builder
        if builder.drafts and value in builder.drafts[-1].outputs:
            builder.rename(value, name.id)
    scope.bind(name.id, value, name.span, kind)


def tensors(value: Value, frame: Frame, span: Span, what: str) -> tuple[Tensor, ...] | None:
    """What flows into `what` as tensors, nested tuples joined. Reports E0411."""
    if isinstance(value, Tensor):
        return (value,)
    if isinstance(value, tuple):
        found: list[Tensor] = []
        for item in value:
            inner = tensors(item, frame, span, what)
            if inner is None:
                return None
            found.extend(inner)
        return tuple(found)
    if not unknown(value):
        frame.report.error("E0411", span, f"{what} is fed tensors, not {describe(value)}")
    return None


def at_home(values: Sequence[Tensor], span: Span, frame: Frame) -> bool:
    """Whether tensors belong to the graph that is being built. Reports E0411 where one doesn't."""
    if frame.builder is None:
        frame.report.error(
            "E0411", span, "nothing flows here: a promise is about tensors that the model has"
        )
        return False
    foreign = next((value for value in values if value.owner is not frame.builder), None)
    if foreign is not None:
        frame.report.error(
            "E0411",
            span,
            f"a tensor {foreign.type.shape_text()} of another block cannot be used in here",
            labels=_origin(foreign),
            help="tensors flow through arrows: `(a, b) -> Block`",
        )
    return foreign is None


# --- layers ------------------------------------------------------------------


def _apply_layer(stage: LayerStage, value: Value, frame: Frame, name: str | None) -> Value:
    inputs = tensors(value, frame, stage.span, f"`{stage.name}`")
    if inputs is None or not _count_fits(stage, value, len(inputs), frame):
        return UNKNOWN
    if stage.rank is not None and inputs[0].type.rank != stage.rank + 1:
        actual = inputs[0].type.rank - 1
        frame.report.error(
            "E0414",
            stage.span,
            f"`{stage.name}` works on {stage.rank} spatial "
            f"ax{'is' if stage.rank == 1 else 'es'}; this tensor {inputs[0].type.shape_text()} "
            f"has {max(actual, 0)}",
            labels=_origin(inputs[0]),
            help=f"`{stage.layer.kind}` without a suffix takes any number it can",
        )
        return UNKNOWN
    if not weights_at_hand(stage, frame):
        return UNKNOWN
    if stage.shared is not None:
        name = stage.shared.name
    use = stage.tie or stage.shared
    result = place(stage.layer, inputs, stage.span, frame, name, use, stage.start)
    if result is not None and stage.activation is not None:
        result = place(stage.activation, result, stage.span, frame)
    if result is None:
        return UNKNOWN
    return result[0] if len(result) == 1 else result


def _count_fits(stage: LayerStage, value: Value, count: int, frame: Frame) -> bool:
    least, most = stage.layer.inputs
    if most is None and isinstance(value, Tensor):
        least = 2  # a list may come to have one item; a bare tensor is hardly meant
    if least <= count and (most is None or count <= most):
        return True
    wanted = (
        str(least)
        if most == least
        else f"at least {least}"
        if most is None
        else f"{least} to {most}"
    )
    help = (
        "join them first, for example with `Concat`"
        if most == 1
        else f"feed it a tuple: `(a, b) -> {stage.name}`"
        if count == 1
        else None
    )
    flow = "1 flows in" if count == 1 else f"{count} flow in"
    plural = "" if wanted == "1" else "s"
    frame.report.error(
        "E0407", stage.span, f"`{stage.name}` takes {wanted} tensor{plural}; {flow}", help=help
    )
    return False


def place(
    layer: Layer,
    inputs: tuple[Tensor, ...],
    span: Span,
    frame: Frame,
    name: str | None = None,
    shared: SharedUse | None = None,
    start: Start | None = None,
) -> tuple[Tensor, ...] | None:
    """Append a layer to the graph; its results, or None after a reported mistake."""
    if not at_home(inputs, span, frame):
        return None
    assert frame.builder is not None
    input_types = tuple(value.type for value in inputs)
    types = _inferred(layer, inputs, input_types, span, frame)
    if types is None:
        return None
    if not _sizes_fit(layer.kind, inputs, types, span, frame):
        return None
    if shared is not None and not layer_fits(layer, shared, input_types, span, frame):
        return None
    shares = shared.path if shared is not None else None
    started = start_of(layer, input_types, start, span, frame)
    if isinstance(started, Unknown):
        return None
    start = started if shares is None else None
    outputs = frame.builder.layer(layer, inputs, types, span, name=name, start=start, shares=shares)
    frame.context.check_layers(frame.builder.layers, span)
    if shared is not None and shared.path is None:
        shared.path, shared.input_types = frame.builder.last_path, input_types
    return outputs


def _inferred(
    layer: Layer,
    inputs: tuple[Tensor, ...],
    input_types: tuple[TensorType, ...],
    span: Span,
    frame: Frame,
) -> tuple[TensorType, ...] | None:
    """The types of a layer's results. Reports what it refuses."""
    key = (layer.kind, layer, input_types)
    try:
        types = frame.context.inferred.get(key) or inferred(layer, input_types)
        frame.context.inferred[key] = types
        return types
    except ShapeProblem as problem:
        labels = () if problem.culprit is None else _origin(inputs[problem.culprit])
        if len(inputs) == 2 or (problem.culprit is None and len(inputs) > 1):
            labels = tuple(label for value in inputs for label in _origin(value))
        frame.report.error(
            problem.code,
            span,
            problem.message,
            label=problem.label,
            labels=labels,
            help=problem.help,
        )
        return None


def _origin(value: Tensor) -> tuple[Label, ...]:
    return (Label(value.span, f"this is {value.type.shape_text()}"),)


def _sizes_fit(
    kind: str, inputs: tuple[Tensor, ...], types: Sequence[TensorType], span: Span, frame: Frame
) -> bool:
    assert frame.builder is not None
    for type in types:
        if any(isinstance(size, int) and size >= LARGEST_SIZE for size in type.shape):
            frame.report.error(
                "E0706",
                span,
                f"`{kind}` would make a size over 2^31: {type.shape_text()}",
                labels=size_behind(inputs, frame.builder),
            )
            return False
    return True


# --- blocks and models -------------------------------------------------------


def _apply_network(stage: NetworkStage, value: Value, frame: Frame, name: str | None) -> Value:
    network = stage.network
    if isinstance(network, TrainedNetwork):
        from dlspec.passes.trained import apply_trained  # which builds on this module

        return apply_trained(network, value, stage.span, frame, name)
    inputs = tensors(value, frame, stage.span, f"`{network.name}`")
    if inputs is None or not owned(stage, frame) or not at_home(inputs, stage.span, frame):
        return UNKNOWN
    assert frame.builder is not None
    types = tuple(value.type for value in inputs)
    instance = frame.context.instantiate(stage, types, frame.context, inputs)
    if instance.key is None:
        return UNKNOWN
    if stage.shared is not None and not network_fits(stage, types, instance.key, frame):
        return UNKNOWN
    shares = stage.shared.path if stage.shared is not None else None
    outputs = frame.builder.call(
        instance.key,
        network.name,
        inputs,
        instance.outputs,
        stage.span,
        instance.layers,
        name=stage.shared.name if stage.shared is not None else name,
        shares=shares,
    )
    frame.context.check_layers(frame.builder.layers, stage.span)
    if stage.shared is not None and stage.shared.path is None:
        stage.shared.path, stage.shared.input_types = frame.builder.last_path, types
        stage.shared.graph = instance.key
    return outputs[0] if len(outputs) == 1 else outputs

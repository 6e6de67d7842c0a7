"""Models within their `train`: there a model's name is the one being trained, not a copy."""

from __future__ import annotations

from collections.abc import Sequence

from dlspec.passes.arguments import Given
from dlspec.passes.context import Frame
from dlspec.passes.objectivebuilder import ObjectiveBuilder
from dlspec.passes.stages import tensors
from dlspec.passes.values import UNKNOWN, NetworkStage, TrainedNetwork, UntypedField, Value
from dlspec.source import Span
from dlspec.syntax import tree


def trained_stage(
    network: TrainedNetwork, given: Sequence[Given], span: Span, frame: Frame
) -> Value:
    """The model as a stage. Reports E0304 for arguments, which stand in the `train`."""
    if not given:
        return NetworkStage(network, (), span)
    frame.report.error(
        "E0304",
        span,
        f"`{network.name}` is the model being trained; its arguments stand in `train`",
        help=f"write `train {network.name}(…) on …`",
    )
    return UNKNOWN


def apply_trained(
    network: TrainedNetwork, value: Value, span: Span, frame: Frame, name: str | None = None
) -> Value:
    """The results of the model being trained; a field without a type takes the input's."""
    builder = frame.builder
    if not isinstance(builder, ObjectiveBuilder):
        return UNKNOWN
    graph = frame.context.graphs[network.key]
    wanted = tuple(graph.types[port.value] for port in graph.inputs)
    given = value if isinstance(value, tuple) else (value,)
    if len(given) == len(wanted):
        value = tuple(
            builder.settled(item, type) if isinstance(item, UntypedField) else item
            for item, type in zip(given, wanted, strict=True)
        )
    inputs = tensors(value, frame, span, f"`{network.name}`")
    if inputs is None:
        return UNKNOWN
    instance = frame.context.instantiate(
        NetworkStage(network.original, network.stage.arguments, span),
        tuple(item.type for item in inputs),
        frame.context,
        inputs,
    )
    if instance.key is None:
        return UNKNOWN
    outputs = builder.trained(network, inputs, instance.outputs, span, name)
    return outputs[0] if len(outputs) == 1 else outputs


def in_objective(frame: Frame) -> bool:
    """Whether this is said of what a `train` minimises, not in a model."""
    return isinstance(frame.builder, ObjectiveBuilder)


def of_objectives(callee: tree.Name, given: list[Given], span: Span, frame: Frame) -> Value | None:
    """The value of a loss or another function of objectives; None for other functions.

    Reports E0109 where it stands in a model.
    """
    from dlspec.passes import objectives  # losses cost nothing where nothing is trained

    if callee.id not in objectives.FUNCTIONS:
        return None
    if isinstance(frame.builder, ObjectiveBuilder):
        return objectives.call(callee, given, span, frame.as_flow())
    frame.report.error(
        "E0109", callee.span, f"`{callee.id}` belongs in a `train`: in `minimize` or a `step`"
    )
    return UNKNOWN

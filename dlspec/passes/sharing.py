"""Weights that several uses share: of a `layer`, and of what is tied to one."""

from __future__ import annotations

from dlspec.diagnostics import Label
from dlspec.ir.alike import alike
from dlspec.ir.layer import Layer
from dlspec.ir.types import TensorType
from dlspec.passes.context import Frame
from dlspec.passes.values import LayerStage, NetworkStage, SharedUse
from dlspec.source import Span


def weights_at_hand(stage: LayerStage, frame: Frame) -> bool:
    """Whether the weights that a stage shares are those of this graph, and stand there already."""
    if not owned(stage, frame):
        return False
    if stage.tie is None or stage.tie.path is not None:
        return True
    name = stage.tie.name
    frame.report.error(
        "E0303",
        stage.span,
        f"`{stage.name}({name})` stands before the first use of `{name}`, whose weights it takes",
        help=f"let something flow through `{name}` first",
    )
    return False


def owned(stage: LayerStage | NetworkStage, frame: Frame) -> bool:
    """Whether the weights that a stage shares belong to this graph. Reports E0210 where not."""
    tie = stage.tie if isinstance(stage, LayerStage) else None
    use = tie or stage.shared
    if use is None or use.owner is frame.builder:
        return True
    frame.report.error(
        "E0210", stage.span, f"the weights of `{use.name}` cannot be used in another block"
    )
    return False


def layer_fits(
    layer: Layer, shared: SharedUse, types: tuple[TensorType, ...], span: Span, frame: Frame
) -> bool:
    """Whether the weights of a `layer` fit another use. Reports E0402 where not."""
    first = shared.input_types
    if first is None:
        return True
    owner = layer.owner
    if layer.weights(types) != owner.weights(first):
        problem = "they do not fit"
    elif layer is owner and _module(layer, types) != _module(layer, first):
        problem = "PyTorch needs another module for"
    else:
        return True
    frame.report.error(
        "E0402",
        span,
        f"the layer `{shared.name}` has its weights for {first[0].shape_text()}; "
        f"{problem} {types[0].shape_text()}",
        labels=_first_use(shared, frame),
    )
    return False


def _module(layer: Layer, types: tuple[TensorType, ...]) -> object:
    """What PyTorch builds of a layer: all uses have to agree on it."""
    form = layer.torch(types, layer.infer(types))
    return getattr(form, "module", None)


def network_fits(
    stage: NetworkStage, types: tuple[TensorType, ...], key: str, frame: Frame
) -> bool:
    """Whether a `layer` that is a block is the same network for another use. Reports E0402."""
    shared = stage.shared
    if shared is None or shared.graph is None or shared.input_types is None:
        return True
    graphs = frame.context.graphs
    if alike(graphs[shared.graph], graphs[key], graphs):
        return True
    first, second = (
        ", ".join(type.shape_text() for type in some) for some in (shared.input_types, types)
    )
    frame.report.error(
        "E0402",
        stage.span,
        f"the {stage.network.noun} `{shared.name}` has its weights for {first}; "
        f"for {second} it would be another network",
        labels=_first_use(shared, frame),
    )
    return False


def _first_use(shared: SharedUse, frame: Frame) -> tuple[Label, ...]:
    span = frame.builder.spans.get(shared.path or "") if frame.builder is not None else None
    return () if span is None else (Label(span, "this is where its weights stand"),)

"""Building the graph of an objective: fields of the data flow in, a loss comes out."""

from __future__ import annotations

from typing import Any

from dlspec.ir.graph import CallNode, LayerNode, Port, Program
from dlspec.ir.layer import Layer
from dlspec.ir.nodes import BaseNode
from dlspec.ir.objective import LossNode, NoiseNode, Objective, PenaltyNode, ShuffleNode
from dlspec.ir.types import TensorType, tensor
from dlspec.layers import snake_case
from dlspec.layers.final import final_activation
from dlspec.passes.builder import Draft, GraphBuilder
from dlspec.passes.values import Tensor, TrainedNetwork, UntypedField
from dlspec.source import Span


class ObjectiveBuilder(GraphBuilder):
    """One objective being elaborated."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program
        self.fields: dict[str, Tensor] = {}
        self.awaited: tuple[str, tuple[Tensor, ...]] | None = None
        """The model and the inputs of the call that stands for the `train` itself: the first one
        that is written out is this one, so that the model runs once."""
        self.results: tuple[Tensor, ...] = ()

    def field(self, name: str, type: TensorType, span: Span) -> Tensor:
        """A field of the data; its path is taken, so that no node has its name."""
        if name not in self.fields:
            self.fields[name] = self.input(name, type, span)
        return self.fields[name]

    def settled(self, field: UntypedField, type: TensorType) -> Tensor:
        """A field whose type its first use says."""
        return self.field(field.name, type, field.span)

    @property
    def batch(self) -> Tensor | None:
        """Any tensor that says how many examples there are."""
        return next(iter(self.fields.values()), None)

    def trained(
        self,
        network: TrainedNetwork,
        inputs: tuple[Tensor, ...],
        types: tuple[TensorType, ...],
        span: Span,
        name: str | None = None,
    ) -> tuple[Tensor, ...]:
        """Append a call of a model being trained; its results, auxiliaries behind them."""
        if self.awaited == (network.name, inputs):
            self.awaited = None
            return self.results[: len(types)]
        return self._node(
            CallNode, name or network.name, inputs, types, span,
            shares=network.name, graph=network.key, logits=False,
        )  # fmt: skip

    def loss(self, node: dict[str, Any], inputs: tuple[Tensor, ...], span: Span) -> Tensor:
        """Append a loss."""
        return self._node(LossNode, node["loss"].kind, inputs, (tensor(),), span, **node)[0]

    def noise(self, distribution: str, shape: tuple[int, ...], batch: Tensor, span: Span) -> Tensor:
        """Append fresh noise."""
        (result,) = self._node(
            NoiseNode, "noise", (batch,), (tensor(*shape),), span,
            distribution=distribution, shape=shape,
        )  # fmt: skip
        return result

    def shuffled(self, value: Tensor, span: Span) -> Tensor:
        """Append another order of the examples."""
        return self._node(ShuffleNode, "shuffled", (value,), (value.type,), span)[0]

    def penalty(self, network: TrainedNetwork, inputs: tuple[Tensor, Tensor], span: Span) -> Tensor:
        """Append a gradient penalty."""
        return self._node(
            PenaltyNode, "penalty", inputs, (tensor(),), span,
            shares=network.name, graph=network.key,
        )[0]  # fmt: skip

    def _node(
        self,
        cls: type[BaseNode],
        kind: str,
        inputs: tuple[Tensor, ...],
        types: tuple[TensorType, ...],
        span: Span,
        shares: str | None = None,
        **rest: Any,
    ) -> tuple[Tensor, ...]:
        path = self.path(kind) if not kind.islower() else self.path(kind, kind)
        outputs = self._outputs(path, types, span)
        self._append(Draft(path, inputs, outputs, cls, shares, **rest), span, 0)
        return outputs

    # --- losses take what stands before a final activation

    def before(self, value: Tensor, activation: str | None) -> Tensor:
        """The value itself, or what stands before the final activation that makes it."""
        place = next((i for i, d in enumerate(self.drafts) if value in d.outputs), None)
        if place is None or activation is None:
            return value
        draft = self.drafts[place]
        if draft.cls is LayerNode:
            return draft.inputs[0] if draft.rest["layer"].kind == activation else value
        return self._logits(place, value, activation) if draft.cls is CallNode else value

    def _logits(self, place: int, value: Tensor, activation: str) -> Tensor:
        """The logits of a call: the call gives them, and a layer behind makes the value itself."""
        draft = self.drafts[place]
        graph = self.program.graphs[draft.rest["graph"]]
        ports = (*graph.outputs, *graph.auxiliaries)
        finals = [final_activation(self.program, graph, port.name) for port in ports]
        final = finals[draft.outputs.index(value)]
        if final is None or final.kind != activation:
            return value
        raw: list[Tensor] = []
        behind: list[Draft] = []
        for output, layer in zip(draft.outputs, finals, strict=False):
            if layer is None:
                raw.append(output)
                continue
            raw.append(Tensor(self.value_name(f"{output.name}_logits"), output.type, output.span))
            behind.append(self._activation(layer, raw[-1], output))
        found = raw[draft.outputs.index(value)]
        draft.outputs = tuple(raw)
        draft.rest["logits"] = True
        self.drafts[place + 1 : place + 1] = behind
        return found

    def _activation(self, layer: Layer, before: Tensor, value: Tensor) -> Draft:
        path = self.path(snake_case(layer.kind))
        return Draft(path, (before,), (value,), LayerNode, layer=layer)

    # --- the end

    def objective(self, key: str, results: dict[str, Tensor]) -> Objective:
        """What leads to the results, and nothing else."""
        live = set(results.values())
        kept: list[Draft] = []
        for draft in reversed(self.drafts):
            if live & set(draft.outputs):
                live |= set(draft.inputs)
                kept.append(draft)
        self.drafts = kept[::-1]
        self.inputs = [(name, value) for name, value in self.inputs if value in live]
        return Objective.model_construct(
            key=key,
            inputs=tuple(Port.model_construct(name=n, value=v.name) for n, v in self.inputs),
            nodes=self.nodes(),
            outputs=tuple(Port.model_construct(name=n, value=v.name) for n, v in results.items()),
            types=self.types(),
        )

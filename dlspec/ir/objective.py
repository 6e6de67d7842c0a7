"""What a step of training minimises, as a graph: the data's fields flow in, a loss comes out.

Its values are typed as a model's are, without the batch. A loss is one number for the whole
batch, of type `float[]`; beside a value for every example it counts for each of them.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from dlspec.ir.arguments import PositiveInt
from dlspec.ir.frozen import Field, Frozen
from dlspec.ir.losses import AnyLoss
from dlspec.ir.nodes import BaseNode, CallNode, LayerNode, Port
from dlspec.ir.types import TensorType


class LossNode(BaseNode):
    """A loss of scores and a target: another value, or one number for all, `value`."""

    op: Literal["loss"] = "loss"
    loss: AnyLoss
    value: float | None = None


class NoiseNode(BaseNode):
    """Fresh random numbers for every example: its input is any tensor with the batch."""

    op: Literal["noise"] = "noise"
    distribution: Literal["normal", "uniform"]
    shape: tuple[PositiveInt, ...]


class ShuffleNode(BaseNode):
    """The same values in another order of the examples, drawn anew for every batch."""

    op: Literal["shuffle"] = "shuffle"


class PenaltyNode(BaseNode):
    """How far the gradient of a model, between two batches, is from a norm of 1.

    Gulrajani et al. 2017 (WGAN-GP). Its inputs are the real and the made examples.
    """

    op: Literal["gradient_penalty"] = "gradient_penalty"
    graph: str
    """The key of the model in `Program.graphs`; `shares` is its name."""


ObjectiveNode: TypeAlias = Annotated[
    LayerNode | CallNode | LossNode | NoiseNode | ShuffleNode | PenaltyNode,
    Field(discriminator="op"),
]


class Objective(Frozen):
    """One objective. A call in it is of a model being trained, whose name is in `shares`.

    inputs:  fields of the data.
    outputs: `loss`, and where metrics are measured the `scores` and the `target` they compare.
    """

    key: str
    inputs: tuple[Port, ...]
    nodes: tuple[ObjectiveNode, ...]
    outputs: tuple[Port, ...]
    types: dict[str, TensorType]

    def value(self, name: str) -> str | None:
        """The value that is the output of that name."""
        return next((port.value for port in self.outputs if port.name == name), None)

    def input_types(self, node: BaseNode) -> tuple[TensorType, ...]:
        """The types that flow into a node."""
        return tuple(self.types[name] for name in node.inputs)

    def output_types(self, node: BaseNode) -> tuple[TensorType, ...]:
        """The types that come out of a node."""
        return tuple(self.types[name] for name in node.outputs)

"""The typed graph: one `Graph` a distinct block or model, nodes in order of evaluation.

A block used several times with equal arguments and equal input types is one
graph with several calls. Spans are not in here but in a side table, so that two
equal programs compare equal.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from dlspec.ir.data import DataPlan
from dlspec.ir.frozen import Field, Frozen
from dlspec.ir.layer import AnyLayer
from dlspec.ir.training import TrainPlan
from dlspec.ir.types import TensorType

JsonValue: TypeAlias = Any
IR_VERSION = 1


class _Node(Frozen):
    path: str
    """The name within its graph, `conv1`: unique there, and a part of its weights' names."""
    inputs: tuple[str, ...]
    """Names of values of this graph."""
    outputs: tuple[str, ...]
    """Names of the values it makes: the spec's name where it has one, else the path."""
    shares: str | None = None
    """The path of an earlier node of this graph whose weights it uses (`layer`)."""


class LayerNode(_Node):
    """One layer."""

    op: Literal["layer"] = "layer"
    layer: AnyLayer


class CallNode(_Node):
    """One use of a block or model."""

    op: Literal["call"] = "call"
    graph: str
    """The key of what is called in `Program.graphs`."""


class ParameterNode(_Node):
    """A learned tensor of its own (`parameter`). It has no inputs."""

    op: Literal["parameter"] = "parameter"
    initial: str
    """`zeros`, `ones`, `normal(0.02)` …"""


Node: TypeAlias = Annotated[LayerNode | CallNode | ParameterNode, Field(discriminator="op")]


class Port(Frozen):
    """A named input or output: `name` is what the spec calls it, `value` a value of the graph."""

    name: str
    value: str


class Graph(Frozen):
    """A block or a model with its arguments filled in and every type known."""

    key: str
    """Unique in the program: the declared name, with a number behind it for further variants."""
    name: str
    """The declared name, `Bottleneck`."""
    is_model: bool
    arguments: dict[str, JsonValue]
    documentation: str = ""
    inputs: tuple[Port, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Port, ...]
    auxiliaries: tuple[Port, ...] = ()
    types: dict[str, TensorType]
    """The type of every value."""

    def input_types(self, node: _Node) -> tuple[TensorType, ...]:
        """The types that flow into a node."""
        return tuple(self.types[name] for name in node.inputs)

    def output_types(self, node: _Node) -> tuple[TensorType, ...]:
        """The types that come out of a node."""
        return tuple(self.types[name] for name in node.outputs)


class Program(Frozen):
    """A whole spec. Graphs stand before those that call them."""

    version: Literal[1] = IR_VERSION
    documentation: str = ""
    graphs: dict[str, Graph]
    models: tuple[str, ...]
    """Keys of the graphs that are the file's models with their default or given arguments,
    in the order of their declarations."""
    data: dict[str, DataPlan] = Field(default_factory=dict[str, DataPlan])
    trains: tuple[TrainPlan, ...] = ()

    def model(self, name: str) -> Graph:
        """The model of that declared name. Raises KeyError where there is none."""
        for key in self.models:
            if self.graphs[key].name == name:
                return self.graphs[key]
        raise KeyError(name)

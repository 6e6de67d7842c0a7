"""The typed graph: one `Graph` a distinct block or model, nodes in order of evaluation.

A block used several times with equal arguments and equal input types is one
graph with several calls. Spans are not in here but in a side table, so that two
equal programs compare equal.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from dlspec.ir.data import DataPlan
from dlspec.ir.frozen import Field, Frozen
from dlspec.ir.nodes import BaseNode, CallNode, LayerNode, Node, ParameterNode, Port
from dlspec.ir.objective import Objective
from dlspec.ir.search import Search
from dlspec.ir.training import TrainPlan
from dlspec.ir.types import TensorType

__all__ = [
    "IR_VERSION",
    "CallNode",
    "Graph",
    "LayerNode",
    "Node",
    "ParameterNode",
    "Port",
    "Program",
]

JsonValue: TypeAlias = Any
IR_VERSION = 1


class Graph(Frozen):
    """A block or a model with its arguments filled in and every type known."""

    key: str
    """Unique in the program: the declared name, with a number behind it for further variants."""
    name: str
    """The declared name, `Bottleneck`."""
    is_model: bool
    arguments: dict[str, JsonValue]
    defaults: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    """What stands as a default behind a parameter, where that is a plain value."""
    documentation: str = ""
    inputs: tuple[Port, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Port, ...]
    auxiliaries: tuple[Port, ...] = ()
    types: dict[str, TensorType]
    """The type of every value."""

    def input_types(self, node: BaseNode) -> tuple[TensorType, ...]:
        """The types that flow into a node."""
        return tuple(self.types[name] for name in node.inputs)

    def output_types(self, node: BaseNode) -> tuple[TensorType, ...]:
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
    objectives: dict[str, Objective] = Field(default_factory=dict[str, Objective])
    """What the steps of `trains` minimise: the data's fields flow in, `loss` comes out. A call
    in one is of the model being trained, whose name is in `shares`."""
    data: dict[str, DataPlan] = Field(default_factory=dict[str, DataPlan])
    trains: tuple[TrainPlan, ...] = ()
    searches: tuple[Search, ...] = ()
    """What `dlspec tune` may vary; every other command takes the values themselves."""

    def model(self, name: str) -> Graph:
        """The model of that declared name. Raises KeyError where there is none."""
        for key in self.models:
            if self.graphs[key].name == name:
                return self.graphs[key]
        raise KeyError(name)

    def plan_of(self, key: str) -> TrainPlan | None:
        """The `train` whose first model that is, None where there is none.

        Raises ValueError where there are several.
        """
        plans = [plan for plan in self.trains if plan.model == key]
        if len(plans) > 1:
            name = self.graphs[key].name
            raise ValueError(
                f"the spec has {len(plans)} `train`s of `{name}` and no name for either; "
                "put all but one into files of their own, which `use` the model"
            )
        return plans[0] if plans else None

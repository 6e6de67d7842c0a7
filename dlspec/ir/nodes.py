"""The nodes of a typed graph: a layer, a use of a block or model, a learned tensor."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from dlspec.ir.frozen import Field, Frozen
from dlspec.ir.layer import AnyLayer


class BaseNode(Frozen):
    path: str
    """The name within its graph, `conv1`: unique there, and a part of its weights' names."""
    inputs: tuple[str, ...]
    """Names of values of this graph."""
    outputs: tuple[str, ...]
    """Names of the values it makes: the spec's name where it has one, else the path."""
    shares: str | None = None
    """The path of an earlier node of this graph whose weights it uses (`layer`)."""


class LayerNode(BaseNode):
    """One layer."""

    op: Literal["layer"] = "layer"
    layer: AnyLayer


class CallNode(BaseNode):
    """One use of a block or model."""

    op: Literal["call"] = "call"
    graph: str
    """The key of what is called in `Program.graphs`."""
    logits: bool = False
    """Whether the results are those before their final activations, as losses take them."""


class ParameterNode(BaseNode):
    """A learned tensor of its own (`parameter`). It has no inputs."""

    op: Literal["parameter"] = "parameter"
    initial: str
    """`zeros`, `ones`, `normal(0.02)` …"""


Node: TypeAlias = Annotated[LayerNode | CallNode | ParameterNode, Field(discriminator="op")]


class Port(Frozen):
    """A named input or output: `name` is what the spec calls it, `value` a value of the graph."""

    name: str
    value: str

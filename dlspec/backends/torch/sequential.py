"""Graphs in which one stage feeds the next: their classes are `nn.Sequential`."""

from __future__ import annotations

from dlspec.backends.torch.steps import IDENTITY, layer_form
from dlspec.ir.graph import CallNode, Graph, LayerNode, Node

_MEMBERS = frozenset({"append", "extend", "insert", "pop", "_get_item_by_idx"})
"""What `nn.Sequential` has beside the members of `nn.Module`."""


def is_straight(graph: Graph, *, top: bool) -> bool:
    """Whether one stage after the other, each as a submodule, computes what the graph says.

    top: whether the graph is the model itself, which computes its auxiliaries too.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1 or (top and graph.auxiliaries):
        return False
    value, does_nothing = graph.inputs[0].value, True
    for node in graph.nodes:
        if node.inputs != (value,) or len(node.outputs) != 1 or not _is_module(graph, node):
            return False
        value = node.outputs[0]
        does_nothing = does_nothing and is_identity(graph, node)
    return not does_nothing and value == graph.outputs[0].value


def is_identity(graph: Graph, node: Node) -> bool:
    """Whether a node passes on what flows in."""
    return isinstance(node, LayerNode) and layer_form(graph, node).functional == IDENTITY


def _is_module(graph: Graph, node: Node) -> bool:
    """Whether a node is one submodule of its own, called with one tensor."""
    if node.shares is not None or node.path in _MEMBERS:
        return False
    if isinstance(node, CallNode):
        return True
    if not isinstance(node, LayerNode):
        return False
    form = layer_form(graph, node)
    return form.functional == IDENTITY or (form.module is not None and form.forward == "{m}({0})")

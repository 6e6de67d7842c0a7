"""From the typed graph to a drawing: straight runs become one box, blocks a box or a frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from dlspec.backends.graph.captions import (
    arguments_text,
    first_paragraph,
    layer_band,
    layer_text,
    lines,
    shape_text,
)
from dlspec.backends.graph.drawing import Band, Box, BoxKind, Drawing, Edge, Frame
from dlspec.ir.graph import CallNode, Graph, LayerNode, Node, ParameterNode, Port, Program
from dlspec.ir.rows import row_path, rows, uses
from dlspec.ir.types import TensorType
from dlspec.layers.families import FOLLOWERS, family

Sources = Mapping[str, int]
"""The box that each value of a graph comes out of."""


class _Place(NamedTuple):
    """Where in the picture a graph is drawn."""

    graph: Graph
    frame: int | None
    path: str
    """Put before the paths of its nodes, `stage1.`."""
    depth: int
    """How many levels of blocks are still to be unfolded below it."""


def draw(program: Program, graph: Graph, depth: int = 0) -> Drawing:
    """The picture of a model.

    depth: levels of blocks to unfold; 0 shows every block as one box
    """
    builder = _Builder(program)
    sources = {port.value: builder.port("input", port) for port in graph.inputs}
    found = builder.body(_Place(graph, None, "", depth), sources)
    ends: tuple[tuple[BoxKind, tuple[Port, ...]], ...] = (
        ("output", graph.outputs),
        ("auxiliary", graph.auxiliaries),
    )
    for kind, ports in ends:
        for port in ports:
            end = builder.port(kind, port)
            builder.edge(found[port.value], end, graph.types[port.value], kind == "auxiliary")
    note = lines([graph.documentation.strip() or program.documentation.strip()])
    return Drawing(
        graph.name, note, tuple(builder.boxes), tuple(builder.frames), tuple(builder.edges)
    )


class _Builder:
    """The boxes, frames and edges found so far."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.boxes: list[Box] = []
        self.frames: list[Frame] = []
        self.edges: list[Edge] = []

    def port(self, kind: BoxKind, port: Port) -> int:
        """An end of the whole network."""
        note = f"{kind} `{port.name}`" + ("; in training alone" if kind == "auxiliary" else "")
        return self.box(Box(kind, (Band(port.name),), note=note))

    def box(self, box: Box) -> int:
        self.boxes.append(box)
        return len(self.boxes) - 1

    def edge(self, source: int, target: int, type: TensorType, auxiliary: bool = False) -> None:
        told = self.boxes[source].kind == "fork"
        self.edges.append(Edge(source, target, "" if told else shape_text(type), auxiliary))

    def body(self, place: _Place, sources: Sources, heads: Mapping[str, int] = {}) -> Sources:
        """Draw the nodes of a graph; the box of every value in it.

        heads: the boxes on which a layer of the graph may stand, by the values they end in
        """
        found = dict(sources)
        counted = uses(place.graph)
        ends = dict(heads)
        for row in rows(place.graph):
            node = row[0]
            if isinstance(node, CallNode):
                results = self._call(place, row, found, ends)
            else:
                results = self._layer(place, node, found, ends, counted)
            found.update(zip(row[-1].outputs, results, strict=True))
            for name in row[-1].outputs:
                if counted[name] != 1:
                    ends.pop(name, None)
        return found

    def _layer(
        self,
        place: _Place,
        node: Node,
        found: Sources,
        heads: dict[str, int],
        counted: Counter[str],
    ) -> list[int]:
        """Draw a layer or a parameter, on the box in front where it belongs there.

        heads: the box that each value ends that another layer may stand on
        """
        assert not isinstance(node, CallNode)
        graph = place.graph
        band, note = _described(graph, node, place.path)
        if _stands_on(graph, node, counted) and node.inputs[0] in heads:
            box = heads[node.inputs[0]]
            head = self.boxes[box]
            self.boxes[box] = head._replace(
                bands=(*head.bands, band), note=lines([head.note, note])
            )
        else:
            kind: BoxKind = "parameter" if isinstance(node, ParameterNode) else "layers"
            box = self.box(Box(kind, (band,), place.frame, note=note))
            self._feed(graph, node, box, found)
        if isinstance(node, LayerNode) and len(node.outputs) == 1:
            heads[node.outputs[0]] = box
        return [box] * len(node.outputs)

    def _feed(self, graph: Graph, node: Node, box: int, found: Sources) -> None:
        for name in node.inputs:
            self.edge(found[name], box, graph.types[name])

    def _call(
        self, place: _Place, row: tuple[Node, ...], found: Sources, heads: dict[str, int]
    ) -> list[int]:
        """Draw a row of equal uses of a block."""
        first = row[0]
        assert isinstance(first, CallNode)
        inner = self.program.graphs[first.graph]
        if len(row) == 1 and _is_one_box(inner):
            box = self._opened(place, first, inner, found, heads)
            heads[first.outputs[0]] = box
            return [box]
        if place.depth > 0 and inner.nodes:
            return self._framed(place, row, inner, found)
        title = Band(inner.name, arguments_text(inner))
        note = _block_note(place, row, inner)
        box = self.box(Box("block", (title,), place.frame, len(row), note))
        self._feed(place.graph, first, box, found)
        return [box] * len(first.outputs)

    def _opened(
        self, place: _Place, node: CallNode, inner: Graph, found: Sources, heads: Mapping[str, int]
    ) -> int:
        """Draw a block that is but one box as that box: its layers say more than its name."""
        below = _below(place, node, inner, place.frame)
        taken, port = node.inputs[0], inner.inputs[0].value
        ends = {port: heads[taken]} if taken in heads else {}
        box = self.body(below, {port: found[taken]}, ends)[inner.outputs[0].value]
        drawn = self.boxes[box]
        note = lines([drawn.note, _block_note(place, (node,), inner)])
        self.boxes[box] = drawn._replace(note=note)
        return box

    def _framed(
        self, place: _Place, row: tuple[Node, ...], inner: Graph, found: Sources
    ) -> list[int]:
        """Draw the inside of a block in a frame."""
        node = row[0]
        assert isinstance(node, CallNode)
        note = _block_note(place, row, inner)
        title = inner.name, arguments_text(inner)
        self.frames.append(Frame(*title, place.frame, len(row), note))
        below = _below(place, node, inner, len(self.frames) - 1)
        results = self.body(below, self._enter(below, inner, node, found))
        return [results[port.value] for port in inner.outputs]

    def _enter(self, place: _Place, inner: Graph, node: Node, found: Sources) -> Sources:
        """What flows into an unfolded block. A value that is taken several times in there comes
        in once and forks inside."""
        counted = uses(inner)
        given: dict[str, int] = {}
        for port, name in zip(inner.inputs, node.inputs, strict=True):
            given[port.value] = found[name]
            if counted[port.value] > 1:
                fork = self.box(Box("fork", (), place.frame, note=f"input `{port.name}`"))
                self.edge(found[name], fork, inner.types[port.value])
                given[port.value] = fork
        return given


def _below(place: _Place, node: CallNode, inner: Graph, frame: int | None) -> _Place:
    """The place of what a call calls."""
    path = f"{place.path}{node.shares or node.path}."
    return _Place(inner, frame, path, place.depth - 1)


def _is_one_box(graph: Graph) -> bool:
    """Whether a block is a layer and those that stand on it, and nothing else."""
    if not graph.nodes or len(graph.inputs) != 1 or len(graph.outputs) != 1 or graph.auxiliaries:
        return False
    counted = uses(graph)
    first, *others = graph.nodes
    chained = all(
        node.inputs == before.outputs for before, node in zip(graph.nodes, others, strict=False)
    )
    return (
        isinstance(first, LayerNode)
        and first.inputs == (graph.inputs[0].value,)
        and chained
        and all(_stands_on(graph, node, counted) for node in others)
        and graph.nodes[-1].outputs == (graph.outputs[0].value,)
    )


def _block_note(place: _Place, row: tuple[Node, ...], inner: Graph) -> str:
    """Which uses of a block, with which arguments, and what its comment says."""
    path = place.path + row_path(row)
    detail = arguments_text(inner)
    return lines(
        [
            f"{path}: {inner.name}({detail})" if detail else f"{path}: {inner.name}",
            _sharing(row[0]),
            first_paragraph(inner.documentation),
        ]
    )


def _described(graph: Graph, node: LayerNode | ParameterNode, path: str) -> tuple[Band, str]:
    """What is written on a layer's or a parameter's band, and what its note says."""
    result = ", ".join(shape_text(type) for type in graph.output_types(node))
    if isinstance(node, ParameterNode):
        return Band(node.path, "learned"), f"{path}{node.path}: parameter {result}"
    inputs = graph.input_types(node)
    note = f"{path}{node.path}: {layer_text(node.layer)} → {result}"
    return layer_band(node.layer, inputs), lines([note, _sharing(node)])


def _sharing(node: Node) -> str:
    return f"the weights are those of {node.shares}" if node.shares else ""


def _stands_on(graph: Graph, node: Node, counted: Counter[str]) -> bool:
    """Whether a figure puts a layer close behind the one in front: it treats that one's result
    alone, leaves the shape as it is, and nobody else takes what is between them."""
    return (
        isinstance(node, LayerNode)
        and len(node.inputs) == 1
        and counted[node.inputs[0]] == 1
        and family(node.layer) in FOLLOWERS
        and graph.input_types(node) == graph.output_types(node)
    )

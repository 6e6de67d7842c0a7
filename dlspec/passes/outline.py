"""A network row by row, as a summary shows it: blocks folded or unfolded, each with its cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from dlspec.ir.dims import Dim
from dlspec.ir.graph import CallNode, Graph, LayerNode, Node, Program
from dlspec.ir.rows import row_path, rows
from dlspec.passes.measure import Totals, measured, node_cost, size_in_bytes


class Row(NamedTuple):
    """One line of a summary.

    kind:   a `layer` (or a learned parameter), a folded `block`, or the `heading` over the rows
            of an unfolded one, whose figures theirs add up to
    path:   its full path; of several equal blocks in a row `bottleneck2…3`
    layer:  the layer's kind, or the block's name
    repeat: how many equal blocks in a row the line stands for
    graph:  the key of the block, "" for a layer
    memory: bytes of the results for one example; for a block, of all that is computed in it
    """

    kind: Literal["layer", "block", "heading"]
    path: str
    layer: str
    output: str
    parameters: Dim
    macs: Dim
    memory: Dim
    repeat: int = 1
    graph: str = ""


class _Place(NamedTuple):
    """Where rows are being written: a graph, how its paths begin, and what it still unfolds."""

    graph: Graph
    prefix: str
    depth: int | None
    shared: bool


def outline(program: Program, graph: Graph, depth: int | None = None) -> tuple[Row, ...]:
    """The rows of a graph in order.

    depth: levels of blocks to unfold; None unfolds all, 0 shows every block as one row
    """
    return tuple(_rows(program, _Place(graph, "", depth, False), {}))


def summarize(program: Program, graph: Graph) -> tuple[Row, ...]:
    """Every layer of a graph, calls unfolded, with its own cost."""
    return tuple(row for row in outline(program, graph) if row.kind == "layer")


def _rows(program: Program, place: _Place, known: dict[str, Totals]) -> Iterator[Row]:
    for row in rows(place.graph):
        if not isinstance(row[0], CallNode):
            yield _layer(place, row[0])
        elif place.depth == 0:
            yield _block(program, place, row, known)
        else:
            for node in row:
                yield _block(program, place, (node,), known)._replace(kind="heading")
                yield from _rows(program, _below(program, place, node), known)


def _below(program: Program, place: _Place, node: Node) -> _Place:
    """The place of what a call calls."""
    assert isinstance(node, CallNode)
    prefix = f"{place.prefix}{node.shares or node.path}."
    depth = None if place.depth is None else place.depth - 1
    shared = place.shared or node.shares is not None
    return _Place(program.graphs[node.graph], prefix, depth, shared)


def _block(program: Program, place: _Place, row: tuple[Node, ...], known: dict[str, Totals]) -> Row:
    node, count = row[0], len(row)
    assert isinstance(node, CallNode)
    inner = program.graphs[node.graph]
    cost = measured(program, inner, known)
    return Row(
        "block",
        place.prefix + row_path(row),
        inner.name,
        _shapes(place.graph, row[-1]),
        0 if place.shared or node.shares is not None else cost.parameters * count,
        cost.macs * count,
        cost.activation_bytes * count,
        count,
        inner.key,
    )


def _layer(place: _Place, node: Node) -> Row:
    assert not isinstance(node, CallNode)
    parameters, macs = node_cost(place.graph, node)
    return Row(
        "layer",
        place.prefix + node.path,
        node.layer.kind if isinstance(node, LayerNode) else "parameter",
        _shapes(place.graph, node),
        0 if place.shared or node.shares is not None else parameters,
        macs,
        size_in_bytes(place.graph.output_types(node)),
    )


def _shapes(graph: Graph, node: Node) -> str:
    return ", ".join(type.shape_text() for type in graph.output_types(node))

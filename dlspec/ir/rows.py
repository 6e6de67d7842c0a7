"""Straight rows of equal blocks, which people want told once: `Bottleneck ×5`."""

from __future__ import annotations

from collections import Counter

from dlspec.ir.graph import CallNode, Graph, Node


def uses(graph: Graph) -> Counter[str]:
    """How often each value is used: by nodes, and as an output or auxiliary."""
    counted = Counter(name for node in graph.nodes for name in node.inputs)
    counted.update(port.value for port in (*graph.outputs, *graph.auxiliaries))
    return counted


def rows(graph: Graph) -> tuple[tuple[Node, ...], ...]:
    """The nodes in order, equal calls that stand one behind the other as one row.

    Every other node is a row of its own. Calls are equal where they call one graph; they are
    one behind the other where what one gives flows into the next and nowhere else, and what
    else the next takes (a decoder's memory) the one took too.
    """
    counted = uses(graph)
    found: list[list[Node]] = []
    for node in graph.nodes:
        if found and _goes_on(found[-1][-1], node, counted):
            found[-1].append(node)
        else:
            found.append([node])
    return tuple(tuple(row) for row in found)


def row_path(row: tuple[Node, ...]) -> str:
    """The paths of a row in short: `bottleneck2…3`, `first … last`, or the only one."""
    first, last = row[0].path, row[-1].path
    if len(row) == 1:
        return first
    base = last.rstrip("0123456789")
    together = first.rstrip("0123456789") == base
    return f"{first}…{last.removeprefix(base)}" if together else f"{first} … {last}"


def _goes_on(last: Node, node: Node, counted: Counter[str]) -> bool:
    if not isinstance(last, CallNode) or not isinstance(node, CallNode):
        return False
    if (last.graph, last.shares) != (node.graph, node.shares):
        return False
    passed = set(last.outputs)
    pairs = zip(last.inputs, node.inputs, strict=True)
    if not all(now in passed or now == before for before, now in pairs):
        return False
    return passed <= set(node.inputs) and all(counted[name] == 1 for name in passed)

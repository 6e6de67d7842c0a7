"""Where everything stands: Graphviz's `dot`, bundled with pygraphviz, lays the drawing out.

Sizes are ours and fixed, so that its answer does not depend on the fonts of a machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from dlspec.backends.graph.drawing import Drawing
from dlspec.backends.graph.sizes import Size, box_size, frame_title_size, label_size
from dlspec.backends.graph.spine import Spine, spine

MARGIN, GAP = 11.0, 4.0
"""Of a frame: around what stands in it, and around the frame itself."""

POINTS = 72.0
"""Graphviz counts sizes in inches of 72 points; a point is a pixel here."""


class Point(NamedTuple):
    """A place in pixels from the top left corner."""

    x: float
    y: float


class Area(NamedTuple):
    """A rectangle: its top left corner and its size."""

    x: float
    y: float
    width: float
    height: float


class Curve(NamedTuple):
    """An edge: a Bézier curve (one point, then three for each piece) and where its shape stands."""

    points: tuple[Point, ...]
    label: Point | None


class Layout(NamedTuple):
    """A drawing laid out: everything in the order of the drawing."""

    size: Size
    boxes: tuple[Area, ...]
    frames: tuple[Area, ...]
    edges: tuple[Curve, ...]


def lay_out(drawing: Drawing) -> Layout:
    """The places of a drawing's boxes, frames and edges.

    Raises ModuleNotFoundError without pygraphviz.
    """
    import pygraphviz

    graph = pygraphviz.AGraph(string=_program(drawing))
    return _read(json.loads(graph.draw(format="json", prog="dot")), drawing)


def _program(drawing: Drawing) -> str:
    """What Graphviz is told: numbers and sizes alone, no text of a spec."""
    lines = [
        "digraph {",
        "graph [rankdir=TB, nodesep=0.3, ranksep=0.2, margin=0, pad=0, outputorder=nodesfirst]",
        'node [shape=box, fixedsize=true, label=""]',
        "edge [dir=none, headclip=true]",
    ]
    inside: dict[int | None, list[int]] = {}
    for number, box in enumerate(drawing.boxes):
        inside.setdefault(box.frame, []).append(number)
    lines += _members(drawing, None, inside)
    way = spine(drawing)
    lines += [f"{{rank=same; b{one}; b{other}}}" for one, other in way.level]
    lines += [f"b{box} [group={group}]" for group, boxes in way.columns for box in boxes]
    lines += [_edge(drawing, number, way) for number in range(len(drawing.edges))]
    return "\n".join([*lines, "}"])


def _edge(drawing: Drawing, number: int, way: Spine) -> str:
    """One edge. What rises in the picture is told as falling and turned round when read."""
    edge = drawing.edges[number]
    ends = (edge.source, edge.target)
    source, target = ends[::-1] if number in way.rising else ends
    label = f", label={_room(label_size(edge.shape))}" if edge.shape else ""
    weight = 100 if number in way.straight else 1
    return f'b{source} -> b{target} [id="{number}", weight={weight}{label}]'


def _members(
    drawing: Drawing, frame: int | None, inside: dict[int | None, list[int]]
) -> Iterable[str]:
    for number in inside.get(frame, ()):
        size = box_size(drawing.boxes[number])
        yield f"b{number} [width={size.width / POINTS:.4f}, height={size.height / POINTS:.4f}]"
    for number, inner in enumerate(drawing.frames):
        if inner.parent == frame:
            yield f"subgraph cluster{number} {{"
            yield f"graph [label={_room(frame_title_size(inner))}, labeljust=l, margin={MARGIN + GAP:g}]"
            yield from _members(drawing, number, inside)
            yield "}"


def _room(size: Size) -> str:
    """A label that takes a given room."""
    return (
        f'<<table border="0" cellborder="0" cellspacing="0" cellpadding="0" fixedsize="true" '
        f'width="{size.width:.0f}" height="{size.height:.0f}"><tr><td></td></tr></table>>'
    )


def _read(answer: dict[str, Any], drawing: Drawing) -> Layout:
    left, bottom, right, top = _numbers(answer["bb"])

    def place(text: str) -> Point:
        x, y = _numbers(text)
        return Point(round(x - left, 2), round(top - y, 2))

    boxes: dict[str, Area] = {}
    frames: dict[str, Area] = {}
    for item in answer.get("objects", ()):
        if item["name"].startswith("cluster"):
            x0, y0, x1, y1 = _numbers(item["bb"])
            whole = Area(x0 - left, top - y1, x1 - x0, y1 - y0)
            frames[item["name"]] = _shrunk(whole)
        elif "pos" in item:
            middle = place(item["pos"])
            size = box_size(drawing.boxes[int(item["name"][1:])])
            boxes[item["name"]] = Area(
                round(middle.x - size.width / 2, 2), round(middle.y - size.height / 2, 2), *size
            )
    rising = set(spine(drawing).rising)
    curves: dict[int, Curve] = {}
    for edge in answer.get("edges", ()):
        points = tuple(place(part) for part in edge["pos"].split() if part[0] not in "es")
        if int(edge["id"]) in rising:
            points = points[::-1]
        curves[int(edge["id"])] = Curve(points, place(edge["lp"]) if "lp" in edge else None)
    return Layout(
        Size(round(right - left, 2), round(top - bottom, 2)),
        tuple(boxes[f"b{number}"] for number in range(len(drawing.boxes))),
        tuple(frames[f"cluster{number}"] for number in range(len(drawing.frames))),
        tuple(curves[number] for number in range(len(drawing.edges))),
    )


def _shrunk(area: Area) -> Area:
    """A frame without the gap around it, so that neighbours do not touch."""
    x, y, width, height = area
    return Area(
        round(x + GAP, 2), round(y + GAP, 2), round(width - 2 * GAP, 2), round(height - 2 * GAP, 2)
    )


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]

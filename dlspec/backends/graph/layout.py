"""Where everything stands: Graphviz's `dot`, bundled with pygraphviz, lays the drawing out.

Sizes are ours and fixed, so that its answer does not depend on the fonts of a machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from dlspec.backends.graph.drawing import Drawing, Members
from dlspec.backends.graph.geometry import Area, Curve, Layout, Point
from dlspec.backends.graph.sizes import Size, box_size, frame_title_size, label_size
from dlspec.backends.graph.spine import Spine, spine
from dlspec.backends.graph.titles import title_place

MARGIN, GAP = 11.0, 4.0
"""Of a frame: around what stands in it, and around the frame itself."""

MOST_BOXES = 1_000
MOST_TANGLED = 20_000
"""Of what is laid out. Boxes cost little; what edges pass by on their way costs much."""
FINE = 400
"""Up to so tangled, edges are curves led round every box. Beyond it dot would take minutes for
that, so it places boxes less carefully and draws edges straight."""
COARSE = "nslimit=0.1, nslimit1=1, mclimit=0.2, splines=line"

POINTS = 72.0
"""Graphviz counts sizes in inches of 72 points; a point is a pixel here."""


class PictureTooLarge(Exception):
    """More than can be laid out, or looked at."""

    exit_code = 2
    help = (
        "unfold fewer blocks, put what repeats into a `block`, or write `.dot` or `.mmd`, "
        "which have no limit"
    )


def lay_out(drawing: Drawing) -> Layout:
    """The places of a drawing's boxes, frames and edges.

    Raises PictureTooLarge, and ModuleNotFoundError without pygraphviz.
    """
    if len(drawing.boxes) > MOST_BOXES:
        raise PictureTooLarge(
            f"the picture would have {len(drawing.boxes):,} boxes; {MOST_BOXES:,} is the most"
        )
    if _tangle(drawing) > MOST_TANGLED:
        raise PictureTooLarge(
            f"the {len(drawing.edges):,} edges of the picture are too tangled to be laid out"
        )
    import pygraphviz

    graph = pygraphviz.AGraph(string=_program(drawing))
    answer = graph.draw(format="json", prog="dot")
    assert answer is not None  # it is, where no path is given
    return _read(json.loads(answer), drawing)


def _program(drawing: Drawing) -> str:
    """What Graphviz is told: numbers and sizes alone, no text of a spec."""
    lines = [
        "digraph {",
        "graph [rankdir=TB, nodesep=0.3, ranksep=0.2, margin=0, pad=0, outputorder=nodesfirst]",
        'node [shape=box, fixedsize=true, label=""]',
        "edge [dir=none, headclip=true]",
    ]
    lines += _members(drawing, drawing.inside(), None)
    way = spine(drawing)
    if way.level:  # boxes of different frames may stand side by side
        lines.append("graph [newrank=true]")
    elif _tangle(drawing) > FINE:
        lines.append(f"graph [{COARSE}]")
    lines += [f"{{rank=same; b{one}; b{other}}}" for one, other in way.level]
    lines += [f"b{box} [group={group}]" for group, boxes in way.columns for box in boxes]
    lines += [_edge(drawing, number, way) for number in range(len(drawing.edges))]
    return "\n".join([*lines, "}"])


def _tangle(drawing: Drawing) -> int:
    """How many ranks the edges pass by, summed. Boxes stand in order of evaluation."""
    rank = [0] * len(drawing.boxes)
    for edge in sorted(drawing.edges, key=lambda edge: edge.target):
        rank[edge.target] = max(rank[edge.target], rank[edge.source] + 1)
    return sum(rank[edge.target] - rank[edge.source] - 1 for edge in drawing.edges)


def _edge(drawing: Drawing, number: int, way: Spine) -> str:
    """One edge. What rises in the picture is told as falling and turned round when read."""
    edge = drawing.edges[number]
    ends = (edge.source, edge.target)
    source, target = ends[::-1] if number in way.rising else ends
    label = f", label={_room(label_size(edge.shape))}" if edge.shape else ""
    weight = 100 if number in way.straight else 1
    return f'b{source} -> b{target} [id="{number}", weight={weight}{label}]'


def _members(drawing: Drawing, inside: tuple[Members, Members], frame: int | None) -> Iterator[str]:
    boxes, frames = inside
    for number in boxes.get(frame, ()):
        size = box_size(drawing.boxes[number])
        yield f"b{number} [width={size.width / POINTS:.4f}, height={size.height / POINTS:.4f}]"
    for number in frames.get(frame, ()):
        title = _room(frame_title_size(drawing.frames[number]))
        yield f"subgraph cluster{number} {{"
        yield f"graph [label={title}, labeljust=l, margin={MARGIN + GAP:g}]"
        yield from _members(drawing, inside, number)
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
    areas = tuple(frames[f"cluster{number}"] for number in range(len(drawing.frames)))
    edges = tuple(curves[number] for number in range(len(drawing.edges)))
    titled = zip(drawing.frames, areas, strict=True)
    return Layout(
        Size(round(right - left, 2), round(top - bottom, 2)),
        tuple(boxes[f"b{number}"] for number in range(len(drawing.boxes))),
        areas,
        tuple(title_place(area, frame_title_size(frame), edges) for frame, area in titled),
        edges,
    )


def _shrunk(area: Area) -> Area:
    """A frame without the gap around it, so that neighbours do not touch."""
    x, y, width, height = area
    return Area(
        round(x + GAP, 2), round(y + GAP, 2), round(width - 2 * GAP, 2), round(height - 2 * GAP, 2)
    )


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]

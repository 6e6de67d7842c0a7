"""The line that a reader follows through a network, and whether it has the form of a U."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from dlspec.backends.graph.drawing import Drawing


class Spine(NamedTuple):
    """A longest way from an input to an output.

    boxes, edges: their numbers, in order
    rise: how many of the boxes lie on the way down; the rest rise beside them, as in U-Net.
          All of them where the network has no such form.
    level: pairs of boxes that stand side by side on the two ways
    """

    boxes: tuple[int, ...]
    edges: tuple[int, ...]
    rise: int
    level: tuple[tuple[int, int], ...]

    @property
    def rising(self) -> tuple[int, ...]:
        """The edges that lead up."""
        return self.edges[self.rise - 1 :]

    @property
    def columns(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """The boxes that stand straight below one another, by the name of their column.

        The lowest box of a U stands in neither of its columns.
        """
        if not self.level:
            return (("down", self.boxes),)
        return (("down", self.boxes[: self.rise - 1]), ("up", self.boxes[self.rise :]))

    @property
    def straight(self) -> frozenset[int]:
        """The edges within a column."""
        bends = {self.edges[self.rise - 2], self.edges[self.rise - 1]} if self.level else set[int]()
        return frozenset(self.edges) - bends


def spine(drawing: Drawing) -> Spine:
    """The longest way through a drawing; the first of several."""
    edges = _longest_way(drawing)
    boxes = [drawing.edges[number].source for number in edges[:1]]
    boxes += [drawing.edges[number].target for number in edges]
    level = _levels(drawing, boxes, set(edges))
    rise = len(boxes)
    if level:
        start, end = (boxes.index(box) for box in level[-1])
        rise = start + (end - start + 1) // 2 + 1
    return Spine(tuple(boxes), tuple(edges), rise, level)


def _longest_way(drawing: Drawing) -> list[int]:
    """Edges in order. Boxes stand in order of evaluation, so one pass over them suffices."""
    into: dict[int, list[int]] = {}
    for number, edge in enumerate(drawing.edges):
        into.setdefault(edge.target, []).append(number)
    length: dict[int, int] = {}
    last: dict[int, int] = {}
    for box in range(len(drawing.boxes)):
        ways = [(length[drawing.edges[number].source] + 1, -number) for number in into.get(box, ())]
        length[box], number = max(ways, default=(0, 0))
        if ways:
            last[box] = -number
    ends = [number for number, box in enumerate(drawing.boxes) if box.kind == "output"]
    box = max(ends, key=lambda end: (length[end], -end), default=0)
    way: list[int] = []
    while box in last:
        way.append(last[box])
        box = drawing.edges[last[box]].source
    return way[::-1]


def _levels(drawing: Drawing, boxes: list[int], on_spine: set[int]) -> tuple[tuple[int, int], ...]:
    """The ends of the ways across, from the outermost in, where a network has the form of a U.

    It has where nothing stands beside the spine, and two or more edges leave it and come back,
    each within the one before.
    """
    if len(boxes) != len(drawing.boxes):
        return ()
    place = {box: number for number, box in enumerate(boxes)}
    across = sorted(
        (place[edge.source], place[edge.target])
        for number, edge in enumerate(drawing.edges)
        if number not in on_spine
    )
    nested = all(a[0] < b[0] and b[1] < a[1] for a, b in pairwise(across))
    if len(across) < 2 or not nested or across[-1][1] - across[-1][0] < 2:
        return ()
    return tuple((boxes[start], boxes[end]) for start, end in across)

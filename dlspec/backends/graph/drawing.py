"""A picture of a network before anything is laid out: boxes, frames and edges, in words.

Each format is written from this one value, so that all of them show the same network.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from dlspec.layers.families import Family

BoxKind: TypeAlias = Literal["input", "output", "auxiliary", "parameter", "layers", "block", "fork"]
"""`fork`: the place in an unfolded block where a value that came in parts into several."""


Members: TypeAlias = dict[int | None, list[int]]
"""By frame; None is outside all of them."""


class Band(NamedTuple):
    """One line of a box: a layer, or the name of whatever else the box stands for.

    name: `Conv 3×3` · detail: what stands behind it, `64, stride 2` · family: of the layer
    """

    name: str
    detail: str = ""
    family: Family = "other"


class Box(NamedTuple):
    """A thing that values flow into or out of.

    frame: the number of the frame it stands in, None outside all of them
    repeat: how many equal ones in a row it stands for
    note: what a person reads who points at it
    """

    kind: BoxKind
    bands: tuple[Band, ...]
    frame: int | None = None
    repeat: int = 1
    note: str = ""


class Frame(NamedTuple):
    """An unfolded block. `parent` is the number of the frame it stands in."""

    title: str
    detail: str
    parent: int | None
    repeat: int = 1
    note: str = ""


class Edge(NamedTuple):
    """A value that flows from one box to another, by their numbers.

    shape: `64×56×56` · auxiliary: it exists in training alone
    """

    source: int
    target: int
    shape: str
    auxiliary: bool = False


class Drawing(NamedTuple):
    """The whole picture. Boxes and frames are known by their number in these tuples."""

    title: str
    note: str
    boxes: tuple[Box, ...]
    frames: tuple[Frame, ...]
    edges: tuple[Edge, ...]

    def inside(self) -> tuple[Members, Members]:
        """The numbers of the boxes and of the frames that stand directly in each frame."""
        boxes: Members = {}
        frames: Members = {}
        for number, box in enumerate(self.boxes):
            boxes.setdefault(box.frame, []).append(number)
        for number, frame in enumerate(self.frames):
            frames.setdefault(frame.parent, []).append(number)
        return boxes, frames

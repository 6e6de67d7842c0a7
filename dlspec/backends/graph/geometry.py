"""A drawing laid out: places in pixels from the top left corner."""

from __future__ import annotations

from typing import NamedTuple


class Size(NamedTuple):
    """Width and height in pixels."""

    width: float
    height: float


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
    """A drawing laid out: everything in the order of the drawing.

    titles: the top left corners of the frames' titles
    """

    size: Size
    boxes: tuple[Area, ...]
    frames: tuple[Area, ...]
    titles: tuple[Point, ...]
    edges: tuple[Curve, ...]

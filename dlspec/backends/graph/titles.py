"""Where a frame's title stands: beside the edges that come in at the top, where there is room."""

from __future__ import annotations

from collections.abc import Iterable

from dlspec.backends.graph.geometry import Area, Curve, Point, Size

INDENT, DROP = 12.0, 6.0
"""Of a title from the left and the upper side of its frame."""
CLEAR = 8.0
"""Between a title and an edge."""
STEPS = 12
"""Points looked at on each piece of a curve."""


def title_place(area: Area, size: Size, curves: Iterable[Curve]) -> Point:
    """The top left corner of a title of a size in a frame.

    Left, else right behind an edge, else left again and over the edge.
    """
    strip = Area(area.x, area.y, area.width, DROP + size.height)
    crossings = sorted(x for curve in curves for x in _crossings(curve, strip))
    starts = [area.x + INDENT, *(x + CLEAR for x in crossings)]
    for x in starts:
        fits = x + size.width <= area.x + area.width
        if fits and not any(x - CLEAR < c < x + size.width + CLEAR for c in crossings):
            return Point(round(x, 2), area.y + DROP)
    return Point(starts[0], area.y + DROP)


def _crossings(curve: Curve, strip: Area) -> Iterable[float]:
    """Where a curve runs through a strip."""
    points = curve.points
    low, high = strip.y, strip.y + strip.height
    for first in range(0, len(points) - 3, 3):
        piece = points[first : first + 4]
        if max(p.y for p in piece) < low or min(p.y for p in piece) > high:
            continue
        for step in range(STEPS + 1):
            place = _on_curve(piece, step / STEPS)
            if low <= place.y <= high and strip.x <= place.x <= strip.x + strip.width:
                yield place.x


def _on_curve(piece: tuple[Point, ...], t: float) -> Point:
    """The point at `t` from 0 to 1 of a cubic Bézier curve."""
    s = 1 - t
    weights = (s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t)
    return Point(
        sum(w * p.x for w, p in zip(weights, piece, strict=True)),
        sum(w * p.y for w, p in zip(weights, piece, strict=True)),
    )

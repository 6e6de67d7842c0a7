"""An SVG picture as PNG, drawn by resvg in the typeface that comes with the package."""

from __future__ import annotations

from dlspec.backends.graph.geometry import Size
from dlspec.backends.graph.typeface import font_files

SHARP = 2.0
"""Pixels of PNG for one of SVG, where the picture is not too large for it."""
MOST_PIXELS = 60_000_000
LONGEST_SIDE = 30_000
"""What viewers of pictures still open."""


def scale(size: Size) -> float:
    """How many pixels of PNG one of SVG becomes: two, fewer where the picture is large."""
    by_area = (MOST_PIXELS / (size.width * size.height)) ** 0.5
    return min(SHARP, by_area, LONGEST_SIDE / max(size))


def to_png(svg: str, size: Size) -> bytes:
    """The content of a PNG file.

    size: of the whole SVG. Raises ModuleNotFoundError without resvg-py.
    """
    import resvg_py

    return resvg_py.svg_to_bytes(
        svg_string=svg, zoom=scale(size), skip_system_fonts=True, font_files=font_files()
    )

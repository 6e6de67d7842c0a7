"""The picture of a network: DOT and Mermaid are text, SVG and PNG are laid out first."""

from __future__ import annotations

from dlspec.backends.graph.building import draw
from dlspec.backends.graph.dot import to_dot
from dlspec.backends.graph.drawing import Drawing
from dlspec.backends.graph.layout import PictureTooLarge, lay_out
from dlspec.backends.graph.mermaid import to_mermaid
from dlspec.backends.graph.png import to_png
from dlspec.backends.graph.svg import svg_size, to_svg

FORMATS = ("svg", "png", "dot", "mmd")

__all__ = ["FORMATS", "Drawing", "PictureTooLarge", "draw", "picture"]


def picture(drawing: Drawing, format: str) -> bytes:
    """The content of a file with the picture, in one of `FORMATS`.

    Raises PictureTooLarge for what cannot be laid out, ModuleNotFoundError where a package that
    lays out or draws is missing.
    """
    if format == "dot":
        return to_dot(drawing).encode()
    if format == "mmd":
        return to_mermaid(drawing).encode()
    layout = lay_out(drawing)
    svg = to_svg(drawing, layout)
    return to_png(svg, svg_size(layout)) if format == "png" else svg.encode()

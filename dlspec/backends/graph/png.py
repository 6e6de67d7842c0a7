"""An SVG picture as PNG, drawn by resvg with the fonts that come with the package."""

from __future__ import annotations

from dlspec.backends.graph.typeface import font_files

def to_png(svg: str, scale: float) -> bytes:
    import resvg_py

    return resvg_py.svg_to_bytes(
        svg_string=svg, zoom=scale, skip_system_fonts=True, font_files=font_files()
    )

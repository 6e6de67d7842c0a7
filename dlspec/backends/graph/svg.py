"""A laid out drawing as SVG: one file, no script, nothing loaded from elsewhere."""

from __future__ import annotations

from math import ceil
from xml.sax.saxutils import escape

from dlspec.backends.graph.drawing import Box, Drawing, Frame
from dlspec.backends.graph.geometry import Area, Curve, Layout, Point, Size
from dlspec.backends.graph.palette import COLOURS, FRAME_FILL, Colours
from dlspec.backends.graph.sizes import (
    BAND_HEIGHT,
    BLOCK_HEIGHT,
    DETAIL_HEIGHT,
    DETAIL_SIZE,
    GAP,
    NAME_SIZE,
    SHAPE_SIZE,
    block_title,
    wrapped,
)
from dlspec.backends.graph.typeface import FAMILY, MEDIUM

PADDING = 16.0
"""Around the whole picture."""

STYLE = f"""
text {{ font-family: {FAMILY}; fill: #1f2933; }}
.name {{ font-size: {NAME_SIZE:g}px; font-weight: {MEDIUM}; }}
.detail {{ font-size: {DETAIL_SIZE:g}px; fill: #4a5763; }}
.shape {{ font-size: {SHAPE_SIZE:g}px; fill: #52606d; }}
.shape {{ paint-order: stroke; stroke: #ffffff; stroke-width: 3px; }}
.edge {{ fill: none; stroke: #7b8794; stroke-width: 1.2; }}
.over {{ paint-order: stroke; stroke: {FRAME_FILL}; stroke-width: 4px; }}
.frame {{ fill: {FRAME_FILL}; stroke: #9fb0c3; stroke-width: 1.2; }}
.training {{ stroke-dasharray: 5 4; }}
"""


def svg_size(layout: Layout) -> Size:
    """The size of the whole picture, in whole pixels."""
    return Size(*(float(ceil(length + 2 * PADDING)) for length in layout.size))


def to_svg(drawing: Drawing, layout: Layout) -> str:
    """The picture as the text of an SVG file."""
    wide, high = svg_size(layout)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:g}" height="{high:g}" '
        f'viewBox="0 0 {wide:g} {high:g}" role="img">',
        _title(drawing.title),
        f"<desc>{_text(drawing.note)}</desc>" if drawing.note else "",
        f"<style>{STYLE}</style>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0.5 0.8 7.5 4 0.5 7.2z" fill="#7b8794"/>'
        "</marker></defs>",
        f'<rect width="{wide:g}" height="{high:g}" fill="#ffffff"/>',
        f'<g transform="translate({PADDING:g} {PADDING:g})">',
        *(_frame(f, a) for f, a in zip(drawing.frames, layout.frames, strict=True)),
        *(
            _edge(curve, edge.auxiliary)
            for edge, curve in zip(drawing.edges, layout.edges, strict=True)
        ),
        *(_box(b, a) for b, a in zip(drawing.boxes, layout.boxes, strict=True)),
        *(
            _shape(edge.shape, curve.label)
            for edge, curve in zip(drawing.edges, layout.edges, strict=True)
            if curve.label is not None
        ),
        *(_frame_title(f, p) for f, p in zip(drawing.frames, layout.titles, strict=True)),
        "</g>",
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _frame(frame: Frame, area: Area) -> str:
    card = _rectangle(area, 10, 'class="frame"')
    return f"<g>{_title(frame.note)}{card}</g>"


def _frame_title(frame: Frame, place: Point) -> str:
    """A frame's title. It stands over the edges, where one has to pass behind it."""
    x, y = place.x, place.y + 13
    title = block_title(frame.title, frame.repeat)
    rows = [f'<text class="name over" x="{x:g}" y="{y:g}">{_text(title)}</text>']
    for number, line in enumerate(wrapped(frame.detail)):
        below = y + 15 + number * DETAIL_HEIGHT
        rows.append(f'<text class="detail over" x="{x:g}" y="{below:g}">{_text(line)}</text>')
    return "".join(rows)


def _box(box: Box, area: Area) -> str:
    if box.kind == "layers":
        inside = _stack(box, area)
    elif box.kind == "block":
        inside = _block(box, area)
    elif box.kind == "fork":
        inside = _rectangle(area, area.height / 2, 'fill="#7b8794"')
    else:
        inside = _pill(box, area)
    return f"<g>{_title(box.note)}{inside}</g>"


def _pill(box: Box, area: Area) -> str:
    colours = COLOURS["parameter" if box.kind == "parameter" else "end"]
    style = _style(colours) + (' class="training"' if box.kind == "auxiliary" else "")
    shape = _rectangle(area, area.height / 2, style)
    return shape + _band_text(box.bands[0].name, box.bands[0].detail, area, area.height)


def _stack(box: Box, area: Area) -> str:
    """Bands of colour one below the other, rounded together."""
    first = COLOURS[box.bands[0].family]
    parts: list[str] = []
    last = len(box.bands) - 1
    for number, band in enumerate(box.bands):
        colours = COLOURS[band.family]
        part = Area(area.x, area.y + number * BAND_HEIGHT, area.width, BAND_HEIGHT)
        parts.append(_slice(part, number == 0, number == last, colours.fill))
        parts.append(_band_text(band.name, band.detail, part, BAND_HEIGHT))
    outline = _rectangle(area, 6, f'fill="none" stroke="{first.line}" stroke-width="1.2"')
    return "".join(parts) + outline


def _slice(area: Area, top: bool, bottom: bool, fill: str) -> str:
    r = 6.0
    x, y, w, h = area
    path = f"M{x:g} {y + (r if top else 0):g}"
    path += f"q0 {-r:g} {r:g} {-r:g}h{w - 2 * r:g}q{r:g} 0 {r:g} {r:g}" if top else f"h{w:g}"
    path += f"V{y + h - (r if bottom else 0):g}"
    path += f"q0 {r:g} {-r:g} {r:g}h{2 * r - w:g}q{-r:g} 0 {-r:g} {-r:g}" if bottom else f"h{-w:g}"
    return f'<path d="{path}z" fill="{fill}"/>'


def _block(box: Box, area: Area) -> str:
    """A folded block: a card, with cards behind it where it stands for several."""
    style = _style(COLOURS["block"], 1.4)
    parts: list[str] = []
    if box.repeat > 1:
        parts += [_rectangle(area._replace(x=area.x + 4, y=area.y + 4), 8, style)]
    parts.append(_rectangle(area, 8, style))
    band = box.bands[0]
    title = block_title(band.name, box.repeat)
    middle = area.x + area.width / 2
    parts.append(_middle("name", title, middle, area.y + BLOCK_HEIGHT / 2 + 4.5))
    for number, line in enumerate(wrapped(band.detail)):
        parts.append(
            _middle("detail", line, middle, area.y + BLOCK_HEIGHT + 7 + number * DETAIL_HEIGHT)
        )
    return "".join(parts)


def _band_text(name: str, detail: str, area: Area, height: float) -> str:
    """A name and what stands behind it, in the middle together."""
    y = area.y + height / 2 + 4.5
    if not detail:
        return _middle("name", name, area.x + area.width / 2, y)
    spans = (
        f'<tspan class="name">{_text(name)}</tspan>'
        f'<tspan class="detail" dx="{GAP:g}">{_text(detail)}</tspan>'
    )
    middle = area.x + area.width / 2
    return f'<text x="{middle:g}" y="{y:g}" text-anchor="middle">{spans}</text>'


def _middle(kind: str, text: str, x: float, y: float) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="middle">{_text(text)}</text>'


def _edge(curve: Curve, training: bool) -> str:
    first, *rest = curve.points
    path = f"M{first.x:g} {first.y:g}C" + " ".join(f"{p.x:g} {p.y:g}" for p in rest)
    kind = "edge training" if training else "edge"
    return f'<path class="{kind}" d="{path}" marker-end="url(#arrow)"/>'


def _shape(text: str, place: Point) -> str:
    return _middle("shape", text, place.x, place.y + 3.8)


def _rectangle(area: Area, radius: float, style: str) -> str:
    x, y, w, h = area
    return f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="{radius:g}" {style}/>'


def _style(colours: Colours, thickness: float = 1.2) -> str:
    return f'fill="{colours.fill}" stroke="{colours.line}" stroke-width="{thickness:g}"'


def _title(text: str) -> str:
    return f"<title>{_text(text)}</title>" if text else ""


def _text(text: str) -> str:
    """Text between tags: escaped, and without the characters that XML does not allow."""
    return escape("".join(c if _allowed(c) else "\ufffd" for c in text))


def _allowed(character: str) -> bool:
    number = ord(character)
    return (
        character in "\t\n" or 0x20 <= number < 0xD800 or 0xE000 <= number not in (0xFFFE, 0xFFFF)
    )

"""How big each box is and where its text stands in it."""

from __future__ import annotations

from dlspec.backends.graph.drawing import Band, Box, Frame
from dlspec.backends.graph.geometry import Size
from dlspec.backends.graph.typeface import MEDIUM, REGULAR, width

NAME_SIZE, DETAIL_SIZE, SHAPE_SIZE = 13.0, 11.0, 10.5
BAND_HEIGHT, BLOCK_HEIGHT, PILL_HEIGHT = 24.0, 28.0, 26.0
DETAIL_HEIGHT = 14.0
FORK = 7.0
LINE_HEIGHT = 14.0
MARGIN = 14.0
"""Left and right of a text in its box."""
GAP = 7.0
"""Between a name and what stands behind it."""
LONGEST_LINE = 190.0
"""Pixels of a block's arguments on one line."""
MOST_LINES = 2
SLACK = 1.06
"""Room for a browser's typeface that is a little wider than Roboto."""


def box_size(box: Box) -> Size:
    """The size of a box."""
    if box.kind == "block":
        return _block_size(box)
    if box.kind == "fork":
        return Size(FORK, FORK)
    wide = max(band_width(band) for band in box.bands)
    if box.kind == "layers":
        return _whole(wide + 2 * MARGIN, BAND_HEIGHT * len(box.bands))
    return _whole(wide + 2 * MARGIN, PILL_HEIGHT)


def band_width(band: Band) -> float:
    """The width of one line: a name and what stands behind it."""
    wide = width(band.name, NAME_SIZE, MEDIUM)
    if band.detail:
        wide += GAP + width(band.detail, DETAIL_SIZE)
    return wide * SLACK


def block_title(name: str, repeat: int) -> str:
    """`Bottleneck ×5`."""
    return f"{name} ×{repeat}" if repeat > 1 else name


def _block_size(box: Box) -> Size:
    band = box.bands[0]
    wide = width(block_title(band.name, box.repeat), NAME_SIZE, MEDIUM)
    details = wrapped(band.detail)
    wide = max([wide, *(width(line, DETAIL_SIZE) for line in details)])
    height = BLOCK_HEIGHT + DETAIL_HEIGHT * len(details) + (4 if details else 0)
    return _whole(wide * SLACK + 2 * MARGIN, height)


def wrapped(detail: str) -> list[str]:
    """A block's arguments on at most two lines, cut where they are longer."""
    if not detail:
        return []
    found = [""]
    for part in detail.split(", "):
        longer = f"{found[-1]}, {part}" if found[-1] else part
        if found[-1] and width(longer, DETAIL_SIZE) > LONGEST_LINE:
            if len(found) == MOST_LINES:
                found[-1] += ", …"
                break
            found[-1] += ","
            found.append(part)
        else:
            found[-1] = longer
    return found


def label_size(text: str) -> Size:
    """The room that a shape on an edge takes."""
    return _whole(width(text, SHAPE_SIZE) * SLACK + 10, LINE_HEIGHT)


def frame_title_size(frame: Frame) -> Size:
    """The room that a frame's title takes."""
    wide = width(block_title(frame.title, frame.repeat), NAME_SIZE, MEDIUM)
    details = wrapped(frame.detail)
    if details:
        wide = max(wide, *(width(line, DETAIL_SIZE, REGULAR) for line in details))
    return _whole(wide * SLACK + 8, 18.0 + DETAIL_HEIGHT * len(details))


def _whole(wide: float, high: float) -> Size:
    """Even numbers of pixels, so that middles are whole too."""
    return Size(2 * round(wide / 2 + 0.499), 2 * round(high / 2))

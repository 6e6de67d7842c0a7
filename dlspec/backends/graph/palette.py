"""The colours of the pictures: light fills that dark text stands well on, one hue a family."""

from __future__ import annotations

from typing import NamedTuple


class Colours(NamedTuple):
    """Of an area and of the line around it."""

    fill: str
    line: str


COLOURS: dict[str, Colours] = {
    "convolution": Colours("#d9e8fb", "#5a8fcf"),
    "dense": Colours("#e4defa", "#8371cc"),
    "sequence": Colours("#f6dcf0", "#b8679f"),
    "pooling": Colours("#fde4d0", "#d98b4f"),
    "normalization": Colours("#fff3c9", "#cfa92b"),
    "activation": Colours("#fbdcdc", "#d07272"),
    "regularization": Colours("#ebebef", "#9a9aa8"),
    "merging": Colours("#d8f1de", "#58a66c"),
    "shape": Colours("#dcf0f2", "#4f9fa8"),
    "other": Colours("#eef1f4", "#8896a5"),
    "parameter": Colours("#e4defa", "#8371cc"),
    "block": Colours("#ffffff", "#52667a"),
    "end": Colours("#e9edf1", "#8896a5"),
}

FRAME_FILL = "#f7f9fb"

"""What is written on a box: a layer, a block or a shape in as few words as a figure uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlspec.backends.graph.drawing import Band
from dlspec.ir.graph import Graph
from dlspec.ir.layer import Layer
from dlspec.ir.types import TensorType
from dlspec.layers.families import family

WINDOWS = ("kernel", "size")
"""Arguments that figures write as `3×3`, close behind the layer's name."""

LEFT_OUT = frozenset(
    {"bias", "padding", "padding_mode", "output_padding", "ceil", "count_include_pad"}
    | {"eps", "momentum", "approximate"}
)
"""Arguments that figures leave out: the shapes on the edges tell what matters of them."""

UNNAMED = frozenset(
    {"filters", "units", "rate", "factor", "offset", "exponent", "numerator"}
    | {"kernel", "shape", "order", "scale"}
)
"""Arguments that figures write as a bare number."""

LONGEST = 40
"""Characters of a list or a text on a box."""


def layer_band(layer: Layer, inputs: tuple[TensorType, ...]) -> Band:
    """`Conv 3×3` and `64, stride 2`."""
    windows: list[str] = []
    details: list[str] = []
    for name, field in type(layer).model_fields.items():
        value = getattr(layer, name)
        spelled = field.alias or name
        if field.is_required() and name in WINDOWS:
            windows.append(_window(value, inputs))
        elif field.is_required() or (value != field.default and name not in LEFT_OUT):
            bare = name in UNNAMED and not isinstance(value, bool)
            details.append(_plain(value) if bare else _named(spelled, value))
    return Band(" ".join([layer.kind, *windows]), ", ".join(details), family(layer))


def layer_text(layer: Layer) -> str:
    """`Conv(64, 3, stride=2)`, as a spec writes it."""
    parts: list[str] = []
    for name, field in type(layer).model_fields.items():
        value = getattr(layer, name)
        if field.is_required():
            parts.append(_plain(value))
        elif value != field.default:
            parts.append(f"{field.alias or name}={_plain(value)}")
    return f"{layer.kind}({', '.join(parts)})" if parts else layer.kind


def arguments_text(graph: Graph) -> str:
    """`width 64, stride 2`: what makes this variant of a block."""
    return _arguments(graph.arguments)


def shape_text(type: TensorType) -> str:
    """`64×56×56`; sums stand in parentheses, elements other than floats are named."""
    sizes = [str(dim) for dim in type.shape]
    sizes = [f"({size})" if " " in size and len(sizes) > 1 else size for size in sizes]
    text = "×".join(sizes) or "number"
    return text if type.dtype == "float" else f"{type.dtype} {text}"


def first_paragraph(documentation: str) -> str:
    """What a comment says first, on one line."""
    return " ".join(documentation.strip().partition("\n\n")[0].split())


def lines(parts: Iterable[str]) -> str:
    """The parts that say something, each on its line."""
    return "\n".join(part for part in parts if part)


def _arguments(arguments: Mapping[str, Any]) -> str:
    return ", ".join(_named(name, value) for name, value in arguments.items())


def _window(value: Any, inputs: tuple[TensorType, ...]) -> str:
    """A window for each spatial axis: 3 is `3×3` on an image."""
    if isinstance(value, int) and not isinstance(value, bool):
        return "×".join([str(value)] * max(1, inputs[0].rank - 1 if inputs else 1))
    if isinstance(value, tuple) and all(isinstance(size, int) for size in value):
        return "×".join(str(size) for size in value)
    return _plain(value)


def _named(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return name if value else f"no {name}"
    return f"{name} {_plain(value)}"


def _plain(value: Any) -> str:
    """A value as a spec writes it, cut where it is long."""
    return _cut(_whole(value))


def _whole(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple | list):
        return "(" + ", ".join(_whole(item) for item in value) + ")"
    return str(value)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"

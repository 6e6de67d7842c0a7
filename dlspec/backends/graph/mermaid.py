"""A drawing as a Mermaid flowchart, which many wikis and READMEs draw where it stands."""

from __future__ import annotations

from collections.abc import Iterator

from dlspec.backends.graph.dot import colour, frame_label, label
from dlspec.backends.graph.drawing import Box, Drawing, Edge, Members
from dlspec.backends.graph.palette import COLOURS

_BRACKETS = {
    "block": ("(", ")"),
    "layers": ("(", ")"),
    "fork": ("((", "))"),
}
_PILL = ("([", "])")

_UNSAFE = frozenset('"#<>&`\\[]{}()|;%')
"""What could end a label or be read as markup: written as a character number."""


def to_mermaid(drawing: Drawing) -> str:
    """The text of a `.mmd` file. Boxes are `n0`, `n1` …, frames are subgraphs."""
    lines = ["flowchart TB", *_members(drawing, drawing.inside(), None, "  ")]
    lines += [f"  {_edge(edge)}" for edge in drawing.edges]
    used: dict[str, list[str]] = {}
    for number, box in enumerate(drawing.boxes):
        used.setdefault(colour(box), []).append(f"n{number}")
    for name, boxes in used.items():
        colours = COLOURS[name]
        style = f"fill:{colours.fill},stroke:{colours.line},color:#1f2933"
        lines.append(f"  classDef {name}Colour {style}")
        lines.append(f"  class {','.join(boxes)} {name}Colour")
    dashed = [f"n{n}" for n, box in enumerate(drawing.boxes) if box.kind == "auxiliary"]
    lines += [f"  style {box} stroke-dasharray:5 4" for box in dashed]
    return "\n".join(lines) + "\n"


def _members(
    drawing: Drawing, inside: tuple[Members, Members], frame: int | None, indent: str
) -> Iterator[str]:
    boxes, frames = inside
    for number in boxes.get(frame, ()):
        box = drawing.boxes[number]
        opening, closing = _BRACKETS.get(box.kind, _PILL)
        yield f"{indent}n{number}{opening}{_written(box)}{closing}"
    for number in frames.get(frame, ()):
        title = _quoted(frame_label(drawing.frames[number]))
        yield f"{indent}subgraph f{number}[{title}]"
        yield from _members(drawing, inside, number, indent + "  ")
        yield f"{indent}end"


def _written(box: Box) -> str:
    return '" "' if box.kind == "fork" else _quoted(label(box))


def _edge(edge: Edge) -> str:
    arrow = "-.->" if edge.auxiliary else "-->"
    shape = f"|{_quoted(edge.shape)}|" if edge.shape else ""
    return f"n{edge.source} {arrow}{shape} n{edge.target}"


def _quoted(text: str) -> str:
    """A quoted label; line ends become `<br/>`, the only markup there is."""
    return '"' + "<br/>".join(_safe(line) for line in text.split("\n")) + '"'


def _safe(line: str) -> str:
    safe = (f"#{ord(c)};" if c in _UNSAFE else c for c in line)
    return "".join(c if c.isprintable() else "\ufffd" for c in safe)

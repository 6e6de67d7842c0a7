"""A drawing in the DOT language of Graphviz, for whoever wants to lay it out otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from dlspec.backends.graph.drawing import Box, Drawing, Edge, Frame, Members
from dlspec.backends.graph.palette import COLOURS, FRAME_FILL
from dlspec.backends.graph.sizes import block_title, wrapped

_HEAD = (
    'graph [fontname="Helvetica", fontsize=11, labeljust=l, nodesep=0.3, ranksep=0.3]',
    'node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11, '
    "height=0.3, margin=0.12]",
    'edge [fontname="Helvetica", fontsize=9, color="#7b8794", arrowsize=0.6]',
)


def to_dot(drawing: Drawing) -> str:
    """The text of a `.dot` file. Boxes are `n0`, `n1` …, frames are clusters."""
    lines = [f"digraph {_quoted(drawing.title)} {{"]
    lines += [f"  {line}" for line in _HEAD]
    lines += _members(drawing, drawing.inside(), None, "  ")
    lines += [f"  {_edge(edge)}" for edge in drawing.edges]
    return "\n".join([*lines, "}"]) + "\n"


def _members(
    drawing: Drawing, inside: tuple[Members, Members], frame: int | None, indent: str
) -> Iterator[str]:
    boxes, frames = inside
    for number in boxes.get(frame, ()):
        yield f"{indent}n{number} [{_box(drawing.boxes[number])}]"
    for number in frames.get(frame, ()):
        yield f"{indent}subgraph cluster_{number} {{"
        yield f"{indent}  {_frame(drawing.frames[number])}"
        yield from _members(drawing, inside, number, indent + "  ")
        yield f"{indent}}}"


def _box(box: Box) -> str:
    parts = [f"label={_quoted(label(box))}"]
    if box.note:
        parts.append(f"tooltip={_quoted(box.note)}")
    if box.kind == "fork":
        return ", ".join(['shape=point, width=0.08, label=""', *parts[1:]])
    colours = COLOURS[colour(box)]
    parts.append(f'fillcolor="{colours.fill}", color="{colours.line}"')
    if box.kind in ("input", "output", "auxiliary", "parameter"):
        dashed = ",dashed" if box.kind == "auxiliary" else ""
        parts.append(f'shape=ellipse, style="filled{dashed}", margin=0.05')
    return ", ".join(parts)


def label(box: Box, separator: str = "\n") -> str:
    """What is written on a box, line by line."""
    if box.kind == "block":
        band = box.bands[0]
        return separator.join([block_title(band.name, box.repeat), *wrapped(band.detail)])
    return separator.join(", ".join(part for part in band[:2] if part) for band in box.bands)


def colour(box: Box) -> str:
    """The name of a box's colours: of its first layer, else of what it is."""
    if box.kind == "layers":
        return box.bands[0].family
    return box.kind if box.kind in COLOURS else "end"


def frame_label(frame: Frame, separator: str = "\n") -> str:
    """What is written on a frame."""
    return separator.join([block_title(frame.title, frame.repeat), *wrapped(frame.detail)])


def _frame(frame: Frame) -> str:
    note = f", tooltip={_quoted(frame.note)}" if frame.note else ""
    return (
        f"graph [label={_quoted(frame_label(frame))}{note}, "
        f'style="rounded,filled", fillcolor="{FRAME_FILL}", color="#9fb0c3"]'
    )


def _edge(edge: Edge) -> str:
    parts = [f"label={_quoted(edge.shape)}"] if edge.shape else []
    if edge.auxiliary:
        parts.append("style=dashed")
    attributes = f" [{', '.join(parts)}]" if parts else ""
    return f"n{edge.source} -> n{edge.target}{attributes}"


def _quoted(text: str) -> str:
    """A quoted string that DOT reads as this very text: no escapes, entities or line ends of
    its own."""
    for plain, written in (("&", "&amp;"), ("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        text = text.replace(plain, written)
    return '"' + "".join(c if c.isprintable() else "\ufffd" for c in text) + '"'

"""The layer reference as text for a terminal of some width, and as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from dlspec.cli.layer_facts import facts
from dlspec.cli.layer_operators import REMARK

if TYPE_CHECKING:
    from dlspec.ir.layer import Layer

_HEAD = """\
# Layers

Written by `dlspec layers --format markdown` from the layers themselves; `dlspec layers Conv` shows
one of them in a terminal. Positional arguments come in the order of the signature, the rest by
keyword. Shapes leave out the batch; images are `[channels, height, width]`, sequences
`[length, features]`. [Layers of your own](custom-layers.md) come in packages.
"""


def listed(groups: Iterable[tuple[str, tuple[type[Layer], ...]]], width: int) -> str:
    """Every layer with its summary, in groups."""
    lines: list[str] = []
    for title, layers in groups:
        lines += ["", title] if lines else [title]
        longest = max(len(layer.kind) for layer in layers)
        for layer in layers:
            lines += _beside(f"  {layer.kind}", layer.summary, longest + 4, width)
    return "\n".join(lines)


def page(layer: dict[str, Any], width: int) -> str:
    """One layer, wrapped to a width."""
    lines = _wrapped(layer["signature"], width, " " * (len(layer["name"]) + 1))
    lines += ["", *_wrapped(layer["summary"], width, "  ", "  ")]
    if layer["arguments"]:
        heads = [f"  {_head(argument)}" for argument in layer["arguments"]]
        column = max(map(len, heads)) + 2
        lines += ["", "Arguments"]
        for head, argument in zip(heads, layer["arguments"], strict=True):
            text = f"{argument['description']}: {argument['type']}"
            lines += _beside(head, text, column, width)
    for title, found in _sections(layer):
        text = found if isinstance(found, str) else ", ".join(found)
        lines += ["", title, *_wrapped(text, width, "  ", "  ")]
    lines += ["", "Example", f"  input x: {layer['example_input']}", f"  {layer['example']}"]
    return "\n".join(lines)


def _head(argument: dict[str, Any]) -> str:
    if "default" in argument:
        return f"{argument['name']} = {argument['default']}"
    return f"{argument['name']} (required)"


def _sections(layer: dict[str, Any]) -> Iterator[tuple[str, str | list[str]]]:
    """The short facts with their titles: sentences, or lists of names."""
    yield "Shape", layer["shape_rule"]
    if layer["inputs"] != [1, 1]:
        yield "Fed", layer["fed"]
    for title, key in (
        ("Also", "names"),
        ("PyTorch", "pytorch"),
        ("ONNX", "onnx"),
        ("Called elsewhere", "elsewhere"),
    ):
        if layer[key]:
            yield title, layer[key]
    if layer["package"] is not None:
        yield "Package", [layer["package"]]


def _beside(head: str, text: str, column: int, width: int) -> list[str]:
    """A text in the column beside its head."""
    return _wrapped(text, width, " " * column, head.ljust(column))


def _wrapped(text: str, width: int, indent: str, first: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


# --- Markdown ----------------------------------------------------------------------------


def markdown(groups: Iterable[tuple[str, tuple[type[Layer], ...]]]) -> str:
    """The reference as Markdown; a group without a title stands alone, without the page's head."""
    parts: list[str] = []
    for title, layers in groups:
        if title and not parts:
            parts.append(_HEAD)
        if title:
            parts.append(f"## {title}\n")
        parts += [_section(facts(layer)) for layer in layers]
    return "\n".join(parts)


def _section(layer: dict[str, Any]) -> str:
    lines = [f"### {layer['name']}", "", f"`{layer['signature']}`", ""]
    lines += [*_wrapped(layer["summary"], 100, ""), ""]
    if layer["arguments"]:
        lines += ["| argument | default | takes | meaning |", "| --- | --- | --- | --- |"]
        lines += [_row(argument) for argument in layer["arguments"]]
        lines.append("")
    lines += [f"- **{title}**: {_marked(text)}" for title, text in _sections(layer)]
    model = [f"  input x: {layer['example_input']}", f"  {layer['example']}"]
    lines += ["", "```dlnet", "model Example {", *model, "}", "```", ""]
    return "\n".join(lines)


def _row(argument: dict[str, Any]) -> str:
    default = f"`{argument['default']}`" if "default" in argument else "required"
    cells = (f"`{argument['name']}`", default, argument["type"], argument["description"])
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _marked(found: str | list[str]) -> str:
    """Names as code; what is a sentence, or a remark behind a name, stays one."""
    if isinstance(found, str):
        return found
    names = (part.partition(REMARK) for part in found)
    return ", ".join(
        f"{name if name.startswith('no') else f'`{name}`'}{mark}{rest}"
        for name, mark, rest in names
    )

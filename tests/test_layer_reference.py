"""The generated layer reference: it is what the layers say now, and its examples are right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dlspec.cli.layer_pages import markdown
from dlspec.ir.layer import Layer
from dlspec.layers import GROUPS, all_layers, grouped
from dlspec.pipeline import compile_text

REFERENCE = Path(__file__).parent.parent / "docs/layers.md"
WRITTEN = [layer for layer in all_layers() if not layer.operator]


def test_the_page_is_what_the_command_writes() -> None:
    assert markdown(list(grouped())) == REFERENCE.read_text(encoding="utf-8"), "run `make docs`"


def test_every_layer_stands_in_its_group() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    headings = re.findall(r"^(##|###) (.+)$", text, re.MULTILINE)
    written = {layer.kind for layer in WRITTEN}
    expected: list[tuple[str, str]] = []
    for title, pairs in GROUPS:
        names = [name for name, _ in pairs if name in written]
        if names:
            expected += [("##", title), *(("###", name) for name in names)]
    assert headings == expected


@pytest.mark.parametrize("layer", WRITTEN, ids=[layer.kind for layer in WRITTEN])
def test_an_example_compiles_to_its_layer(layer: type[Layer]) -> None:
    """Silently, and to PyTorch; the block of the page is the same spec."""
    from dlspec.backends.torch import emit

    text = f"model Example {{\n  input x: {layer.example_input}\n  {layer.example}\n}}\n"
    assert f"```dlnet\n{text}```" in REFERENCE.read_text(encoding="utf-8")
    compiled = compile_text(text)
    assert compiled.diagnostics == ()
    program = compiled.checked()
    kinds = {node.layer.kind for node in program.graphs["Example"].nodes}
    assert layer.kind in kinds
    compile(emit(program, "Example"), layer.kind, "exec")


def test_a_drift_would_be_seen() -> None:
    first, *rest = grouped()
    assert markdown([(first[0], first[1][1:]), *rest]) != REFERENCE.read_text(encoding="utf-8")

"""Recurrent layers and attention: published figures, their arguments, and what a misfit is told.

`test_layers` compares their numbers in PyTorch and ONNX Runtime.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from layer_evaluators import build_module, run_torch

from dlspec import pipeline
from dlspec.ir.forms import TorchForm
from dlspec.ir.graph import Graph, LayerNode, Program
from dlspec.ir.types import tensor
from dlspec.layers import find
from dlspec.passes.measure import totals

CHARACTERS = """
model Characters {
  input tokens: int[50]
  OneHot(65) -> LSTM(512, layers=2) -> Dense(65)
}
"""


def compiled(text: str) -> tuple[Program, Graph]:
    program = pipeline.compile_text(text).checked()
    return program, program.graphs[program.models[0]]


def test_the_character_lstm_has_its_published_figures() -> None:
    program, graph = compiled(CHARACTERS)
    cost = totals(program, graph)
    assert cost.parameters == 3_320_385
    assert cost.macs == 165_606_400
    assert graph.types[graph.outputs[0].value] == tensor(50, 65)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_two_directions_in_two_layers(kind: str) -> None:
    module = getattr(torch.nn, kind)(7, 5, 2, bidirectional=True)
    program, graph = compiled(
        f"model M {{\n  input x: float[9, 7]\n  {kind}(5, layers=2, bidirectional=true)\n}}\n"
    )
    assert totals(program, graph).parameters == sum(p.numel() for p in module.parameters())
    assert graph.types[graph.outputs[0].value] == tensor(9, 10)


def test_return_is_written_as_in_a_spec_in_the_json_form_too(tmp_path: Path) -> None:
    program, graph = compiled(
        "model M {\n  input x: float[9, 7]\n  LSTM(5, return=last, bidirectional=true)\n}\n"
    )
    node = graph.nodes[0]
    assert isinstance(node, LayerNode)
    dumped = node.layer.model_dump(mode="json")
    assert dumped["return"] == "last" and "returns" not in dumped
    assert graph.types[graph.outputs[0].value] == tensor(10)
    file = tmp_path / "m.json"
    file.write_text(program.model_dump_json())
    assert pipeline.compile_file(str(file)).checked() == program


def test_multihead_attention_counts_projections_scores_and_sums() -> None:
    program, graph = compiled(
        "model M {\n  input x: float[20, 48]\n  Attention(6, causal=true)\n}\n"
    )
    cost = totals(program, graph)
    assert cost.parameters == 4 * 48 * 48 + 4 * 48
    assert cost.macs == 4 * 20 * 48 * 48 + 2 * 20 * 20 * 48


@pytest.mark.parametrize("fed", [1, 3])
def test_a_causal_position_does_not_see_what_comes_later(fed: int) -> None:
    cls = find("Attention")
    assert cls is not None
    inputs = (tensor(6, 8),) * fed
    layer = cls(heads=2, causal=True)
    form = layer.torch(inputs, layer.infer(inputs))
    assert isinstance(form, TorchForm)
    module = build_module(form)
    x = torch.randn(1, 6, 8, generator=torch.Generator().manual_seed(0))
    changed = x.clone()
    changed[:, 4:] += 1
    (before,), (after,) = (run_torch(form, module, [value] * fed) for value in (x, changed))
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert (before[:, 4:] - after[:, 4:]).abs().amin(-1).min() > 1e-6


@pytest.mark.parametrize(
    ("line", "code", "part"),
    [
        ("LSTM(5, dropout=0.2)", "E0303", "there is only one"),
        ("Flatten -> GRU(5)", "E0401", "`GRU` needs [length, features]; this is [960]"),
        ("Attention(7)", "E0404", "cannot share 48 features among 7 heads"),
        ("(it, it) -> Attention(6)", "E0407", "(query, key, value)"),
        ("(it, it[0..3], it) -> Attention(6)", "E0402", "[3, 48] and [20, 48]"),
        (
            "(it, it[0..3], it[0..3]) -> Attention(6, causal=true)",
            "E0402",
            "as many keys as queries",
        ),
        ("OneHot(5)", "E0406", "`OneHot` works on whole numbers; this is float[20, 48]"),
        ("PositionEmbedding(10)", "E0402", "has 10 positions; the sequence has 20"),
        ("RNN(5, activation=gelu)", "E0303", "must be `tanh` or `relu`"),
        ("LSTM(5, return=first)", "E0303", "must be `sequence` or `last`"),
    ],
)
def test_what_a_misfit_is_told(line: str, code: str, part: str) -> None:
    text = f"model M {{\n  input x: float[20, 48]\n  {line}\n}}\n"
    errors = [d for d in pipeline.compile_text(text).diagnostics if d.severity == "error"]
    assert [error.code for error in errors] == [code], errors
    assert part in errors[0].message

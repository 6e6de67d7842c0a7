"""The page for those who come from Keras or PyTorch: what stands side by side is the same."""

from __future__ import annotations

import ast
from itertools import pairwise

import pytest
from test_docs import ROOT, blocks

pytest.importorskip("torch")

import torch
import torch.nn.functional as F
from torch import nn

import dlspec
from dlspec.backends.torch import emit_module, load_module

PAGE = ROOT / "docs" / "from-keras-and-pytorch.md"
BLOCKS = blocks(PAGE)
PAIRS = [(a, b) for a, b in pairwise(BLOCKS) if (a.info, b.info) == ("dlnet", "python torch")]


def test_there_is_something_to_compare() -> None:
    assert len(PAIRS) == len([b for b in BLOCKS if b.info == "python torch"]) >= 5


@pytest.mark.parametrize(("spec", "program"), PAIRS, ids=[a.place for a, _ in PAIRS])
def test_a_spec_is_the_program_beside_it(spec: object, program: object) -> None:
    made = dlspec.loads(spec.text).program  # type: ignore[attr-defined]
    ours = load_module(emit_module(made, made.models[-1]))().eval()
    space = {"torch": torch, "nn": nn, "F": F}
    exec(program.text, space)  # type: ignore[attr-defined]
    theirs, inputs = space["model"].eval(), space["inputs"]
    shapes = sorted(tuple(p.shape) for p in theirs.parameters())
    assert sorted(tuple(p.shape) for p in ours.parameters()) == shapes
    with torch.no_grad():
        assert ours(*inputs).shape == theirs(*inputs).shape


def test_what_keras_says_is_python() -> None:
    texts = [block.text for block in BLOCKS if block.info == "python keras"]
    assert len(texts) == len(PAIRS)
    for text in texts:
        ast.parse(text)

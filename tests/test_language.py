"""The cases of the model language run: PyTorch and ONNX Runtime give one set of numbers.

Their promises say which shapes and counts they have; here both programs are made and run.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from dlspec.backends.onnx import build_file
from dlspec.backends.torch import emit_module, load_module
from dlspec.ir.dims import substitute, symbols
from dlspec.ir.graph import Graph, Program
from dlspec.ir.types import TensorType
from dlspec.ir.walk import weight_shapes
from dlspec.pipeline import compile_file

FOLDER = Path(__file__).parent / "cases" / "model"
RIGHT = [p for p in sorted(FOLDER.glob("*.dlnet")) if not re.search(r"# E\d{4}", p.read_text())]
SIZES = {"length": 6, "height": 8, "width": 5}
BATCH = 2


def shape(type: TensorType) -> tuple[int, ...]:
    """The shape of a value with the batch in front, run-time sizes filled in."""
    known = {name: SIZES.get(name, 4) for size in type.shape for name in symbols(size)}
    sizes = [substitute(size, known) for size in type.shape]  # type: ignore[arg-type]
    return (BATCH, *(size for size in sizes if isinstance(size, int)))


def feeds(graph: Graph) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    values: dict[str, np.ndarray] = {}
    for port in graph.inputs:
        type = graph.types[port.value]
        drawn = generator.standard_normal(shape(type)).astype(np.float32)
        whole = generator.integers(0, 5, shape(type))
        values[port.name] = {"float": drawn, "int": whole, "bool": whole > 2}[type.dtype]
    return values


def module(program: Program, graph: Graph) -> torch.nn.Module:
    torch.manual_seed(0)
    return load_module(emit_module(program, graph.key))().eval()


@pytest.mark.parametrize("path", RIGHT, ids=lambda path: path.stem)
def test_a_case_runs_alike_in_pytorch_and_onnx_runtime(path: Path) -> None:
    torch.set_num_threads(1)
    program = compile_file(path).checked()
    graph = program.graphs[program.models[-1]]
    given = feeds(graph)
    made = module(program, graph)
    learned = {name: tuple(w.shape) for name, w in made.named_parameters()}
    assert learned == weight_shapes(program, graph)
    with torch.no_grad():
        result = made(*(torch.from_numpy(value) for value in given.values()))
    results = result if isinstance(result, dict) else {graph.outputs[0].name: result}
    weights = {name: value.numpy() for name, value in made.state_dict().items()}
    session = onnxruntime.InferenceSession(build_file(program, graph.key, weights))
    for port, value in zip(graph.outputs, session.run(None, given), strict=True):
        ours = results[port.name].numpy()
        assert ours.shape == value.shape == shape(graph.types[port.value])
        np.testing.assert_allclose(value, ours, rtol=1e-4, atol=1e-5)

"""Compares a built ONNX model with the PyTorch model that it stands for, before it is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dlspec.ir.dims import substitute, symbols
from dlspec.ir.graph import Graph
from dlspec.ir.types import TensorType

if TYPE_CHECKING:
    from dlspec.data import Dataset
    from dlspec.ir.training import TrainPlan

Arrays = dict[str, NDArray[Any]]

TOLERANCE = 1e-5
BATCHES = (1, 7)

_RUN_TIME_SIZE = 8
"""Stands for every size known only at run time."""


class Mismatch(Exception):
    """The ONNX model computes something else than PyTorch."""

    exit_code = 1


def compare(content: bytes, graph: Graph, model: nn.Module, inputs: Iterator[Arrays]) -> float:
    """The greatest difference between ONNX Runtime and PyTorch over batches of inputs.

    Differences are absolute for numbers within 1, else relative to the output's greatest.
    Raises Mismatch where it is over 1e-5 or an output is not a number.
    """
    from dlspec.inference.session import open_session

    session = open_session(content, "")
    names = [value.name for value in session.get_outputs()]
    greatest = 0.0
    for batch in inputs:
        theirs = _torch_outputs(graph, model, batch)
        ours = zip(names, map(np.asarray, session.run(None, batch)), strict=True)
        for name, array in ours:
            difference = _difference(array, theirs[name])
            if not difference <= TOLERANCE:
                raise Mismatch(
                    f"`{name}` differs from PyTorch's by {difference:.2g} at batch "
                    f"{len(array)}, over {TOLERANCE:g}; nothing is written"
                )
            greatest = max(greatest, difference)
    return greatest


def _difference(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """The greatest difference; infinity for other shapes, NaN where a number is none."""
    if ours.shape != theirs.shape:
        return float("inf")
    if not ours.size:
        return 0.0
    reference = theirs.astype(np.float64)
    return float(np.abs(ours - reference).max() / max(1.0, np.abs(reference).max()))


def _torch_outputs(graph: Graph, model: nn.Module, batch: Arrays) -> Mapping[str, NDArray[Any]]:
    with torch.inference_mode():
        result = model(*(torch.from_numpy(batch[port.name]) for port in graph.inputs))
    named = result if isinstance(result, dict) else {graph.outputs[0].name: result}
    return {name: tensor.numpy() for name, tensor in named.items()}


def random_inputs(graph: Graph, sizes: tuple[int, ...]) -> Iterator[Arrays]:
    """Seeded batches of these sizes: floats are normal, whole numbers 0 and 1."""
    generator = np.random.default_rng(0)
    for size in sizes:
        yield {
            port.name: _random(generator, size, graph.types[port.value]) for port in graph.inputs
        }


def _random(generator: np.random.Generator, size: int, type_: TensorType) -> NDArray[Any]:
    shape = [size]
    for dim in type_.shape:
        fixed = substitute(dim, dict.fromkeys(symbols(dim), _RUN_TIME_SIZE))
        assert isinstance(fixed, int)
        shape.append(fixed)
    if type_.dtype == "float":
        return generator.standard_normal(shape, np.float32)
    return generator.integers(0, 2, shape).astype(np.int64 if type_.dtype == "int" else np.bool_)


def data_inputs(
    graph: Graph, plan: TrainPlan, dataset: Dataset, sizes: tuple[int, ...]
) -> Iterator[Arrays]:
    """Batches of these sizes of the test split, or of the training split where that is empty,
    prepared as the model takes them; none that the split is too small for."""
    from dlspec.data.preparing import prepare

    split = dataset.test if len(dataset.test) else dataset.train
    _, for_evaluation = prepare(dataset.plan)
    for size in sizes:
        if size > len(split):
            return
        stored = split.take(np.arange(size)).in_memory()
        batch = for_evaluation(
            {name: torch.from_numpy(array) for name, array in stored.fields.items()}
        )
        yield {
            port.name: batch[plan.feeds.get(port.name, port.name)].contiguous().numpy()
            for port in graph.inputs
        }

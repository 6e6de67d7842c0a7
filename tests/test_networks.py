"""The published networks of `specs/`: their figures, what is emitted of them, what they compute.

One line of `NETWORKS` for each line of the table of figures; every test below runs on all of
them, or on those that it picks by what they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import dlspec
from dlspec.backends.onnx import build_file
from dlspec.backends.torch import emit_module, load_module
from dlspec.ir.walk import buffer_shapes, weight_shapes

SPECS = Path(__file__).parent.parent / "specs"
IMAGENET = {"image": [3, 224, 224]}
INCEPTION = {"image": [3, 299, 299]}
CLASSES = {"output": [1000]}


class Network(NamedTuple):
    """One published network.

    name:       what the test is called
    spec:       the file in `specs/`, without its ending
    model:      the model in it
    settings:   what `--set` gives
    inputs, outputs: shapes without the batch, by name
    parameters: learned values, those of auxiliary outputs among them
    macs:       multiply-adds of one example, those of auxiliary outputs among them
    exported:   learned values of the ONNX model, which lacks what auxiliaries alone use;
                `parameters` unless told
    """

    name: str
    spec: str
    model: str
    settings: Mapping[str, str]
    inputs: Mapping[str, list[int]]
    outputs: Mapping[str, list[int]]
    parameters: int
    macs: int
    exported: int | None = None


def _resnet(depth: int, parameters: int, macs: int) -> Network:
    settings = {"depth": str(depth)}
    name = f"ResNet-{depth}"
    return Network(name, "resnet", "ResNet", settings, IMAGENET, CLASSES, parameters, macs)


NETWORKS = [
    _resnet(18, 11_689_512, 1_814_073_344),
    _resnet(34, 21_797_672, 3_663_761_408),
    _resnet(50, 25_557_032, 4_089_184_256),
    _resnet(101, 44_549_160, 7_801_405_440),
    _resnet(152, 60_192_808, 11_513_626_624),
]


@cache
def _loaded(spec: str, settings: tuple[tuple[str, str], ...]) -> dlspec.Spec:
    return dlspec.load(SPECS / f"{spec}.dlnet", dict(settings))


def load(network: Network) -> dlspec.Model:
    """The model of a line of the table."""
    return _loaded(network.spec, tuple(network.settings.items())).models[network.model]


def shapes(ports: list[dict[str, Any]]) -> dict[str, list[int]]:
    return {port["name"]: port["shape"] for port in ports}


def meta_module(model: dlspec.Model) -> nn.Module:
    """The emitted module without the memory of its weights."""
    with torch.device("meta"):
        return load_module(emit_module(model.spec.program, model.graph.key))()


every_network = pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)


@every_network
def test_its_figures_are_the_published_ones(network: Network) -> None:
    summary = load(network).summary()
    assert shapes(summary["inputs"]) == network.inputs
    assert shapes(summary["outputs"]) == network.outputs
    assert summary["parameters"] == network.parameters
    assert summary["macs"] == network.macs
    assert sum(layer["parameters"] for layer in summary["layers"]) == network.parameters
    assert sum(layer["macs"] for layer in summary["layers"]) == network.macs


@every_network
def test_the_emitted_module_has_its_parameters(network: Network) -> None:
    module = meta_module(load(network))
    assert sum(parameter.numel() for parameter in module.parameters()) == network.parameters


@every_network
def test_the_onnx_file_has_the_parameters_of_inference(network: Network) -> None:
    model = load(network)
    program, graph = model.spec.program, model.graph
    learned = weight_shapes(program, graph)
    zeros = {
        name: np.broadcast_to(np.float32(0), shape)
        for name, shape in (learned | buffer_shapes(program, graph)).items()
    }
    content = build_file(program, graph.key, zeros, checked=False)
    onnx.checker.check_model(content)
    exported = onnx.load_from_string(content).graph.initializer
    found = sum(prod(tensor.dims) for tensor in exported if tensor.name in learned)
    assert found == (network.exported or network.parameters)

"""Where two versions of one network look alike and differ: paddings, roundings, constants.

Shapes and counts are the same with the wrong one; only the numbers are not.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from test_networks import NETWORKS, load, meta_module
from torch import nn

from dlspec.backends.onnx import build
from dlspec.ir.walk import buffer_shapes, walk, weight_shapes

BY_NAME = {network.name: network for network in NETWORKS}


@cache
def nodes(name: str) -> tuple[onnx.NodeProto, ...]:
    """The ONNX nodes of a network."""
    model = load(BY_NAME[name])
    program, graph = model.spec.program, model.graph
    shapes = weight_shapes(program, graph) | buffer_shapes(program, graph)
    zeros = {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}
    return tuple(build(program, graph.key, zeros).graph.node)


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


@pytest.mark.parametrize(
    ("name", "pads"),
    [
        ("GoogLeNet", {(3, 3, 3, 3)}),
        ("Inception v2", {(3, 3, 3, 3), (1, 1, 1, 1)}),
        ("Inception v2, separable", {(2, 2, 3, 3), (0, 0, 1, 1)}),  # TensorFlow's `same`
        ("Inception v3", {(0, 0, 0, 0)}),
        ("Inception v4", {(0, 0, 0, 0)}),
        ("Inception-ResNet v1", {(0, 0, 0, 0)}),
        ("Inception-ResNet v2", {(0, 0, 0, 0)}),
        ("ResNet-18", {(3, 3, 3, 3), (1, 1, 1, 1), (0, 0, 0, 0)}),
        ("ResNet-50", {(3, 3, 3, 3), (1, 1, 1, 1), (0, 0, 0, 0)}),
    ],
)
def test_strided_convolutions_are_padded_as_published(name: str, pads: set[Any]) -> None:
    convolutions = [attributes(node) for node in nodes(name) if node.op_type == "Conv"]
    assert {tuple(a["pads"]) for a in convolutions if a["strides"] == [2, 2]} == pads


def test_the_stride_of_a_bottleneck_is_on_its_wide_kernel() -> None:
    convolutions = [attributes(node) for node in nodes("ResNet-50") if node.op_type == "Conv"]
    strided = Counter(tuple(a["kernel_shape"]) for a in convolutions if a["strides"] == [2, 2])
    assert strided == {(7, 7): 1, (3, 3): 3, (1, 1): 3}  # the last are the ways around


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("Inception v2", {1}),
        ("Inception v2, separable", {0}),
        ("Inception v3", {1}),
        ("Inception v3 of Keras", {0}),
        ("Inception v4", {0}),
        ("Inception-ResNet v2", {0}),
    ],
)
def test_average_pooling_counts_padded_cells_where_the_published_one_does(
    name: str, counted: set[int]
) -> None:
    pools = [attributes(node) for node in nodes(name) if node.op_type == "AveragePool"]
    assert {a["count_include_pad"] for a in pools if any(a["pads"])} == counted


@pytest.mark.parametrize(
    ("name", "rounded"),
    [
        ("GoogLeNet", {1}),
        ("GoogLeNet, BatchNorm", {1}),
        ("Inception v2", {1}),
        ("Inception v3", {0}),
        ("Inception-ResNet v2", {0}),
        ("ResNet-50", {0}),
    ],
)
def test_strided_pooling_rounds_as_published(name: str, rounded: set[int]) -> None:
    pools = [attributes(node) for node in nodes(name) if node.op_type == "MaxPool"]
    assert {a["ceil_mode"] for a in pools if a["strides"] == [2, 2]} == rounded


@pytest.mark.parametrize(
    ("name", "eps", "momentum"),
    [
        ("GoogLeNet, BatchNorm", 1e-3, 0.1),
        ("Inception v2", 1e-5, 0.1),
        ("Inception v2, separable", 1e-3, 0.0003),
        ("Inception v3", 1e-3, 0.1),
        ("Inception v3 of Keras", 1e-3, 0.01),
        ("Inception v4", 1e-3, 0.1),
        ("Inception-ResNet v1", 1e-3, 0.1),
        ("Inception-ResNet v2", 1e-3, 0.1),
        ("ResNet-34", 1e-5, 0.1),
    ],
)
def test_batch_norm_is_the_published_one(name: str, eps: float, momentum: float) -> None:
    modules = [
        module
        for module in meta_module(load(BY_NAME[name])).modules()
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)
    ]
    assert {(module.eps, module.momentum) for module in modules} == {(eps, momentum)}
    found = [attributes(node) for node in nodes(name) if node.op_type == "BatchNormalization"]
    assert {a["epsilon"] for a in found} == {float(np.float32(eps))}
    assert len(found) == len(modules)


def test_kerass_inception_v3_and_tf_slims_v2_have_no_scale() -> None:
    for name in ("Inception v3 of Keras", "Inception v2, separable"):
        model = load(BY_NAME[name])
        learned = weight_shapes(model.spec.program, model.graph)
        norms = {path.rpartition(".")[2] for path in learned if "batch_norm" in path}
        assert norms == {"bias"}


def test_caffes_googlenet_pools_before_the_first_lrn_and_behind_the_second() -> None:
    first = [node.op_type for node in nodes("GoogLeNet")][:10]
    assert first == [
        "Conv", "Relu", "MaxPool", "LRN", "Conv", "Relu", "Conv", "Relu", "LRN", "MaxPool",
    ]  # fmt: skip
    lrn = attributes(nodes("GoogLeNet")[3])
    assert lrn["size"] == 5
    assert (lrn["alpha"], lrn["beta"], lrn["bias"]) == pytest.approx((1e-4, 0.75, 1.0))


@pytest.mark.parametrize(
    ("name", "scales"),
    [
        ("Inception-ResNet v1", {0.17: 5, 0.10: 10, 0.20: 5, 1.0: 1}),
        ("Inception-ResNet v2", {0.17: 10, 0.10: 20, 0.20: 9, 1.0: 1}),
    ],
)
def test_inception_resnets_scale_what_they_add(name: str, scales: dict[float, int]) -> None:
    """The 1×1 convolution that goes back up is the one with a bias, and has no BatchNorm; the
    last block has no ReLU."""
    module = meta_module(load(BY_NAME[name]))
    biased = [m for m in module.modules() if isinstance(m, nn.Conv2d) and m.bias is not None]
    assert len(biased) == sum(scales.values())
    assert {m.kernel_size for m in biased} == {(1, 1)}
    users: dict[str, list[str]] = {}
    for node in nodes(name):
        for value in node.input:
            users.setdefault(value, []).append(node.op_type)
    ends = [node for node in nodes(name) if node.op_type == "Conv" and len(node.input) == 3]
    assert {tuple(users[node.output[0]]) for node in ends} == {("Mul",)}
    sums = [node for node in nodes(name) if node.op_type == "Add"]
    assert ["Relu" in users[node.output[0]] for node in sums] == [True] * (len(ends) - 1) + [False]
    assert _scales(name) == scales


def _scales(name: str) -> dict[float, int]:
    """The numbers that a network multiplies by, and how often."""
    model = load(BY_NAME[name])
    layers = [place.node.layer for place in walk(model.spec.program, model.graph)]
    return dict(Counter(layer.factor for layer in layers if layer.kind == "Scale"))

"""What the published networks compute: shapes in PyTorch, and the same numbers in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from test_networks import NETWORKS, Network, load, meta_module, shapes
from torch import nn

from dlspec.backends.onnx import build, build_file
from dlspec.ir.walk import buffer_shapes, weight_shapes

TOLERANCE = 1e-5
BY_NAME = {network.name: network for network in NETWORKS}

# One of each family; the others run in the long campaign. Most of a VGG's weights stand behind
# its last image, and are fewer where that is smaller.
ALWAYS_RUN = {
    "LeNet", "LeNet-5", "AlexNet, two groups",
    "GoogLeNet, auxiliaries", "GoogLeNet, BatchNorm, auxiliaries",
    "Inception v2", "Inception v2, separable", "Inception v3 of Keras", "Inception v4",
    "Inception-ResNet v1", "Inception-ResNet v2", "ResNet-18", "ResNet-50",
    "MobileNet v1, width 0.25", "character LSTM", "DCGAN generator", "DCGAN discriminator",
    "StarGAN generator", "StarGAN discriminator", "colorization",
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """One example at a time gains little from threads, and loses all of it on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# --- shapes --------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_the_emitted_module_gives_the_declared_shapes(network: Network) -> None:
    """Two examples on the meta device, in training too, where auxiliary outputs come along."""
    model = load(network)
    graph, summary = model.graph, model.summary()
    module = meta_module(model)
    inputs = [
        torch.zeros(
            (2, *network.inputs[port.name]),
            dtype=torch.int64 if graph.types[port.value].dtype == "int" else torch.float32,
            device="meta",
        )
        for port in graph.inputs
    ]
    for training in (False, True):
        wanted = dict(network.outputs)
        if training:
            wanted |= shapes(summary["auxiliaries"])
        result = module.train(training)(*inputs)
        named = result if isinstance(result, dict) else {graph.outputs[0].name: result}
        assert {name: list(value.shape) for name, value in named.items()} == {
            name: [2, *shape] for name, shape in wanted.items()
        }


# --- numbers -------------------------------------------------------------------------


def drawn_weights(network: Network) -> dict[str, np.ndarray]:
    """Weights that carry a signal through the whole network, and statistics of BatchNorm at
    random, so that a wrong padding, epsilon or scale shows in the outputs."""
    model = load(network)
    program, graph = model.spec.program, model.graph
    generator = np.random.default_rng(0)
    weights: dict[str, np.ndarray] = {}
    for name, shape in (weight_shapes(program, graph) | buffer_shapes(program, graph)).items():
        if name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
            array = generator.random(shape, np.float32) + np.float32(0.5)
        else:
            spread = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.2
            array = generator.standard_normal(shape, np.float32) * np.float32(spread)
        weights[name] = array
    return weights


def drawn_inputs(network: Network) -> list[torch.Tensor]:
    """One example. Local response normalisation shows at scales far above 1 alone."""
    graph = load(network).graph
    kinds = {layer["layer"] for layer in load(network).summary()["layers"]}
    generator = torch.Generator().manual_seed(0)
    inputs = []
    for port in graph.inputs:
        shape = (1, *network.inputs[port.name])
        if graph.types[port.value].dtype == "int":
            inputs.append(torch.randint(10, shape, generator=generator))
        else:
            values = torch.randn(shape, generator=generator)
            inputs.append(values * 1000 if "LRN" in kinds else values)
    return inputs


def filled_module(network: Network, weights: dict[str, np.ndarray]) -> nn.Module:
    model = load(network)
    module = meta_module(model)
    tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
    module.load_state_dict(tensors, assign=True)
    return module.eval()


SMALL_VGG = BY_NAME["VGG-13 with BatchNorm"]
SMALL_VGG = SMALL_VGG._replace(
    name="VGG-13 with BatchNorm, small",
    settings={**SMALL_VGG.settings, "size": "32"},
    inputs={"image": [3, 32, 32]},
)


@pytest.mark.parametrize(
    "network",
    [
        SMALL_VGG,
        *(
            pytest.param(network, marks=() if network.name in ALWAYS_RUN else pytest.mark.slow)
            for network in NETWORKS
        ),
    ],
    ids=lambda network: network.name,
)
def test_onnx_runtime_computes_what_pytorch_computes(network: Network) -> None:
    model, weights, inputs = load(network), drawn_weights(network), drawn_inputs(network)
    with torch.inference_mode():
        result = filled_module(network, weights)(*inputs)
    named = result if isinstance(result, dict) else {model.graph.outputs[0].name: result}
    content = build_file(model.spec.program, model.graph.key, weights)
    found = run(content, network, inputs)
    assert set(found) == set(network.outputs)
    for name, ours in found.items():
        theirs = named[name].numpy()
        assert np.std(theirs) > 1e-3 or theirs.size == 1  # the signal arrives
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE * largest(theirs))


def run(content: bytes, network: Network, inputs: list[torch.Tensor]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    fed = {name: value.numpy() for name, value in zip(network.inputs, inputs, strict=True)}
    return dict(zip(names, session.run(names, fed), strict=True))


def largest(values: np.ndarray) -> float:
    return max(1.0, float(np.abs(values).max()))


@pytest.mark.parametrize(
    ("name", "op", "attribute", "right", "wrong"),
    [
        ("GoogLeNet", "LRN", "alpha", 1e-4, 5e-4),
        ("GoogLeNet, BatchNorm", "BatchNormalization", "epsilon", 1e-3, 1e-5),
        ("Inception v2", "AveragePool", "count_include_pad", 1, 0),
        ("Inception v2, separable", "AveragePool", "count_include_pad", 0, 1),
        ("Inception v2, separable", "Conv", "pads", [2, 2, 3, 3], [3, 3, 2, 2]),
    ],
)
def test_a_planted_fault_shows(name: str, op: str, attribute: str, right: Any, wrong: Any) -> None:
    """What the comparison above must see lies far over what it allows."""
    network = BY_NAME[name]
    model, weights, inputs = load(network), drawn_weights(network), drawn_inputs(network)
    built = build(model.spec.program, model.graph.key, weights)
    (sound,) = run(built.SerializeToString(), network, inputs).values()
    for node in built.graph.node:
        for given in node.attribute:
            value = onnx.helper.get_attribute_value(given)
            if (node.op_type, given.name) == (op, attribute) and np.allclose(value, right):
                given.CopyFrom(onnx.helper.make_attribute(attribute, wrong))
    (faulty,) = run(built.SerializeToString(), network, inputs).values()
    assert np.abs(faulty - sound).max() > 10 * TOLERANCE * largest(sound)

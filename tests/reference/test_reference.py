"""Weights of independent implementations in the networks of `specs/`: the same numbers come out.

A padding, an order of layers or an epsilon that is wrong leaves every shape and every count as it
should be. It does not leave the scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import peers
import pytest
import torch
import written
from torch import Tensor, nn
from transplant import Order, children_first, draw, layers, transplant

import dlspec
from dlspec.backends.torch import emit_module, load_module

SPECS = Path(__file__).parent.parent.parent / "specs"
CLOSE = 1e-5
"""The most that two right implementations differ, as a share of the largest score."""


class Network(NamedTuple):
    """A spec and an independent implementation.

    name:     what the test is called
    spec:     the file in `specs/`, without its ending
    model:    the model in it
    build:    makes the other implementation
    settings: what `--set` gives
    order:    puts their layers in the spec's order, where it is not the same
    names:    what they call our outputs, where a network has several
    scale:    what the inputs are multiplied by, so that LRN is not the identity
    """

    name: str
    spec: str
    model: str
    build: Callable[[], Any]
    settings: Mapping[str, str] = {}
    order: Order | None = None
    names: Mapping[str, str] = {}
    scale: float = 1.0


def _vgg(depth: int, normalized: bool) -> Network:
    name = f"vgg{depth}_bn" if normalized else f"vgg{depth}"
    settings = {"depth": str(depth), "batch_norm": str(normalized).lower()}
    return Network(name, "vgg", "VGG", peers.torchvision(name, init_weights=False), settings)


def _mobilenet(width: float) -> Network:
    return Network(
        f"mobilenet_{width}", "mobilenet", "MobileNet",
        lambda: peers.Keras("MobileNet", alpha=width), {"width": str(width)},
    )  # fmt: skip


NETWORKS = [
    Network("lenet", "lenet", "LeNet", written.lenet),
    Network("lenet5", "lenet5", "LeNet5", written.lenet5),
    Network("alexnet_caffe", "alexnet", "AlexNet", written.alexnet, scale=1000),
    Network("alexnet_one_tower", "alexnet", "AlexNetOneTower", peers.torchvision("alexnet")),
    *(_vgg(depth, normalized) for depth in (11, 13, 16, 19) for normalized in (False, True)),
    *(_mobilenet(width) for width in (1.0, 0.75, 0.5, 0.25)),
    Network("char_lstm", "char_lstm", "CharLSTM", written.CharLSTM),
    Network("dcgan_generator", "dcgan", "Generator", written.DCGANGenerator),
    Network("dcgan_discriminator", "dcgan", "Discriminator", written.dcgan_discriminator),
    Network("stargan_generator", "stargan", "Generator", written.StarGANGenerator),
    Network("stargan_discriminator", "stargan", "Discriminator", written.StarGANDiscriminator),
    Network("colorization", "colorization", "Colorization", written.Colorization, scale=50),
]


def theirs_of(network: Network) -> tuple[Any, dict[str, Any]]:
    """The other implementation with random weights, and those by layer."""
    other = network.build()
    states = other.layers() if isinstance(other, peers.Keras) else layers(other.eval())
    draw(states.values())
    if isinstance(other, peers.Keras):
        other.take(states)
    return other, states


def ours_of(spec: dlspec.Spec, name: str) -> nn.Module:
    """The emitted module of a model."""
    return load_module(emit_module(spec.program, spec.models[name].graph.key))().eval()


def inputs_of(model: dlspec.Model, scale: float, batch: int = 2) -> dict[str, Tensor]:
    """Random examples: normal numbers, or tokens."""
    generator = torch.Generator().manual_seed(1)
    drawn: dict[str, Tensor] = {}
    for port in model.graph.inputs:
        type_ = model.graph.types[port.value]
        sizes = (batch, *type_.shape)
        drawn[port.name] = (
            torch.randint(65, sizes, generator=generator) if type_.dtype == "int"
            else torch.randn(sizes, generator=generator) * scale
        )  # fmt: skip
    return drawn


def by_name(value: Any, model: dlspec.Model) -> dict[str, Tensor]:
    """Results by the names of a model's outputs."""
    return value if isinstance(value, dict) else {model.graph.outputs[0].name: value}


def distance(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max() / theirs.abs().max())


every_network = pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)


@every_network
def test_it_computes_what_others_compute(
    network: Network, record_property: Callable[[str, object], None]
) -> None:
    spec = dlspec.load(SPECS / f"{network.spec}.dlnet", network.settings)
    model = spec.models[network.model]
    other, states = theirs_of(network)
    ours = ours_of(spec, network.model)
    transplant(states, layers(ours), network.order)
    inputs = inputs_of(model, network.scale)
    before_softmax = hasattr(ours, "logits")
    with torch.inference_mode():
        wanted = by_name(other(*inputs.values()), model)
        got = by_name((ours.logits if before_softmax else ours)(*inputs.values()), model)
        assert wanted.keys() == got.keys()
        for name, theirs in wanted.items():
            assert distance(theirs[:1], theirs[1:]) > 1e-3, "it hardly sees its input"
            away = distance(got[name], theirs)
            record_property(name, away)
            assert away < CLOSE, f"{name} is {away:.1e} away"
        finals = by_name(ours(*inputs.values()), model)
    file = model.to_onnx({name: value.numpy() for name, value in ours.state_dict().items()})
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    run = session.run(list(finals), {name: value.numpy() for name, value in inputs.items()})
    for name, found in zip(finals, run, strict=True):
        assert distance(torch.tensor(np.asarray(found)), finals[name]) < CLOSE, f"{name} in ONNX"

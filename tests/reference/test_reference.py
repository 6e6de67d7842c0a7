"""Weights of independent implementations in the networks of `specs/`: the same numbers come out.

A padding, an order of layers or an epsilon that is wrong leaves every shape and every count as it
should be. It does not leave the scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import applied
import numpy as np
import onnxruntime
import peers
import pytest
import torch
import written
from torch import Tensor, nn
from transplant import Order, as_created, before, draw, layers, shortcuts_first, transplant

import dlspec
from dlspec.backends.torch import emit_module, load_module

SPECS = Path(__file__).parent.parent.parent / "specs"
CLOSE = 1e-5
"""The most that two right implementations differ, as a share of the largest score."""
CLOSE_IN_ONNX = 5e-5
"""ONNX Runtime adds in another order than PyTorch; a mistake is over a hundred times as large."""


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
    exported: whether ONNX Runtime is asked too; one VGG, of half a gigabyte, is enough
    """

    name: str
    spec: str
    model: str
    build: Callable[[], Any]
    settings: Mapping[str, str] = {}
    order: Order | None = None
    names: Mapping[str, str] = {}
    scale: float = 1.0
    exported: bool = True


AUXILIARIES = {"auxiliaries": "true"}


def _vgg(depth: int, normalized: bool) -> Network:
    name = f"vgg{depth}_bn" if normalized else f"vgg{depth}"
    settings = {"depth": str(depth), "batch_norm": str(normalized).lower()}
    return Network(
        name, "vgg", "VGG", peers.torchvision(name, init_weights=False), settings,
        exported=name == "vgg16",
    )  # fmt: skip


def _resnet(depth: int) -> Network:
    name, settings = f"resnet{depth}", {"depth": str(depth)}
    return Network(
        name, "resnet", "ResNet", peers.torchvision(name), settings, order=shortcuts_first
    )


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
    Network(
        "googlenet_caffe", "googlenet", "GoogLeNet", written.GoogLeNet, AUXILIARIES, scale=1000
    ),
    Network(
        "googlenet_batch_norm", "googlenet", "GoogLeNet",
        peers.torchvision("googlenet", init_weights=False, aux_logits=True),
        AUXILIARIES | {"batch_norm": "true"}, before(aux1="inception4b", aux2="inception4e"),
        {"logits": "logits", "aux1": "aux_logits1", "aux2": "aux_logits2"},
    ),
    Network(
        "inception_v2", "inception_v2", "InceptionV2",
        peers.pytorchcv("bninception", "bninception"),
    ),
    Network(
        "inception_v2_separable", "inception_v2", "InceptionV2", written.SlimInception,
        {"separable": "true"},
    ),
    Network(
        "inception_v3", "inception_v3", "InceptionV3",
        peers.torchvision("inception_v3", init_weights=False, aux_logits=True),
        AUXILIARIES, names={"logits": "logits", "aux": "aux_logits"},
    ),
    Network(
        "inception_v3_keras", "inception_v3", "InceptionV3", lambda: peers.Keras("InceptionV3"),
        {"scale": "false"}, as_created,
    ),
    Network("inception_v4", "inception_v4", "InceptionV4", peers.timm("inception_v4")),
    Network(
        "inception_resnet_v1", "inception_resnet_v1", "InceptionResNetV1",
        peers.pytorchcv("inceptionresnetv1", "inceptionresnetv1"),
    ),
    Network(
        "inception_resnet_v2", "inception_resnet_v2", "InceptionResNetV2",
        peers.timm("inception_resnet_v2"),
    ),
    *(_resnet(depth) for depth in (18, 34, 50, 101, 152)),
    Network("char_lstm", "char_lstm", "CharLSTM", applied.CharLSTM),
    Network("dcgan_generator", "dcgan", "Generator", applied.DCGANGenerator),
    Network("dcgan_discriminator", "dcgan", "Discriminator", applied.dcgan_discriminator),
    Network("stargan_generator", "stargan", "Generator", applied.StarGANGenerator),
    Network("stargan_discriminator", "stargan", "Discriminator", applied.StarGANDiscriminator),
    Network("colorization", "colorization", "Colorization", applied.Colorization, scale=50),
]  # fmt: skip


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


def by_name(value: Any, model: dlspec.Model, names: Mapping[str, str]) -> dict[str, Tensor]:
    """Results by the names of a model's outputs."""
    if names:
        return {ours: getattr(value, theirs) for ours, theirs in names.items()}
    return value if isinstance(value, dict) else {model.graph.outputs[0].name: value}


def waken(module: Any, model: dlspec.Model) -> None:
    """Make a network give its auxiliary outputs, while Dropout and BatchNorm go on as in use."""
    if model.graph.auxiliaries:
        module.training = True


def distance(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max() / theirs.abs().max())


class Results(NamedTuple):
    """The inputs, our weights, the scores of both by output, and what ours gives in use."""

    inputs: dict[str, Tensor]
    weights: dict[str, Any]
    wanted: dict[str, Tensor]
    found: dict[str, Tensor]
    given: dict[str, Tensor]


every_network = pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)


def results(network: Network, spec: dlspec.Spec) -> Results:
    """What both give on the same inputs with the same weights."""
    model = spec.models[network.model]
    other, states = theirs_of(network)
    ours = ours_of(spec, network.model)
    transplant(states, layers(ours), network.order)
    inputs = inputs_of(model, network.scale)
    with torch.inference_mode():
        given = by_name(ours(*inputs.values()), model, {})
        waken(ours, model)
        waken(other, model)
        scores = getattr(ours, "logits", ours)
        wanted = by_name(other(*inputs.values()), model, network.names)
        found = by_name(scores(*inputs.values()), model, {})
    weights = {name: value.numpy() for name, value in ours.state_dict().items()}
    return Results(inputs, weights, wanted, found, given)


@every_network
def test_it_computes_what_others_compute(
    network: Network, record_property: Callable[[str, object], None]
) -> None:
    spec = dlspec.load(SPECS / f"{network.spec}.dlnet", network.settings)
    made = results(network, spec)
    assert made.found.keys() == made.wanted.keys()
    for name, theirs in made.wanted.items():
        assert distance(theirs[:1], theirs[1:]) > 1e-3, f"{name} hardly sees the input"
        away = distance(made.found[name], theirs)
        record_property(name, away)
        assert away < CLOSE, f"{name} is {away:.1e} away"
    if network.exported:
        away = max(onnx_distances(spec.models[network.model], made))
        record_property("ONNX Runtime", away)
        assert away < CLOSE_IN_ONNX, f"ONNX Runtime is {away:.1e} away"


def onnx_distances(model: dlspec.Model, made: Results) -> list[float]:
    """How far ONNX Runtime is from the emitted module, for each output."""
    session = onnxruntime.InferenceSession(
        model.to_onnx(made.weights), providers=["CPUExecutionProvider"]
    )
    inputs = {name: value.numpy() for name, value in made.inputs.items()}
    run = session.run(list(made.given), inputs)
    pairs = zip(run, made.given.values(), strict=True)
    return [distance(torch.tensor(np.asarray(found)), wanted) for found, wanted in pairs]


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("mobilenet_0.25", "stride=stride, padding=same", "stride=stride, padding=1"),
        ("mobilenet_0.25", "eps=1e-3", "eps=1e-5"),
        ("inception_v3", "AvgPool(3, stride=1, padding=1,", "AvgPool(3, stride=1, padding=same,"),
        ("inception_resnet_v2", "after=Identity", "after=ReLU"),
        ("alexnet_caffe", "-> LRN(5) -> MaxPool(3, stride=2)", "-> MaxPool(3, stride=2) -> LRN(5)"),
    ],
    ids=["padding", "epsilon", "average_of_padding", "last_activation", "order"],
)
def test_a_mistake_that_keeps_every_shape_is_seen(
    name: str, right: str, wrong: str, record_property: Callable[[str, object], None]
) -> None:
    network = next(network for network in NETWORKS if network.name == name)
    text = (SPECS / f"{network.spec}.dlnet").read_text(encoding="utf-8")
    assert right in text
    text = text.replace(right, wrong).replace('"blocks.dlnet"', '"std:blocks"')
    made = results(network, dlspec.loads(text, network.settings))
    scores = next(iter(made.wanted))
    away = distance(made.found[scores], made.wanted[scores])
    record_property(f"with `{wrong}`", away)
    assert away > 100 * CLOSE

"""The published networks of `specs/`: their figures, what is emitted of them, what they compute.

One line of `NETWORKS` for each line of the table of figures; every test below runs on all of
them, or on those that it picks by what they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

import dlspec
from dlspec.backends.onnx import build
from dlspec.backends.onnx.checking import without_weights
from dlspec.backends.torch import emit_module, load_module
from dlspec.ir.walk import buffer_shapes, weight_shapes

SPECS = Path(__file__).parent.parent / "specs"
IMAGENET = {"image": [3, 224, 224]}
INCEPTION = {"image": [3, 299, 299]}
CLASSES = {"output": [1000]}
LOGITS = {"logits": [1000]}  # where a loss names them beside auxiliary outputs

# The digits that the packaged spec trains on have one channel.
LENET_IN_COLOUR = """
use LeNet from "std:lenet"
model InColour {
  input image: float[3, 28, 28]
  LeNet(channels=3)
}
"""


class Network(NamedTuple):
    """One published network.

    name:       what the test is called
    spec:       the file in `specs/`, without its ending, or the text of a spec that uses one
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


def _vgg(depth: int, batch_norm: bool, parameters: int, macs: int) -> Network:
    settings = {"depth": str(depth), "batch_norm": str(batch_norm).lower()}
    name = f"VGG-{depth} with BatchNorm" if batch_norm else f"VGG-{depth}"
    return Network(name, "vgg", "VGG", settings, IMAGENET, CLASSES, parameters, macs)


def _mobilenet(width: float, parameters: int, macs: int) -> Network:
    settings, name = {"width": str(width)}, f"MobileNet v1, width {width}"
    return Network(name, "mobilenet", "MobileNet", settings, IMAGENET, CLASSES, parameters, macs)


APPLIED = [
    Network(
        "LeNet", "lenet", "LeNet", {}, {"image": [1, 28, 28]}, {"output": [10]},
        1_256_080, 6_522_000,
    ),
    Network(
        "LeNet on three channels", LENET_IN_COLOUR, "InColour", {}, {"image": [3, 28, 28]},
        {"output": [10]}, 1_257_080, 7_306_000,
    ),
    Network(
        "LeNet-5", "lenet5", "LeNet5", {}, {"image": [1, 32, 32]}, {"output": [10]}, 61_706, 416_520
    ),
    Network(
        "AlexNet, two groups", "alexnet", "AlexNet", {}, {"image": [3, 227, 227]}, CLASSES,
        60_965_224, 724_406_816,
    ),
    Network(
        "AlexNet, one tower", "alexnet", "AlexNetOneTower", {}, IMAGENET, CLASSES,
        61_100_840, 714_188_480,
    ),
    _vgg(11, False, 132_863_336, 7_609_090_048),
    _vgg(13, False, 133_047_848, 11_308_466_176),
    _vgg(16, False, 138_357_544, 15_470_264_320),
    _vgg(19, False, 143_667_240, 19_632_062_464),
    _vgg(11, True, 132_868_840, 7_609_090_048),
    _vgg(13, True, 133_053_736, 11_308_466_176),
    _vgg(16, True, 138_365_992, 15_470_264_320),
    _vgg(19, True, 143_678_248, 19_632_062_464),
    _mobilenet(1.0, 4_231_976, 568_740_352),
    _mobilenet(0.75, 2_585_560, 325_400_448),
    _mobilenet(0.5, 1_331_592, 149_497_088),
    _mobilenet(0.25, 470_072, 41_030_272),
    Network(
        "character LSTM", "char_lstm", "CharLSTM", {}, {"tokens": [50]}, {"output": [50, 65]},
        3_320_385, 165_606_400,
    ),
    Network(
        "DCGAN generator", "dcgan", "Generator", {}, {"noise": [100]}, {"output": [3, 64, 64]},
        3_576_704, 104_628_224,
    ),
    Network(
        "DCGAN discriminator", "dcgan", "Discriminator", {}, {"image": [3, 64, 64]},
        {"output": [1]}, 2_765_568, 103_817_216,
    ),
    Network(
        "StarGAN generator", "stargan", "Generator", {}, {"image": [3, 128, 128], "label": [5]},
        {"output": [3, 128, 128]}, 8_430_528, 9_960_423_424,
    ),
    Network(
        "StarGAN discriminator", "stargan", "Discriminator", {}, {"image": [3, 128, 128]},
        {"real": [1, 2, 2], "domain": [5]}, 44_762_048, 683_786_240,
    ),
    Network(
        "colorization", "colorization", "Colorization", {}, {"lightness": [1, 256, 256]},
        {"output": [2, 256, 256]}, 32_236_011, 41_774_686_208,
    ),
]  # fmt: skip

INCEPTIONS = [
    Network(
        "GoogLeNet", "googlenet", "GoogLeNet", {}, IMAGENET, LOGITS, 6_998_552, 1_582_671_872
    ),
    Network(
        "GoogLeNet, auxiliaries", "googlenet", "GoogLeNet", {"auxiliaries": "true"},
        IMAGENET, LOGITS, 13_378_280, 1_591_044_096, 6_998_552,
    ),
    Network(
        "GoogLeNet, BatchNorm", "googlenet", "GoogLeNet", {"batch_norm": "true"},
        IMAGENET, LOGITS, 6_624_904, 1_498_376_192,
    ),
    Network(  # multiply-adds: both auxiliaries are those of the published network
        "GoogLeNet, BatchNorm, auxiliaries", "googlenet", "GoogLeNet",
        {"batch_norm": "true", "auxiliaries": "true"},
        IMAGENET, LOGITS, 13_004_888, 1_498_376_192 + 8_372_224, 6_624_904,
    ),
    Network(
        "Inception v2", "inception_v2", "InceptionV2", {}, IMAGENET, CLASSES,
        11_295_240, 2_032_600_064,
    ),
    Network(
        "Inception v2, separable", "inception_v2", "InceptionV2", {"separable": "true"},
        IMAGENET, CLASSES, 11_178_336, 1_934_857_216,
    ),
    Network(
        "Inception v3", "inception_v3", "InceptionV3", {}, INCEPTION, LOGITS,
        23_834_568, 5_713_216_096,
    ),
    Network(  # multiply-adds: 768 to 128, 128 to 768 by 5×5, 768 to 1000, on 5×5, 1×1, 1×1
        "Inception v3, auxiliary", "inception_v3", "InceptionV3", {"auxiliaries": "true"},
        INCEPTION, LOGITS, 27_161_264, 5_713_216_096 + 2 * 768 * 128 * 25 + 768_000, 23_834_568,
    ),
    Network(
        "Inception v3 of Keras", "inception_v3", "InceptionV3", {"scale": "false"},
        INCEPTION, LOGITS, 23_817_352, 5_713_216_096,
    ),
    Network(
        "Inception v4", "inception_v4", "InceptionV4", {}, INCEPTION, CLASSES,
        42_679_816, 12_253_974_624,
    ),
    Network(
        "Inception-ResNet v1", "inception_resnet_v1", "InceptionResNetV1", {}, INCEPTION, CLASSES,
        23_995_624, 6_308_235_360,
    ),
    Network(
        "Inception-ResNet v2", "inception_resnet_v2", "InceptionResNetV2", {}, INCEPTION, CLASSES,
        55_843_464, 13_155_794_016,
    ),
]  # fmt: skip

NETWORKS = [
    *APPLIED,
    *INCEPTIONS,
    _resnet(18, 11_689_512, 1_814_073_344),
    _resnet(34, 21_797_672, 3_663_761_408),
    _resnet(50, 25_557_032, 4_089_184_256),
    _resnet(101, 44_549_160, 7_801_405_440),
    _resnet(152, 60_192_808, 11_513_626_624),
]


@cache
def _loaded(spec: str, settings: tuple[tuple[str, str], ...]) -> dlspec.Spec:
    if "\n" in spec:
        return dlspec.loads(spec, dict(settings))
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
    assert load(network).spec.diagnostics == ()
    summary = load(network).summary()
    assert shapes(summary["inputs"]) == network.inputs
    assert shapes(summary["outputs"]) == network.outputs
    assert summary["parameters"] == network.parameters
    assert summary["macs"] == network.macs
    if "depth" in network.settings:  # what a ResNet or VGG is called by
        assert summary["depth"] == int(network.settings["depth"])
    assert sum(layer["parameters"] for layer in summary["layers"]) == network.parameters
    assert sum(layer["macs"] for layer in summary["layers"]) == network.macs


@every_network
def test_the_emitted_module_has_its_parameters(network: Network) -> None:
    module = meta_module(load(network))
    assert sum(parameter.numel() for parameter in module.parameters()) == network.parameters


@every_network
def test_the_onnx_model_has_the_parameters_of_inference(network: Network) -> None:
    """Learned values are marked by a number that no constant has, whatever tensor they end in."""
    model = load(network)
    program, graph = model.spec.program, model.graph
    learned, kept = weight_shapes(program, graph), buffer_shapes(program, graph)
    weights = {name: np.broadcast_to(np.float32(0.375), shape) for name, shape in learned.items()}
    weights |= {name: np.broadcast_to(np.float32(0.625), shape) for name, shape in kept.items()}
    built = build(program, graph.key, weights)
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in built.graph.initializer}
    onnx.checker.check_model(without_weights(built, tensors), full_check=True)
    found = sum(np.count_nonzero(array == 0.375) for array in tensors.values())
    assert found == (network.exported or network.parameters)


@pytest.mark.parametrize("spec", sorted({network.spec for network in NETWORKS} - {LENET_IN_COLOUR}))
def test_a_spec_takes_it_from_the_library(spec: str) -> None:
    for name, model in _loaded(spec, ()).models.items():
        inputs = "\n".join(f"  input {name}: {shape}" for name, shape in model.inputs.items())
        text = f"""
use {name} from "std:{spec}"
model Outer {{
{inputs}
  ({", ".join(model.inputs)}) -> {name}
}}
"""
        assert dlspec.loads(text).models["Outer"].summary()["macs"] == model.summary()["macs"]


def test_every_model_of_the_library_is_in_the_table() -> None:
    found = {
        (path.stem, name)
        for path in SPECS.glob("*.dlnet")
        for name in dlspec.load(path).models
        if path.stem != "lenet_mnist"  # LeNet once more, on other data
    }
    assert found == {(n.spec, n.model) for n in NETWORKS if n.spec != LENET_IN_COLOUR}

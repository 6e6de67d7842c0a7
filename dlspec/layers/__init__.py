"""The layer table: every layer's name and the module that defines it.

A module is imported when one of its layers is first asked for, since a spec uses few of them and
a cold `dlspec check` should pay for no more. Other packages bring more layers by the entry point
group `dlspec.layers` (`installed`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from dlspec.ir.layer import Layer
from dlspec.ir.types import TensorType

if TYPE_CHECKING:
    from dlspec.layers.installed import Broken

GROUPS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Weights",
        (
            ("Dense", "dense"),
            ("Conv", "convolution"),
            ("DepthwiseConv", "convolution"),
            ("ConvTranspose", "transposed"),
            ("Embedding", "embedding"),
            ("OneHot", "embedding"),
            ("PositionEmbedding", "embedding"),
        ),
    ),
    (
        "Fixed filters",
        (("Filter", "filters"),),
    ),
    (
        "Pooling",
        (
            ("MaxPool", "pooling"),
            ("AvgPool", "pooling"),
            ("GlobalAvgPool", "wholepooling"),
            ("GlobalMaxPool", "wholepooling"),
            ("AdaptiveAvgPool", "wholepooling"),
            ("AdaptiveMaxPool", "wholepooling"),
        ),
    ),
    (
        "Normalisation",
        (
            ("BatchNorm", "normalization"),
            ("LayerNorm", "normalization"),
            ("GroupNorm", "groupnorms"),
            ("InstanceNorm", "groupnorms"),
            ("RMSNorm", "normalization"),
            ("LRN", "response"),
        ),
    ),
    (
        "Regularisation",
        (
            ("Dropout", "regularization"),
            ("SpatialDropout", "regularization"),
            ("DropPath", "regularization"),
            ("GaussianNoise", "regularization"),
            ("StopGradient", "regularization"),
        ),
    ),
    (
        "Activations",
        (
            ("Identity", "activations"),
            ("ReLU", "activations"),
            ("ReLU6", "rectifiers"),
            ("LeakyReLU", "rectifiers"),
            ("PReLU", "rectifiers"),
            ("ELU", "rectifiers"),
            ("SELU", "rectifiers"),
            ("GELU", "rectifiers"),
            ("SiLU", "rectifiers"),
            ("Mish", "rectifiers"),
            ("Sigmoid", "activations"),
            ("HardSigmoid", "squashing"),
            ("HardSwish", "rectifiers"),
            ("Tanh", "activations"),
            ("Softplus", "rectifiers"),
            ("Softsign", "squashing"),
            ("Softmax", "activations"),
            ("LogSoftmax", "activations"),
            ("Step", "squashing"),
            ("Sign", "squashing"),
        ),
    ),
    (
        "Shape",
        (
            ("Flatten", "shape"),
            ("Reshape", "shape"),
            ("Permute", "shape"),
            ("Concat", "joining"),
            ("Stack", "joining"),
            ("Split", "cutting"),
            ("Slice", "cutting"),
            ("Pad", "resizing"),
            ("CenterCrop", "resizing"),
            ("Squeeze", "shape"),
            ("Unsqueeze", "shape"),
            ("Expand", "shape"),
            ("Upsample", "resizing"),
            ("PixelShuffle", "resizing"),
            ("ChannelShuffle", "resizing"),
            ("Mean", "reducing"),
            ("Sum", "reducing"),
            ("Max", "reducing"),
        ),
    ),
    (
        "Sequence",
        (
            ("RNN", "recurrent"),
            ("LSTM", "recurrent"),
            ("GRU", "recurrent"),
            ("Attention", "attention"),
        ),
    ),
    (
        "Merging",
        (
            ("Add", "merging"),
            ("Multiply", "merging"),
            ("Average", "merging"),
            ("Maximum", "merging"),
            ("MatMul", "products"),
            ("Dot", "products"),
        ),
    ),
    (
        "Expressions",
        (
            ("Subtract", "operators"),
            ("Divide", "operators"),
            ("Scale", "operators"),
            ("Shift", "operators"),
            ("Power", "operators"),
            ("DivideInto", "operators"),
            ("Abs", "operators"),
            ("Square", "operators"),
            ("Sqrt", "operators"),
            ("Exp", "operators"),
            ("Log", "operators"),
            ("Min", "reducing"),
            ("Index", "cutting"),
        ),
    ),
)
"""Each layer and the module that defines it, in the groups of the language's reference. Those of
the last group have no name in a spec: expressions make them."""
LAYERS: tuple[tuple[str, str], ...] = tuple(pair for _, pairs in GROUPS for pair in pairs)

ACTIVATION_MODULES = ("activations", "rectifiers", "squashing")
_MODULES: dict[str, str] = dict(LAYERS)


def _built_in(name: str) -> type[Layer] | None:
    module = _MODULES.get(name)
    return getattr(import_module(f"dlspec.layers.{module}"), name) if module else None


@cache
def find(name: str) -> type[Layer] | None:
    """The layer of that name, `Conv`, or None: a built-in one, else one of another package.

    `Conv2D` is a spelling, which `spelled` knows.
    """
    layer = _built_in(name)
    if layer is not None or not name[:1].isupper():
        return layer
    from dlspec.layers.installed import Broken, found

    offered = found(name)
    return None if isinstance(offered, Broken) else offered


def broken(name: str) -> Broken | None:
    """The layer of that name that a package offers and that cannot be used, or None."""
    if name in _MODULES:
        return None
    from dlspec.layers.installed import Broken, found

    offered = found(name)
    return offered if isinstance(offered, Broken) else None


@cache
def spelled(name: str) -> tuple[type[Layer], int | None] | None:
    """The layer that a spec means by `name`, and the spatial rank that a suffix asserts.

    `Conv2D` is (Conv, 2), `Conv` is (Conv, None), an unknown name is None.
    """
    suffixed = len(name) > 2 and name[-1] == "D" and name[-2] in "123"
    # What is installed is looked through last, so that a check of known names stays quick.
    for look in (_built_in, find):
        layer = look(name)
        if layer is not None:
            return None if layer.operator else (layer, None)
        layer = look(name[:-2]) if suffixed else None
        if layer is not None and int(name[-2]) in layer.ranks:
            return layer, int(name[-2])
    return None


def built_in_layers() -> tuple[type[Layer], ...]:
    """Every layer of dlspec, operators included, in the order of the table."""
    return tuple(layer for name, _ in LAYERS if (layer := _built_in(name)) is not None)


def installed_names() -> tuple[str, ...]:
    """The names that other packages offer layers under, those in the table left out."""
    from dlspec.layers.installed import names

    return tuple(name for name in names() if name not in _MODULES)


def all_layers() -> tuple[type[Layer], ...]:
    """Every layer, operators included, in the order of the table, then those of other packages."""
    others = (find(name) for name in installed_names())
    return (*built_in_layers(), *(layer for layer in others if layer is not None))


def layer_names() -> tuple[str, ...]:
    """The names of the layers that a spec can write."""
    return tuple(layer.kind for layer in all_layers() if not layer.operator)


def inferred(layer: Layer, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
    """The types of a layer's results. Raises ShapeProblem where the inputs do not fit, or where
    the rules of a layer from another package do not hold together."""
    if layer.kind in _MODULES:
        return layer.infer(inputs)
    from dlspec.layers.trial import tried

    return tried(layer, inputs)


def grouped() -> Iterator[tuple[str, tuple[type[Layer], ...]]]:
    """The layers that a spec can write, in groups with their titles."""
    titles = {name: title for title, pairs in GROUPS for name, _ in pairs}
    found: dict[str, list[type[Layer]]] = {}
    for layer in all_layers():
        if not layer.operator:
            found.setdefault(titles.get(layer.kind, "Other packages"), []).append(layer)
    return ((title, tuple(layers)) for title, layers in found.items())


def snake_case(name: str) -> str:
    """`BatchNorm` is `batch_norm`, `ReLU6` is `relu6`, `LSTM` is `lstm`, `GELU` is `gelu`."""
    known = {
        "ReLU": "relu",
        "ReLU6": "relu6",
        "PReLU": "prelu",
        "LeakyReLU": "leaky_relu",
        "SiLU": "silu",
    }
    if name in known:
        return known[name]
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


@cache
def activation_options() -> dict[str, str]:
    """Option word to layer name: `relu` is `ReLU`, `linear` is `Identity`."""
    names = [name for name, module in LAYERS if module in ACTIVATION_MODULES]
    return {snake_case(name): name for name in names} | {"linear": "Identity"}

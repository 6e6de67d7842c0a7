"""The layer table: every layer's name and the module that defines it.

A module is imported when one of its layers is first asked for, since a spec
uses few of them and a cold `dlspec check` should pay for no more.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module

from dlspec.ir.layer import Layer

LAYERS: tuple[tuple[str, str], ...] = (
    ("Dense", "dense"),
    ("Conv", "convolution"),
    ("DepthwiseConv", "convolution"),
    ("ConvTranspose", "transposed"),
    ("Filter", "filters"),
    ("MaxPool", "pooling"),
    ("AvgPool", "pooling"),
    ("GlobalAvgPool", "wholepooling"),
    ("GlobalMaxPool", "wholepooling"),
    ("AdaptiveAvgPool", "wholepooling"),
    ("AdaptiveMaxPool", "wholepooling"),
    ("BatchNorm", "normalization"),
    ("LayerNorm", "normalization"),
    ("GroupNorm", "groupnorms"),
    ("InstanceNorm", "groupnorms"),
    ("RMSNorm", "normalization"),
    ("LRN", "response"),
    ("Upsample", "resizing"),
    ("PixelShuffle", "resizing"),
    ("ChannelShuffle", "resizing"),
    ("Pad", "resizing"),
    ("CenterCrop", "resizing"),
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
    ("Flatten", "shape"),
    ("Concat", "joining"),
    ("Stack", "joining"),
    ("Add", "merging"),
    ("Multiply", "merging"),
    ("Average", "merging"),
    ("Maximum", "merging"),
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
    ("Mean", "reducing"),
    ("Sum", "reducing"),
    ("Max", "reducing"),
    ("Min", "reducing"),
    ("Split", "cutting"),
    ("Slice", "cutting"),
    ("Index", "cutting"),
    ("MatMul", "products"),
    ("Dot", "products"),
    ("Reshape", "shape"),
    ("Permute", "shape"),
    ("Squeeze", "shape"),
    ("Unsqueeze", "shape"),
    ("Expand", "shape"),
    ("Dropout", "regularization"),
    ("SpatialDropout", "regularization"),
    ("DropPath", "regularization"),
    ("GaussianNoise", "regularization"),
    ("StopGradient", "regularization"),
    ("Embedding", "embedding"),
    ("OneHot", "embedding"),
    ("PositionEmbedding", "embedding"),
    ("RNN", "recurrent"),
    ("LSTM", "recurrent"),
    ("GRU", "recurrent"),
    ("Attention", "attention"),
)

ACTIVATION_MODULES = ("activations", "rectifiers", "squashing")
_MODULES: dict[str, str] = dict(LAYERS)


@cache
def find(name: str) -> type[Layer] | None:
    """The layer of that name, `Conv`, or None. `Conv2D` is a spelling, which `spelled` knows."""
    module = _MODULES.get(name)
    return getattr(import_module(f"dlspec.layers.{module}"), name) if module else None


@cache
def spelled(name: str) -> tuple[type[Layer], int | None] | None:
    """The layer that a spec means by `name`, and the spatial rank that a suffix asserts.

    `Conv2D` is (Conv, 2), `Conv` is (Conv, None), an unknown name is None.
    """
    layer = find(name)
    if layer is not None:
        return None if layer.operator else (layer, None)
    if len(name) > 2 and name[-1] == "D" and name[-2] in "123":
        layer = find(name[:-2])
        if layer is not None and int(name[-2]) in layer.ranks:
            return layer, int(name[-2])
    return None


def all_layers() -> tuple[type[Layer], ...]:
    """Every layer, operators included, in the order of the table."""
    return tuple(layer for name, _ in LAYERS if (layer := find(name)) is not None)


def layer_names() -> tuple[str, ...]:
    """The names of the layers that a spec can write."""
    return tuple(layer.kind for layer in all_layers() if not layer.operator)


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
def activation_words() -> dict[str, str]:
    """Option word to layer name: `relu` is `ReLU`, `linear` is `Identity`."""
    names = [name for name, module in LAYERS if module in ACTIVATION_MODULES]
    return {snake_case(name): name for name in names} | {"linear": "Identity"}

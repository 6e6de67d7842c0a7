"""What kind of thing a layer is, for those who colour or group them.

A family goes by the module that defines the layer, which holds layers of one kind.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from dlspec.ir.layer import Layer

Family: TypeAlias = Literal[
    "convolution",
    "dense",
    "sequence",
    "pooling",
    "normalization",
    "activation",
    "regularization",
    "merging",
    "shape",
    "other",
]
FAMILIES: tuple[Family, ...] = get_args(Family)

MODULES: dict[str, Family] = {
    "activations": "activation",
    "attention": "sequence",
    "convolution": "convolution",
    "cutting": "shape",
    "dense": "dense",
    "embedding": "dense",
    "filters": "convolution",
    "groupnorms": "normalization",
    "joining": "merging",
    "merging": "merging",
    "normalization": "normalization",
    "operators": "merging",
    "pooling": "pooling",
    "products": "merging",
    "rectifiers": "activation",
    "recurrent": "sequence",
    "reducing": "pooling",
    "regularization": "regularization",
    "resizing": "shape",
    "response": "normalization",
    "shape": "shape",
    "squashing": "activation",
    "transposed": "convolution",
    "wholepooling": "pooling",
}
"""Module of `dlspec.layers` to family."""

FOLLOWERS: frozenset[Family] = frozenset({"normalization", "activation", "regularization"})
"""Families whose layers a figure puts close behind the layer whose result they treat."""


def family(layer: Layer) -> Family:
    """The family of a layer; `other` for those of another package."""
    package, _, module = type(layer).__module__.rpartition(".")
    return MODULES.get(module, "other") if package == "dlspec.layers" else "other"

"""Other people's implementations, built without weights; imported where they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transplant import State


def torchvision(name: str, **settings: Any) -> Callable[[], nn.Module]:
    """A classifier of torchvision."""

    def build() -> nn.Module:
        from torchvision import models

        return getattr(models, name)(weights=None, **settings)

    return build


def timm(name: str) -> Callable[[], nn.Module]:
    """A classifier of timm."""

    def build() -> nn.Module:
        from timm import create_model

        return create_model(name, pretrained=False)

    return build


def pytorchcv(module: str, name: str) -> Callable[[], nn.Module]:
    """A classifier of pytorchcv."""

    def build() -> nn.Module:
        from importlib import import_module

        return getattr(import_module(f"pytorchcv.models.{module}"), name)(pretrained=False)

    return build


class Keras:
    """A classifier of Keras, its weights seen as PyTorch's."""

    def __init__(self, name: str, **settings: Any) -> None:
        from keras import applications

        build = getattr(applications, name)
        self.network = build(weights=None, classifier_activation=None, **settings)

    def layers(self) -> dict[str, State]:
        """The weights of each layer with any, as PyTorch shapes them."""
        found: dict[str, State] = {}
        for layer in self.network.layers:
            if layer.weights:
                found[layer.name] = {
                    _NAMES[weight.name]: _to_torch(layer, weight) for weight in layer.weights
                }
        return found

    def take(self, states: dict[str, State]) -> None:
        """Set the weights to those that `layers` gave and that were drawn anew."""
        for layer in self.network.layers:
            if layer.weights:
                layer.set_weights([
                    _to_keras(layer, states[layer.name][_NAMES[weight.name]], weight)
                    for weight in layer.weights
                ])  # fmt: skip

    def __call__(self, image: Tensor) -> Tensor:
        scores = self.network(image.permute(0, 2, 3, 1), training=False)
        return scores.flatten(1)


_NAMES = {
    "kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias",
    "moving_mean": "running_mean", "moving_variance": "running_var",
}  # fmt: skip


def _axes(layer: Any, rank: int) -> tuple[int, ...]:
    """Where PyTorch's axes lie in a kernel of Keras."""
    if rank == 2:
        return 1, 0
    if rank == 4:
        return (2, 3, 0, 1) if type(layer).__name__ == "DepthwiseConv2D" else (3, 2, 0, 1)
    return tuple(range(rank))


def _to_torch(layer: Any, weight: Any) -> Tensor:
    value = np.asarray(weight.value.detach())
    return torch.tensor(value.transpose(_axes(layer, value.ndim)))


def _to_keras(layer: Any, value: Tensor, weight: Any) -> np.ndarray:
    back = np.argsort(_axes(layer, value.ndim))
    return value.numpy().transpose(back).reshape(weight.shape)

"""Weights of one network in another: drawn at random, matched layer by layer, none left over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from math import sqrt

import torch
from torch import Tensor, nn

State = dict[str, Tensor]
"""The weights and statistics of one layer, by PyTorch's names."""

Order = Callable[[list[str]], list[str]]
"""Puts the names of another network's layers in the order in which the spec writes them."""


def layers(module: nn.Module) -> dict[str, State]:
    """The layers of a module that hold values of their own, in the order of their definition."""
    found: dict[str, State] = {}
    for path, part in module.named_modules():
        own = dict(part.named_parameters(recurse=False)) | dict(part.named_buffers(recurse=False))
        own.pop("num_batches_tracked", None)
        own = {name: value.detach() for name, value in own.items() if value is not None}
        if own:
            found[path] = own
    return found


def draw(states: Iterable[State], seed: int = 0) -> None:
    """Random values for every layer, statistics of BatchNorm too, so that no part is idle.

    They keep the size of what flows: a network whose signal dies agrees with anything.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(value: Tensor, deviation: float) -> None:
        value.normal_(0, deviation, generator=generator)

    def around_one(value: Tensor) -> None:
        value.uniform_(0.5, 1.5, generator=generator)

    for state in states:
        for name, value in state.items():
            if name.endswith("running_var") or (name == "weight" and value.ndim == 1):
                around_one(value)
            elif name.startswith("weight") and value.ndim > 1:
                normal(value, sqrt(2 / value[0].numel()))
            else:
                normal(value, 0.1)


def transplant(theirs: dict[str, State], ours: dict[str, State], order: Order | None) -> None:
    """Copy every value of one network into the other; each layer has exactly one partner."""
    names = order(list(theirs)) if order else list(theirs)
    assert sorted(names) == sorted(theirs), "the order loses or doubles a layer"
    assert len(names) == len(ours), f"{len(names)} layers of theirs for {len(ours)} of ours"
    for name, (path, own) in zip(names, ours.items(), strict=True):
        given = {key: _dense(value, own.get(key)) for key, value in theirs[name].items()}
        shapes = {key: tuple(value.shape) for key, value in given.items()}
        wanted = {key: tuple(value.shape) for key, value in own.items()}
        assert shapes == wanted, f"their {name} has {shapes}, our {path} {wanted}"
        for key, value in own.items():
            value.copy_(given[key])


def _dense(value: Tensor, like: Tensor | None) -> Tensor:
    """A 1×1 kernel as the weight of a Dense, where ours is one: on one cell they do the same."""
    if like is not None and like.ndim == 2 and value.shape[2:].numel() == 1:
        return value.flatten(1)
    return value


def before(**places: str) -> Order:
    """Moves a part in front of another, `aux1="inception4b"`: where the spec writes it."""

    def order(names: list[str]) -> list[str]:
        for part, other in places.items():
            moved = [name for name in names if name.startswith(f"{part}.")]
            rest = [name for name in names if name not in moved]
            start = next(i for i, name in enumerate(rest) if name.startswith(f"{other}."))
            names = rest[:start] + moved + rest[start:]
        return names

    return order


def shortcuts_first(names: list[str]) -> list[str]:
    """ResNet's shortcut before the rest of its block: the spec binds it before it changes `it`."""
    blocks = [re.match(r"layer\d+\.\d+", name) for name in names]
    keys = [block.group() if block else name for block, name in zip(blocks, names, strict=True)]
    places = {key: place for place, key in reversed(list(enumerate(keys)))}
    shortcut = {name: "downsample" not in name for name in names}
    keyed = {name: (places[key], shortcut[name]) for name, key in zip(names, keys, strict=True)}
    return sorted(names, key=keyed.__getitem__)


def as_created(names: list[str]) -> list[str]:
    """Keras's own numbers, `conv2d_12`: it lists the layers of a graph by their depth instead."""

    def key(name: str) -> tuple[float, bool]:
        last = float("inf")  # the classifier has a name of its own
        number = re.fullmatch(r"(?:conv2d|batch_normalization)(?:_(\d+))?", name)
        return float(number[1] or 0) if number else last, not name.startswith("conv2d")

    return sorted(names, key=key)

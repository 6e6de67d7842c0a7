"""How each transform is computed: a function of `dlspec.data` and its arguments, as neutral data.

The engine calls the function; the emitter copies its source and writes the call.
"""

from __future__ import annotations

from typing import NamedTuple

from dlspec.ir.forms import Argument
from dlspec.ir.transforms import (
    AnyTransform,
    CenterCrop,
    ColorJitter,
    CutMix,
    Grayscale,
    MixUp,
    Normalize,
    OneHot,
    RandomCrop,
    RandomErasing,
    RandomFlip,
    RandomResizedCrop,
    RandomRotation,
    Resize,
    Standardize,
    pair,
)


class TransformCall(NamedTuple):
    """A function over batches of images: its file in `dlspec/data`, its name, its arguments.

    The images come before the arguments; behind them comes a generator where the transform is
    random. One that mixes gives the images and the share that each keeps of itself.
    """

    file: str
    function: str
    arguments: tuple[Argument, ...]


def call_of(transform: AnyTransform) -> TransformCall:
    """How a transform is computed."""
    match transform:
        case Resize(size=size):
            return TransformCall("batches", "resize", pair(size))
        case CenterCrop(size=size):
            return TransformCall("batches", "center_crop", pair(size))
        case Normalize(mean=mean, std=std):
            return TransformCall("batches", "normalize", (mean, std))
        case Grayscale(channels=channels):
            return TransformCall("colours", "grayscale", (channels,))
        case RandomCrop(size=size, padding=padding):
            return TransformCall("batches", "random_crop", (*pair(size), padding))
        case RandomFlip(probability=probability):
            return TransformCall("batches", "random_flip", (probability,))
        case RandomErasing() | RandomResizedCrop() | RandomRotation() | ColorJitter():
            return _augmenting(transform)
        case MixUp(alpha=alpha, probability=probability):
            return TransformCall("augmenting", "mix_up", (alpha, probability))
        case CutMix(alpha=alpha, probability=probability):
            return TransformCall("augmenting", "cut_mix", (alpha, probability))
        case OneHot() | Standardize():
            raise ValueError(f"`{transform.kind}` is done when a table is read")


def _augmenting(
    transform: RandomErasing | RandomResizedCrop | RandomRotation | ColorJitter,
) -> TransformCall:
    match transform:
        case RandomResizedCrop(size=size, scale=scale, ratio=ratio):
            arguments = (*pair(size), scale, ratio)
            return TransformCall("augmenting", "random_resized_crop", arguments)
        case RandomRotation(degrees=degrees, fill=fill):
            angles = degrees if isinstance(degrees, tuple) else (-degrees, degrees)
            return TransformCall("augmenting", "random_rotation", (*angles, fill))
        case ColorJitter():
            names = ("brightness", "contrast", "saturation", "hue")
            arguments = tuple(getattr(transform, name) for name in names)
            return TransformCall("colours", "color_jitter", arguments)
        case RandomErasing(probability=probability, scale=scale, ratio=ratio, value=value):
            arguments = (probability, scale, ratio, value)
            return TransformCall("augmenting", "random_erasing", arguments)

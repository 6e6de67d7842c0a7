"""Prepares images as training did, without torch: the transforms that the model's card names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dlspec.ir.card import Preparation
from dlspec.ir.transforms import AnyTransform, CenterCrop, Grayscale, Normalize, Resize, pair

Array = NDArray[Any]


def prepare(image: Array, preparation: Preparation) -> Array:
    """An image [channels, height, width], uint8 or in 0 to 1, as float32 behind the transforms.

    Raises ValueError where a crop is greater than the image.
    """
    if preparation.eight_bit and image.dtype != np.uint8:
        image = np.rint(image * 255).clip(0, 255).astype(np.uint8)
    exact = not preparation.eight_bit
    for transform in preparation.transform:
        exact = exact or not isinstance(transform, Resize | CenterCrop)
        image = _apply(transform, as_float(image) if exact else image)
    return as_float(image)


def as_float(image: Array) -> Array:
    """Bytes as 0 to 1; other numbers as they are, in float32."""
    if image.dtype == np.uint8:
        return image.astype(np.float32) / np.float32(255)
    return image.astype(np.float32)


def _apply(transform: AnyTransform, image: Array) -> Array:
    match transform:
        case Resize():
            return resize(image, *pair(transform.size))
        case CenterCrop():
            return center_crop(image, *pair(transform.size))
        case Normalize():
            return normalize(image, transform.mean, transform.std)
        case Grayscale():
            return grayscale(image, transform.channels)
        case _:
            raise ValueError(f"`{transform.kind}` is for training alone")


def resize(image: Array, height: int, width: int) -> Array:
    """Resize [channels, height, width] bilinearly with antialiasing, bytes to bytes.

    On floats this is `torch.nn.functional.interpolate` with `antialias=True`, to 2e-6.
    """
    if image.shape[1:] == (height, width):
        return image
    channels = [Image.fromarray(np.ascontiguousarray(channel)) for channel in image]
    return np.stack(
        [
            np.asarray(channel.resize((width, height), Image.Resampling.BILINEAR))
            for channel in channels
        ]
    )


def center_crop(image: Array, height: int, width: int) -> Array:
    """Cut the middle out. Of an odd remainder, the smaller half goes to the top and left."""
    have_height, have_width = image.shape[1:]
    if height > have_height or width > have_width:
        raise ValueError(
            f"`CenterCrop` cannot cut {height}×{width} out of {have_height}×{have_width}"
        )
    top, left = (have_height - height) // 2, (have_width - width) // 2
    return image[:, top : top + height, left : left + width]


def normalize(
    image: Array, mean: float | tuple[float, ...], std: float | tuple[float, ...]
) -> Array:
    """Subtract the mean and divide by the standard deviation, one number or one a channel."""
    center = np.array(mean, np.float32).reshape(-1, 1, 1)
    scale = np.array(std, np.float32).reshape(-1, 1, 1)
    return (image - center) / scale


def grayscale(image: Array, channels: int) -> Array:
    """The luma of red, green and blue (ITU-R BT.601) in `channels` equal channels."""
    if len(image) == 3:
        weights = np.array([0.299, 0.587, 0.114], np.float32)
        image = np.tensordot(weights, image, 1)[None]
    return np.repeat(image, channels, 0)

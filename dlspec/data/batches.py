"""What is done to batches of images on the device: resizing, cropping, flipping, normalising.

Each function uses torch alone and stands by itself: emitted programs carry copies.
Randomness is drawn where the generator lives, so that a CPU generator gives the same
images on every device.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F


def resize(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Resize float [B, C, H, W] to [B, C, height, width], bilinear with antialiasing."""
    if images.shape[-2:] == (height, width):
        return images
    return F.interpolate(
        images,
        size=(height, width),
        mode="bilinear",
        align_corners=False,
        antialias=True,
    )


def center_crop(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Cut [B, C, height, width] out of the middle of [B, C, H, W].

    Of an odd remainder, the smaller half goes to the top and left.
    """
    top = (images.shape[-2] - height) // 2
    left = (images.shape[-1] - width) // 2
    return images[..., top : top + height, left : left + width]


def random_crop(
    images: torch.Tensor,
    height: int,
    width: int,
    padding: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """Pad [B, C, H, W] with zeros, then cut [B, C, height, width] out, each image elsewhere."""
    if padding > 0:
        images = F.pad(images, (padding, padding, padding, padding))
    device, (count, channels) = images.device, images.shape[:2]
    # One draw for both axes, so that one copy goes to the device.
    room = torch.tensor(
        [[images.shape[-2] - height + 1], [images.shape[-1] - width + 1]],
        device=generator.device,
    )
    chance = torch.rand(
        2, count, generator=generator, device=generator.device, dtype=torch.float64
    )
    top, left = (chance * room).long().to(device, non_blocking=True)
    rows = top[:, None, None, None] + torch.arange(height, device=device)[:, None]
    columns = left[:, None, None, None] + torch.arange(width, device=device)
    example = torch.arange(count, device=device)[:, None, None, None]
    channel = torch.arange(channels, device=device)[:, None, None]
    return images[example, channel, rows, columns]


def random_flip(
    images: torch.Tensor, probability: float, generator: torch.Generator
) -> torch.Tensor:
    """Mirror each image of [B, C, H, W] left and right with this probability."""
    chance = torch.rand(len(images), generator=generator, device=generator.device)
    mirrored = (chance < probability).to(images.device, non_blocking=True)
    return torch.where(mirrored[:, None, None, None], images.flip(-1), images)


def normalize(
    images: torch.Tensor, mean: float | Sequence[float], std: float | Sequence[float]
) -> torch.Tensor:
    """Subtract the mean from [B, C, H, W] and divide by std, one number or one a channel."""
    center = torch.tensor(mean, dtype=images.dtype, device=images.device).reshape(
        -1, 1, 1
    )
    scale = torch.tensor(std, dtype=images.dtype, device=images.device).reshape(
        -1, 1, 1
    )
    return (images - center) / scale

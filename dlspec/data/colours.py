"""What is done to the colours of batches of images on the device.

Each function uses torch alone, and what this file has: emitted programs carry copies.
"""

from __future__ import annotations

import torch


def luma(images: torch.Tensor) -> torch.Tensor:
    """How bright [B, 3, H, W] looks, [B, 1, H, W] (ITU-R BT.601); grey images as they are."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.unbind(1)
    return (0.299 * red + 0.587 * green + 0.114 * blue)[:, None]


def grayscale(images: torch.Tensor, channels: int) -> torch.Tensor:
    """The luma of [B, 3, H, W], or a grey [B, 1, H, W], as [B, channels, H, W]."""
    return luma(images).expand(-1, channels, -1, -1)


def color_jitter(
    images: torch.Tensor,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
    generator: torch.Generator,
) -> torch.Tensor:
    """Change the colours of each image of [B, C, H, W], red, green and blue in 0 to 1.

    The factors of the first three are equally likely from 1 minus their number, at least 0,
    to 1 plus it; hues turn by up to `hue` of the circle to either side.
    """
    count = len(images)
    for kind, most in enumerate((brightness, contrast, saturation)):
        if most == 0:
            continue
        chance = torch.rand(count, generator=generator, device=generator.device)
        least = max(0.0, 1 - most)
        factor = least + (1 + most - least) * chance
        factor = factor.to(images.device, non_blocking=True)[:, None, None, None]
        none = torch.zeros_like(images) if kind == 0 else luma(images)
        if kind == 1:
            none = none.mean((1, 2, 3), keepdim=True)
        images = torch.lerp(none.expand_as(images), images, factor).clamp(0, 1)
    if hue == 0:
        return images
    chance = torch.rand(count, generator=generator, device=generator.device)
    turn = hue * (2 * chance - 1)
    return turned_hue(images, turn.to(images.device, non_blocking=True))


def turned_hue(images: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """[B, 3, H, W] in 0 to 1 with its hues turned by `turn` [B], 1 being the whole circle."""
    red, green, blue = images.unbind(1)
    value, least = images.amax(1), images.amin(1)
    span = value - least
    safe = torch.where(span > 0, span, 1)
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    sector = (hue + 6 * turn[:, None, None])[:, None]
    offsets = torch.tensor([5, 3, 1], device=images.device)[:, None, None]
    place = (offsets + sector) % 6
    away = torch.minimum(place, 4 - place).clamp(0, 1)
    return value[:, None] - span[:, None] * away

"""How batches of images are changed at random in training, on the device.

Each function uses torch alone, and what this file has: emitted programs carry copies.
Random numbers are drawn where the generator lives, so that a CPU generator gives the same
images on every device, and every image of a batch gets its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F


def uniform(
    count: int, least: float, greatest: float, generator: torch.Generator
) -> torch.Tensor:
    """Random numbers [count], equally likely anywhere between the two."""
    chance = torch.rand(count, generator=generator, device=generator.device)
    return least + (greatest - least) * chance


def random_parts(
    images: torch.Tensor,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """A random part of every image: top, left, height and width [B, 4], and whether one fits.

    Its share of the area is between the two of `scale`, its width divided by its height
    between the two of `ratio`, equally likely as a logarithm. The first of ten draws that
    fits into the image counts.
    """
    (height, width), count = images.shape[-2:], 10 * len(images)
    area = height * width * uniform(count, *scale, generator)
    low, high = math.log(ratio[0]), math.log(ratio[1])
    shape = uniform(count, low, high, generator).exp()
    rows, columns = (area / shape).sqrt().round(), (area * shape).sqrt().round()
    fits = (rows >= 1) & (rows <= height) & (columns >= 1) & (columns <= width)
    top = (uniform(count, 0, 1, generator) * (height - rows + 1)).floor()
    left = (uniform(count, 0, 1, generator) * (width - columns + 1)).floor()
    parts = torch.stack([top, left, rows, columns], dim=1).reshape(-1, 10, 4)
    fits = fits.reshape(-1, 10)
    first = fits.int().argmax(1)
    return parts[torch.arange(len(parts)), first], fits.any(1)


def within(start: torch.Tensor, length: torch.Tensor, size: int) -> torch.Tensor:
    """Which of the places 0 to size - 1 lie in `length` of them from `start` on: [B, size]."""
    places = torch.arange(size, device=start.device)
    return (places >= start[:, None]) & (places < (start + length)[:, None])


def resampling(
    start: torch.Tensor, length: torch.Tensor, size: int, wanted: int
) -> torch.Tensor:
    """Weights [B, wanted, size] that resize `length` places from `start` on to `wanted`.

    Bilinear with antialiasing: a triangle as wide as a new place, and at least as an old one.
    """
    step = length / wanted
    reach = step.clamp(min=1)[:, None, None]
    middles = (torch.arange(wanted, device=start.device) + 0.5) * step[:, None]
    places = torch.arange(size, device=start.device) - start[:, None] + 0.5
    distance = (places[:, None, :] - middles[:, :, None]).abs() / reach
    weights = (1 - distance).clamp(min=0) * within(start, length, size)[:, None, :]
    return weights / weights.sum(2, keepdim=True)


def random_resized_crop(
    images: torch.Tensor,
    height: int,
    width: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    generator: torch.Generator,
) -> torch.Tensor:
    """Cut a random part out of each image of [B, C, H, W] and resize it to (height, width).

    Szegedy et al. 2015; `scale` and `ratio` as `random_parts` takes them. Where no part
    fits, it is the middle, as much of it as the ratio lets.
    """
    parts, fits = random_parts(images, scale, ratio, generator)
    rows, columns = images.shape[-2:]
    shape = min(max(columns / rows, ratio[0]), ratio[1])
    high, wide = min(rows, round(columns / shape)), min(columns, round(rows * shape))
    middle = [(rows - high) // 2, (columns - wide) // 2, high, wide]
    parts = torch.where(fits[:, None], parts, torch.tensor(middle, dtype=parts.dtype))
    top, left, high, wide = parts.to(images.device, non_blocking=True).unbind(1)
    down = resampling(top, high, rows, height)[:, None]
    across = resampling(left, wide, columns, width)[:, None]
    return down @ images @ across.transpose(-1, -2)


def random_rotation(
    images: torch.Tensor,
    least: float,
    greatest: float,
    fill: float,
    generator: torch.Generator,
) -> torch.Tensor:
    """Turn each image of [B, C, H, W] about its middle, to the left by an angle in degrees.

    Bilinear; what comes in from outside is `fill`.
    """
    angle = uniform(len(images), least, greatest, generator) * (math.pi / 180)
    height, width = images.shape[-2:]
    none = torch.zeros_like(angle)
    turn = [
        [angle.cos(), -angle.sin() * (height / width), none],
        [angle.sin() * (width / height), angle.cos(), none],
    ]
    theta = torch.stack([torch.stack(row, dim=1) for row in turn], dim=1)
    theta = theta.to(images.device, non_blocking=True)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images - fill, grid, align_corners=False) + fill


def random_erasing(
    images: torch.Tensor,
    probability: float,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    value: float | Sequence[float],
    generator: torch.Generator,
) -> torch.Tensor:
    """Overwrite a random part of each image of [B, C, H, W] with this probability.

    Zhong et al. 2017; `scale` and `ratio` as `random_parts` takes them, `value` one number
    or one a channel. Where no part fits, the image stays.
    """
    parts, fits = random_parts(images, scale, ratio, generator)
    chosen = fits & (uniform(len(images), 0, 1, generator) < probability)
    parts = parts * chosen[:, None]  # a part without places is none
    top, left, high, wide = parts.to(images.device, non_blocking=True).unbind(1)
    rows = within(top, high, images.shape[-2])[:, None, :, None]
    columns = within(left, wide, images.shape[-1])[:, None, None, :]
    written = torch.tensor(value, dtype=images.dtype, device=images.device)
    return torch.where(rows & columns, written.reshape(-1, 1, 1), images)


def beta_shares(
    count: int, alpha: float, probability: float, generator: torch.Generator
) -> torch.Tensor:
    """Shares [count] from Beta(alpha, alpha), with this probability; else 1."""
    seed = torch.randint(2**62, (1,), generator=generator, device=generator.device)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(seed))
        share = torch.distributions.Beta(alpha, alpha).sample((count,))
    share = share.to(generator.device)
    return torch.where(uniform(count, 0, 1, generator) < probability, share, 1.0)


def mix_up(
    images: torch.Tensor, alpha: float, probability: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Blend each image of [B, C, H, W] with the one before it; the share [B] that it keeps.

    Zhang et al. 2018.
    """
    share = beta_shares(len(images), alpha, probability, generator)
    share = share.to(images.device, non_blocking=True)
    return torch.lerp(images.roll(1, 0), images, share[:, None, None, None]), share


def cut_mix(
    images: torch.Tensor, alpha: float, probability: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Put a part of the image before it into each of [B, C, H, W]; the share [B] that it keeps.

    Yun et al. 2019: the part has the image's proportions and its middle anywhere, so that
    the edges may cut it off.
    """
    (height, width), count = images.shape[-2:], len(images)
    size = (1 - beta_shares(count, alpha, probability, generator)).sqrt()
    spans: list[torch.Tensor] = []
    for length in (height, width):
        middle = uniform(count, 0, 1, generator) * length
        half = size * length / 2
        start = (middle - half).round().clamp(0, length)
        end = (middle + half).round().clamp(0, length)
        spans += [start, end - start]
    share = 1 - spans[1] * spans[3] / (height * width)
    facts = torch.stack([*spans, share]).to(images.device, non_blocking=True)
    top, high, left, wide, share = facts.unbind(0)
    rows = within(top, high, height)[:, None, :, None]
    columns = within(left, wide, width)[:, None, None, :]
    return torch.where(rows & columns, images.roll(1, 0), images), share


def mix_classes(classes: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Shares of classes [B, classes], mixed as the images were."""
    return torch.lerp(classes.roll(1, 0), classes, share[:, None])

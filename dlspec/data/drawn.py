"""Examples that are drawn, not read: points of two classes, and random fields. The functions
use NumPy alone: emitted programs carry copies.

What PCG64 gives for a seed is promised to stay; the rest is arithmetic written out here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def uniform(count: int, seed: int) -> NDArray[np.float64]:
    """`count` random numbers from 0 to below 1, the same for a seed everywhere."""
    bits = np.random.PCG64(np.random.SeedSequence(seed)).random_raw(count)
    high = np.asarray(bits, np.uint64) >> np.uint64(11)
    return high.astype(np.float64) * 2.0**-53


def draw_points(
    shape: str, count: int, noise: float, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Points [N, 2] in the plane and their classes, 0 and 1, in turn.

    shape: `circle` (a disc of radius 2.5 within a ring from 3.5 to 5), `xor` (four squares
    with sides of 5), `gauss` (two clouds around (2, 2) and (-2, -2)) or `spiral` (two arms).
    noise: how far points stray, as a share of the radius or, of clouds, of their spread.
    """
    first, second, third, fourth = uniform(4 * count, seed).reshape(4, count)
    label = np.arange(count) % 2
    stray = noise * (2 * np.stack([third, fourth], 1) - 1)
    if shape == "circle":
        radius = np.where(label == 0, 2.5 * np.sqrt(first), 3.5 + 1.5 * first)
        angle = 2 * np.pi * second
        point = (
            np.stack([radius * np.sin(angle), radius * np.cos(angle)], 1) + 5 * stray
        )
    elif shape == "xor":
        # A gap of 0.3 on either side of the axes, as wide as the sides lack.
        point = 0.3 + 4.7 * np.stack([first, second], 1)
        side = np.where(third < 0.5, 1.0, -1.0)
        point *= np.stack([side, np.where(label == 0, side, -side)], 1)
        point += 5 * noise * (2 * np.stack([fourth, (fourth * 65537) % 1], 1) - 1)
    elif shape == "gauss":
        spread = (0.5 + 3.5 * noise) * np.sqrt(-2 * np.log(1 - first))
        angle = 2 * np.pi * second
        center = np.where(label == 0, 2.0, -2.0)[:, None]
        point = center + np.stack([spread * np.cos(angle), spread * np.sin(angle)], 1)
    else:
        share = (np.arange(count) // 2) / max((count + 1) // 2, 1)
        angle = 1.75 * share * 2 * np.pi + label * np.pi
        point = 5 * share[:, None] * np.stack([np.sin(angle), np.cos(angle)], 1) + stray
    return point.astype(np.float32), label.astype(np.int64)


def draw_field(
    shape: tuple[int, ...], kind: str, below: int, seed: int
) -> NDArray[Any]:
    """An array of random values, examples along axis 0.

    kind: `image` (uint8 from 0 to 255), `number` (float32, from -1 to 1) or `class` (int64
    from 0 to below `below`).
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    if kind == "image":
        return generator.integers(0, 256, shape, np.uint8)
    if kind == "number":
        return 2 * generator.random(shape, np.float32) - 1
    return generator.integers(0, below, shape, np.int64)

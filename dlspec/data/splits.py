"""Seeded splits that are the same on every machine and with every version of NumPy.

NumPy does not promise that its generators keep their streams, so the order comes from an
integer hash written out here. The functions use NumPy alone: emitted programs carry copies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def permutation(count: int, seed: int) -> NDArray[np.int64]:
    """A random order of the numbers 0 to `count - 1`.

    count: how many numbers, at least 0; seed: any whole number of at least 0.
    Gives int64 [count], the same for equal arguments everywhere.
    The keys that are sorted are SplitMix64's (Steele, Lea, Flood 2014), started at the
    hash of the seed; no two of them are equal.
    """

    def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))

    start = mixed(np.array([seed % 2**64], dtype=np.uint64))
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return np.argsort(mixed(start + steps), kind="stable").astype(np.int64)


def split_indices(
    count: int, validation: float, test: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Divide examples by chance into those for training, for validation and for the test.

    count: number of examples; validation, test: their shares, from 0 to below 1; seed: of
    the shuffle. Gives three ascending int64 arrays that share nothing and cover all.
    A share is rounded to the nearest whole number, halves up, and one above 0 gets at least
    one example. The test split depends on `count`, `test` and `seed` alone.
    Raises ValueError where nothing would be left for training.
    """
    sizes = [
        max(int(round(count * share, 6) + 0.5), 1) if share > 0 else 0
        for share in (test, validation)
    ]
    if sum(sizes) >= count:
        raise ValueError(
            f"{count} examples cannot give {sizes[1]} for validation and {sizes[0]} for"
            " the test and keep one for training"
        )
    order = permutation(count, seed)
    for_test, for_validation, for_training = np.split(order, [sizes[0], sum(sizes)])
    return np.sort(for_training), np.sort(for_validation), np.sort(for_test)

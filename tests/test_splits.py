"""The division into splits: disjoint, covering, and the same for ever."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest
from data_files import plan, problem
from hypothesis import given, settings
from hypothesis import strategies as st

from dlspec.data import load
from dlspec.data.splits import permutation, split_indices
from dlspec.ir.sources import Npz


def splitmix(value: int) -> int:
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) % 2**64
    return value ^ (value >> 31)


@given(count=st.integers(0, 300), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=50, deadline=None)
def test_the_order_is_that_of_plain_integers(count: int, seed: int):
    keys = [
        (splitmix((splitmix(seed) + i * 0x9E3779B97F4A7C15) % 2**64), i - 1)
        for i in range(1, count + 1)
    ]
    assert permutation(count, seed).tolist() == [i for _, i in sorted(keys)]


@given(
    count=st.integers(1, 500),
    validation=st.floats(0, 0.99),
    test=st.floats(0, 0.99),
    seed=st.integers(0, 2**63 - 1),
)
@settings(max_examples=200, deadline=None)
def test_splits_are_disjoint_and_cover(count: int, validation: float, test: float, seed: int):
    try:
        parts = split_indices(count, validation, test, seed)
    except ValueError:
        wanted = sum(max(1, count * share) if share else 0 for share in (validation, test))
        assert wanted > count - 2
        return
    assert sorted(np.concatenate(parts).tolist()) == list(range(count))
    assert len(parts[0]) > 0
    for part, share in zip(parts[1:], (validation, test), strict=True):
        assert part.dtype == np.int64
        assert abs(len(part) - count * share) <= 0.5 + 1e-6 or (share > 0 and len(part) == 1)
        assert (len(part) > 0) == (share > 0)


def test_splits_never_change():
    """A changed value here means that every user's test split has changed."""
    assert permutation(10, 0).tolist() == [2, 4, 6, 8, 5, 1, 7, 0, 9, 3]
    assert permutation(10, 1).tolist() == [7, 4, 8, 1, 2, 6, 5, 0, 9, 3]
    train, validation, test = split_indices(1797, 0.1, 0.2, 0)
    assert (len(train), len(validation), len(test)) == (1258, 180, 359)
    digest = hashlib.sha256(np.concatenate([train, validation, test]).astype("<i8").tobytes())
    assert digest.hexdigest()[:16] == "e137b1a116816749"


def test_the_test_split_does_not_depend_on_the_validation_share():
    assert (split_indices(100, 0.1, 0.2, 7)[2] == split_indices(100, 0.4, 0.2, 7)[2]).all()


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [(10, 0.15, 2), (50, 0.29, 15), (10, 0.14, 1), (3, 0.1, 1), (1000, 0.1, 100), (7, 0.5, 4)],
)
def test_shares_are_rounded_half_up_and_never_to_nothing(count, share, expected):
    assert len(split_indices(count, 0.0, share, 0)[2]) == expected


def test_orders_of_neighbouring_seeds_have_nothing_in_common():
    """The rank correlation of 200 pairs of orders is that of chance."""
    orders = [np.argsort(permutation(500, seed)) for seed in range(201)]
    correlations = [np.corrcoef(a, b)[0, 1] for a, b in itertools.pairwise(orders)]
    assert abs(np.mean(correlations)) < 4 / np.sqrt(200 * 500)
    assert np.max(np.abs(correlations)) < 5 / np.sqrt(500)


def test_splits_of_a_source_hold_its_examples_once(tmp_path: Path):
    np.savez(tmp_path / "a.npz", x=np.arange(40.0), y=np.arange(40))
    data = load(plan(Npz(path="a.npz"), validation=0.25, test=0.1, seed=3), tmp_path)
    assert [len(s) for s in (data.train, data.validation, data.test)] == [26, 10, 4]
    everything = [s.fields["y"] for s in (data.train, data.validation, data.test)]
    assert sorted(np.concatenate(everything).tolist()) == list(range(40))
    for split in (data.train, data.validation, data.test):
        assert (split.fields["x"] == split.fields["y"]).all()


def test_too_few_examples_for_the_shares(tmp_path: Path):
    np.savez(tmp_path / "a.npz", x=np.zeros(2))
    found = problem(Npz(path="a.npz"), tmp_path, validation=0.5, test=0.4)
    assert found.code == "E0607" and "2 examples" in found.message

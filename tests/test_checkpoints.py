"""Checkpoints are whole or not there, and damage never goes unnoticed."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from training_setup import program, run  # noqa: E402

from dlspec.training import durable  # noqa: E402
from dlspec.training.checkpoint import (  # noqa: E402
    Checkpoint,
    newest_checkpoint,
    read_checkpoint,
    save_checkpoint,
    set_aside,
)
from dlspec.training.problems import SpecProblem  # noqa: E402
from dlspec.training.weights import DamagedWeights, packed, unpacked  # noqa: E402


def checkpoint(step: int) -> Checkpoint:
    generator = torch.Generator().manual_seed(step)
    tensors = {
        "model.weight": torch.rand(5, 7, generator=generator),
        "random.cpu": torch.arange(9, dtype=torch.uint8),
    }
    return Checkpoint(tensors, {"step": step, "best": None, "history": [{"loss": 0.1 * step}]})


def same(one: Checkpoint, other: Checkpoint) -> bool:
    return (
        one.tensors.keys() == other.tensors.keys()
        and all(torch.equal(one.tensors[n], other.tensors[n]) for n in one.tensors)
        and one.facts["step"] == other.facts["step"]
        and one.facts["history"] == other.facts["history"]
    )


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(3))
    found = newest_checkpoint(tmp_path)
    assert found is not None
    assert same(found.checkpoint, checkpoint(3))
    assert found.refused == ()


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    for step in (1, 20, 300, 4000):
        save_checkpoint(tmp_path, checkpoint(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"step-{step:012d}.{suffix}" for step in (300, 4000) for suffix in ("json", "safetensors")
    ]


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_every_kind_of_damage_is_noticed(tmp_path: Path, suffix: str) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    save_checkpoint(tmp_path, checkpoint(2))
    path = tmp_path / f"step-{2:012d}.{suffix}"
    whole = path.read_bytes()
    chance = random.Random(0)
    flips = [_flipped(whole, chance.randrange(len(whole) * 8)) for _ in range(150)]
    cuts = [whole[:length] for length in (0, 1, 7, 8, len(whole) // 2, len(whole) - 1)]
    for damaged in [*flips, *cuts, whole + b" x", b"\xff" * 40, b"[" * 100_000]:
        path.write_bytes(damaged)
        found = newest_checkpoint(tmp_path)
        assert found is not None
        assert same(found.checkpoint, checkpoint(1))
        assert len(found.refused) == 1
        assert path.stem in found.refused[0]


def _flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
@pytest.mark.slow
def test_every_flipped_bit_and_every_cut_is_refused(tmp_path: Path, suffix: str) -> None:
    """All regions: lengths, headers, names, numbers, random states, the digests themselves."""
    save_checkpoint(tmp_path, checkpoint(1))
    path = tmp_path / f"step-{1:012d}.{suffix}"
    whole = path.read_bytes()
    flips = (_flipped(whole, bit) for bit in range(len(whole) * 8))
    cuts = (whole[:length] for length in range(len(whole)))
    refused = 0
    for damaged in itertools.chain(flips, cuts):
        path.write_bytes(damaged)
        with pytest.raises(SpecProblem, match=path.stem):
            read_checkpoint(path.with_suffix(".json"))
        refused += 1
    assert refused == len(whole) * 9


@pytest.mark.slow
def test_damage_to_the_checkpoint_of_a_run_is_refused(tmp_path: Path) -> None:
    """Every bit of the JSON file and of the tensors' header, bits and cuts from all the rest."""
    run(program(train__epochs="1"), tmp_path / "run")
    (place,) = (tmp_path / "run" / "checkpoints").glob("step-*20.json")
    chance, refused = random.Random(0), 0
    for path in (place, place.with_suffix(".safetensors")):
        whole = path.read_bytes()
        named = len(whole) if path == place else int.from_bytes(whole[:8], "little") + 8
        rest = range(named * 8, len(whole) * 8)
        bits = [*range(named * 8), *chance.sample(rest, min(len(rest), 10_000))]
        cuts = [*range(named), *chance.sample(range(len(whole)), min(len(whole), 2_000))]
        damaged = itertools.chain((_flipped(whole, b) for b in bits), (whole[:c] for c in cuts))
        for content in damaged:
            path.write_bytes(content)
            with pytest.raises(SpecProblem, match=place.stem):
                read_checkpoint(place)
            refused += 1
        path.write_bytes(whole)
    assert refused > 30_000
    print(f"{refused:,} of {refused:,} damaged checkpoints were refused")


def test_best_weights_notice_damage() -> None:
    content = packed(checkpoint(3).tensors, {"epoch": 3})
    assert all(torch.equal(w, checkpoint(3).tensors[n]) for n, w in unpacked(content).items())
    bits = random.Random(1).sample(range(len(content) * 8), 1500)
    damaged = [_flipped(content, bit) for bit in bits]
    damaged += [content[:length] for length in range(0, len(content), 5)]
    for one in damaged:
        with pytest.raises(DamagedWeights):
            unpacked(one)


def test_a_missing_half_is_noticed(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    save_checkpoint(tmp_path, checkpoint(2))
    (tmp_path / f"step-{2:012d}.safetensors").unlink()
    found = newest_checkpoint(tmp_path)
    assert found is not None and same(found.checkpoint, checkpoint(1))


def test_all_damaged_is_an_error_and_not_a_new_start(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    (tmp_path / f"step-{1:012d}.json").write_text("{}")
    with pytest.raises(SpecProblem, match="no checkpoint can be read"):
        newest_checkpoint(tmp_path)


def test_damaged_ones_are_set_aside_and_not_counted(tmp_path: Path) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, checkpoint(step))
    (tmp_path / f"step-{2:012d}.json").write_text("{}")
    set_aside(tmp_path, f"step-{1:012d}")
    save_checkpoint(tmp_path, checkpoint(3))
    assert (tmp_path / f"step-{1:012d}.json").exists()
    assert (tmp_path / f"damaged-step-{2:012d}.json").exists()
    found = newest_checkpoint(tmp_path)
    assert found is not None and same(found.checkpoint, checkpoint(3))


# --- a fault at every call to the system -------------------------------------------------


class PowerCut(BaseException):
    """The machine stops: nothing after this line runs."""


class Disk:
    """The calls that reach the disk, each a moment at which something may go wrong.

    What was not flushed is lost at a power cut: files to nothing, as file systems do.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fail_at: int, error: Any) -> None:
        self.calls = 0
        self.fail_at, self.error = fail_at, error
        self.unflushed: set[Path] = set()
        self.open_files: dict[int, Path] = {}
        for name in ("open", "write", "fsync", "close"):
            monkeypatch.setattr(durable.os, name, self._wrapped(name, getattr(os, name)))
        replace, unlink = Path.replace, Path.unlink
        monkeypatch.setattr(Path, "replace", lambda path, to: self._renamed(replace, path, to))
        monkeypatch.setattr(
            Path, "unlink", lambda path, missing_ok=False: self._moment(unlink, path, missing_ok)
        )

    def _moment(self, call: Callable[..., Any], *arguments: Any) -> Any:
        self.calls += 1
        if self.calls == self.fail_at:
            raise self.error
        return call(*arguments)

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any) -> Any:
            result = self._moment(call, *arguments)
            if name == "open":
                self.open_files[result] = Path(arguments[0])
            elif name == "write":
                self.unflushed.add(self.open_files[arguments[0]])
            elif name == "fsync":
                self.unflushed.discard(self.open_files[arguments[0]])
            return result

        return wrapped

    def _renamed(self, call: Callable[..., Any], path: Path, to: Path) -> Any:
        result = self._moment(call, path, to)
        if path in self.unflushed:
            self.unflushed.discard(path)
            self.unflushed.add(Path(to))
        return result

    def lose_what_was_not_flushed(self) -> None:
        for path in self.unflushed:
            if path.exists():
                path.write_bytes(b"")


def _faults(tmp_path: Path, error: Any) -> Iterator[tuple[int, Path]]:
    """For each call to the disk a folder in which saving step 2 after step 1 failed there."""
    for moment in range(1, 200):
        folder = tmp_path / str(moment)
        folder.mkdir()
        save_checkpoint(folder, checkpoint(0))
        save_checkpoint(folder, checkpoint(1))
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(patch, moment, error)
            try:
                save_checkpoint(folder, checkpoint(2))
            except (PowerCut, OSError):
                pass
            else:
                assert disk.calls < moment
                return
        if error is PowerCut:
            disk.lose_what_was_not_flushed()
        yield moment, folder
    raise AssertionError("saving never came to its end")


@pytest.mark.parametrize("error", [PowerCut, OSError(28, "No space left on device")])
def test_a_fault_at_any_moment_leaves_a_good_checkpoint(tmp_path: Path, error: Any) -> None:
    moments = 0
    for moment, folder in _faults(tmp_path, error):
        moments += 1
        found = newest_checkpoint(folder)
        assert found is not None, moment
        assert found.checkpoint.facts["step"] in (1, 2), moment
        assert same(found.checkpoint, checkpoint(found.checkpoint.facts["step"])), moment
        assert found.refused == (), moment
        save_checkpoint(folder, checkpoint(3))  # and the run goes on
        newest = newest_checkpoint(folder)
        assert newest is not None and newest.checkpoint.facts["step"] == 3
    assert moments >= 12


def test_a_dropped_flush_would_be_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: without `fsync` a power cut loses a checkpoint."""
    lost = 0
    for moment in range(1, 20):
        folder = tmp_path / str(moment)
        folder.mkdir()
        save_checkpoint(folder, checkpoint(1))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(durable.os, "fsync", lambda descriptor: None)
            disk = Disk(patch, moment, PowerCut)
            patch.setattr(durable.os, "fsync", lambda descriptor: None)
            try:
                save_checkpoint(folder, checkpoint(2))
            except PowerCut:
                disk.lose_what_was_not_flushed()
                found = newest_checkpoint(folder)
                lost += bool(found and found.refused)
    assert lost > 0


def test_a_full_disk_leaves_no_temporary_file(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        Disk(patch, 2, OSError(28, "No space left on device"))
        with pytest.raises(OSError, match="No space"):
            save_checkpoint(tmp_path, checkpoint(1))
    assert list(tmp_path.iterdir()) == []


def test_only_json_and_tensors_are_read(tmp_path: Path) -> None:
    """A pickle under a checkpoint's name is refused before anything in it could run."""
    save_checkpoint(tmp_path, checkpoint(1))
    path = tmp_path / f"step-{1:012d}"
    torch.save({"x": 1}, path.with_suffix(".safetensors"))
    with pytest.raises(SpecProblem, match="SHA-256"):
        read_checkpoint(path.with_suffix(".json"))

"""Decoded images kept in files, read from there where memory is limited, ahead of the steps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data_files import gradient, plan, png
from training_setup import log, program, run, run_in_parts, weights

from dlspec.data import DataProblem, decoded, load
from dlspec.data.rows import Rows, open_rows, write_rows
from dlspec.data.storage import Storage, free_memory
from dlspec.ir.sources import ImageFolder
from dlspec.ir.transforms import Resize
from dlspec.training.ahead import DEPTH, Ahead

ROOT = Path(__file__).parents[1]
SOURCE = ImageFolder(path="photos")


def photos(folder: Path, count: int = 12, size: int = 8) -> Path:
    for number in range(count):
        path = folder / "photos" / f"class{number % 3}" / f"{number:04}.png"
        png(path, np.roll(gradient(size, size), number, 0))
    return folder


def on_disk(folder: Path, **settings: Any):
    """The data set with all its images in a file."""
    return load(plan(SOURCE, **settings), folder, storage=Storage(0, folder / "cache"))


def cache_files(folder: Path) -> list[Path]:
    return sorted((folder / "cache").glob("*.rows"))


def pixels(data: Any) -> list[np.ndarray]:
    return [split.in_memory().fields["image"] for split in (data.train, data.validation, data.test)]


def test_images_on_the_disk_are_those_in_memory(tmp_path: Path) -> None:
    photos(tmp_path)
    settings: Any = {"validation": 0.25, "test": 0.25, "transform": (Resize(size=6),)}
    there = on_disk(tmp_path, **settings)
    here = load(plan(SOURCE, **settings), tmp_path)
    assert isinstance(there.train.fields["image"], Rows) and there.fields == here.fields
    assert isinstance(here.train.fields["image"], np.ndarray)
    for one, other in zip(pixels(there), pixels(here), strict=True):
        assert (one == other).all()
    assert any("over the limit" in note and "--cache-limit" in note for note in there.notes)
    assert here.notes == ()


def test_a_file_of_decoded_images_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos(tmp_path)
    first = on_disk(tmp_path)
    (file,) = cache_files(tmp_path)
    written = file.stat().st_mtime_ns
    monkeypatch.setattr(decoded, "decode_images", lambda *_: pytest.fail("decoded again"))
    again = on_disk(tmp_path)
    assert file.stat().st_mtime_ns == written and "come decoded" in again.notes[0]
    assert all((a == b).all() for a, b in zip(pixels(first), pixels(again), strict=True))


@pytest.mark.parametrize("change", ["pixels", "time", "new", "gone", "name"])
def test_a_stale_file_is_made_anew(tmp_path: Path, change: str) -> None:
    photos(tmp_path)
    before = pixels(on_disk(tmp_path))[0]
    image = tmp_path / "photos" / "class0" / "0000.png"
    if change == "pixels":
        png(image, gradient(8, 8)[::-1])
    elif change == "time":
        os.utime(image, ns=(1, 1))
    elif change == "new":
        png(image.with_name("x.png"), gradient(8, 8))
    elif change == "gone":
        image.unlink()
    else:
        image.rename(image.with_name("z.png"))
    after = on_disk(tmp_path)
    assert "were decoded" in after.notes[0] and len(cache_files(tmp_path)) == 1
    found = pixels(after)[0]
    assert (found == load(plan(SOURCE), tmp_path).train.fields["image"]).all()
    assert (found.shape == before.shape and (found == before).all()) == (change == "time")


def test_other_settings_have_another_file(tmp_path: Path) -> None:
    photos(tmp_path)
    on_disk(tmp_path)
    on_disk(tmp_path, transform=(Resize(size=4),))
    assert len(cache_files(tmp_path)) == 2


@pytest.mark.parametrize("harm", ["cut", "longer", "end", "empty", "sums"])
def test_a_damaged_file_is_made_anew(tmp_path: Path, harm: str) -> None:
    photos(tmp_path)
    good = pixels(on_disk(tmp_path))[0]
    (file,) = cache_files(tmp_path)
    content = bytearray(file.read_bytes())
    places = {"end": -3, "sums": 12 * 192 + 5}
    if harm in places:
        content[places[harm]] ^= 1
    changed = {"cut": content[:-5], "longer": content + b"\0", "empty": b""}.get(harm, content)
    file.write_bytes(changed)
    again = on_disk(tmp_path)
    assert "were decoded" in again.notes[0] and (pixels(again)[0] == good).all()


def test_a_flipped_bit_in_an_image_is_named(tmp_path: Path) -> None:
    photos(tmp_path)
    on_disk(tmp_path)
    (file,) = cache_files(tmp_path)
    content = bytearray(file.read_bytes())
    content[7 * 192 + 3] ^= 16
    file.write_bytes(content)
    data = on_disk(tmp_path)
    rows = data.train.fields["image"]
    assert isinstance(rows, Rows) and rows.read(np.array([0, 1])).shape == (2, 3, 8, 8)
    with pytest.raises(DataProblem, match="image 7 is damaged") as caught:
        rows.read_all()
    assert caught.value.exit_code == 3 and "delete" in (caught.value.help or "")


def test_what_a_killed_process_left_is_cleared_and_a_bad_image_leaves_nothing(
    tmp_path: Path,
) -> None:
    photos(tmp_path)
    on_disk(tmp_path)
    (file,) = cache_files(tmp_path)
    left = file.with_name(f"{file.name}.1.tmp")
    left.write_bytes(b"half")
    bad = tmp_path / "photos" / "class1" / "bad.png"
    content = (tmp_path / "photos" / "class1" / "0001.png").read_bytes()
    bad.write_bytes(content[:-40])
    with pytest.raises(DataProblem, match=r"bad\.png"):
        on_disk(tmp_path)
    assert not list((tmp_path / "cache").glob("*.tmp"))


def test_few_images_are_in_memory_and_no_file_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos(tmp_path)
    roomy = Storage(2**30, tmp_path / "cache")
    data = load(plan(SOURCE), tmp_path, storage=roomy)
    assert isinstance(data.train.fields["image"], np.ndarray)
    assert not (tmp_path / "cache").exists()
    monkeypatch.setattr(decoded, "WORTH_KEEPING", 0)
    data = load(plan(SOURCE), tmp_path, storage=roomy)
    assert isinstance(data.train.fields["image"], np.ndarray) and cache_files(tmp_path)


def test_a_folder_that_takes_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos(tmp_path)
    (tmp_path / "cache").write_text("no folder")
    with pytest.raises(DataProblem, match="MiB") as caught:
        on_disk(tmp_path)
    assert caught.value.exit_code == 3 and "DLSPEC_CACHE" in (caught.value.help or "")
    monkeypatch.setattr(decoded, "WORTH_KEEPING", 0)
    data = load(plan(SOURCE), tmp_path, storage=Storage(2**30, tmp_path / "cache"))
    assert isinstance(data.train.fields["image"], np.ndarray)
    assert "could not be kept" in data.notes[0]


def test_rows_in_any_order_and_more_than_once(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (9, 2, 3), np.uint8)
    write_rows(tmp_path / "a.rows", "key", (2, 3), iter(values))
    assert open_rows(tmp_path / "a.rows", "another") is None
    file = open_rows(tmp_path / "a.rows", "key")
    assert file is not None and len(file) == 9
    rows = Rows(file)[np.array([8, 1, 1, 4])][1:]
    assert rows.shape == (3, 2, 3) and rows.nbytes == 18
    assert (rows.read(np.array([2, 0])) == values[[4, 1]]).all()
    assert Rows(file).tobytes() != rows.tobytes()


# --- reading ahead -------------------------------------------------------------------


def test_batches_are_read_ahead_and_what_was_not_expected_too() -> None:
    def read(numbers: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"x": numbers * 2}

    ahead = Ahead(read)
    batches = list(torch.arange(40).split(4))
    for place, numbers in enumerate(batches):
        ahead.expect(batches[place : place + DEPTH])
        assert torch.equal(ahead.take(numbers)["x"], numbers * 2)
    ahead.expect(batches[:DEPTH])
    assert torch.equal(ahead.take(batches[7])["x"], batches[7] * 2)
    ahead.expect(batches[8:10])
    ahead.expect(batches[2:5])
    assert torch.equal(ahead.take(batches[2])["x"], batches[2] * 2)

    def broken(numbers: torch.Tensor) -> dict[str, torch.Tensor]:
        raise DataProblem("damaged")

    ahead = Ahead(broken)
    ahead.expect(batches)
    with pytest.raises(DataProblem, match="damaged"):
        ahead.take(batches[0])


def test_free_memory_is_a_number_of_bytes() -> None:
    assert 2**20 < free_memory() < 2**50
    assert Storage().bytes_in_memory == pytest.approx(free_memory() // 2, rel=0.2)
    assert Storage(7).bytes_in_memory == 7


# --- training ------------------------------------------------------------------------

SPEC = """
model Small {
  input image: float[3, 8, 8]
  Conv(6, 3, padding=1) -> BatchNorm -> ReLU -> Flatten -> Dropout(0.1) -> Dense(3)
}
data Photos {
  source          = image_folder("photos")
  transform       = Resize(10) -> CenterCrop(8) -> Normalize(0.5, 0.25)
  train_transform = RandomResizedCrop(8) -> ColorJitter(0.3, 0.3, 0.3, 0.1) -> Normalize(0.5, 0.25)
  augment         = RandomFlip -> RandomRotation(20) -> RandomErasing -> MixUp(0.4) -> CutMix
  validation      = 20%
  test            = 20%
}
train Small on Photos {
  loss       = cross_entropy
  optimizer  = adam(lr=1e-2)
  batch_size = 8
  epochs     = 3
  metrics    = [accuracy]
  precision  = float32
}
"""


def histories(folder: Path) -> list[dict[str, float]]:
    """What every epoch measured, without times and memory."""
    return [
        {name: v for name, v in line.items() if "second" not in name and name != "memory"}
        for line in log(folder)
        if line["kind"] == "epoch"
    ]


def test_training_from_the_disk_and_in_parts_is_bit_for_bit_training_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLSPEC_CACHE", str(tmp_path / "cache"))
    photos(tmp_path, 60)
    made = program(SPEC)
    place: Any = {"data_root": tmp_path, "device": "cpu"}
    here = run(made, tmp_path / "here", None, **place)
    there = run(made, tmp_path / "there", None, cache_limit=0, **place)
    run_in_parts(made, tmp_path / "parts", [2, 5, 4], None, cache_limit=0, **place)
    assert here.test is not None and there.test is not None
    assert here.test.figures == there.test.figures
    assert histories(tmp_path / "here") == histories(tmp_path / "there")
    assert all(0 <= entry["accuracy"] <= 1 for entry in here.history)
    wanted = weights(tmp_path / "here")
    for folder in ("there", "parts"):
        found = weights(tmp_path / folder)
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def train_command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dlspec", "train", "photos.dlnet", "--out", "run", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DLSPEC_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_takes_a_limit_and_says_what_it_means(tmp_path: Path) -> None:
    photos(tmp_path, 30)
    (tmp_path / "photos.dlnet").write_text(SPEC.replace("= 3", "= 1"))
    done = train_command(tmp_path, "--cache-limit", "1 kB")
    assert done.returncode == 0 and "are over the limit" in done.stderr, done.stderr
    assert len(cache_files(tmp_path)) == 1
    done = train_command(tmp_path, "--cache-limit", "much")
    assert done.returncode == 2 and "no amount of memory such as 2GiB" in done.stderr


LIMITED = """
import json, sys
from pathlib import Path
from dlspec.pipeline import compile_text
from dlspec.training.loop import train
from dlspec.training.settings import TrainOptions

def peak():
    text = Path("/proc/self/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) * 1024

spec, folder, limit = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
made = compile_text(spec).checked()
for name in ("few", "many"):
    options = TrainOptions(folder / f"run-{name}", device="cpu", data_root=folder / name,
                           cache_limit=limit, show="nothing")
    train(made, made.trains[0], options)
    print(json.dumps(peak()))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to measure by")
def test_ten_times_the_limit_stays_within_it(tmp_path: Path) -> None:
    """The peak of all memory, pages of files in it included, behind few images and many."""
    limit, size = 16 * 2**20, 224
    chain = f"Resize({size}) -> Normalize(0.5, 0.25) -> CenterCrop(8)"
    spec = SPEC.replace("Resize(10) -> CenterCrop(8) -> Normalize(0.5, 0.25)", chain)
    lines = [line for line in spec.splitlines() if "train_tr" not in line and "augment" not in line]
    spec = "\n".join(lines).replace("= 3", "= 1")
    photos(tmp_path / "few", 160, 10)
    photos(tmp_path / "many", 10 * limit // (size * size * 3) + 1, 10)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, spec, str(tmp_path), str(limit)],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DLSPEC_CACHE": str(tmp_path / "cache"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    before, after = map(json.loads, done.stdout.splitlines())
    kept = sum(file.stat().st_size for file in (tmp_path / "cache").glob("*.rows"))
    assert kept > 10 * limit
    assert after - before < limit, f"{(after - before) / 2**20:.1f} MiB more"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names of any bytes")
def test_odd_names_are_read_and_steer_no_terminal(tmp_path: Path) -> None:
    """A bad image is named or, where that is wanted, skipped and counted."""
    folder = photos(tmp_path) / "photos" / "class0"
    (folder / "0000.png").rename(folder / "\udcfe.png")  # a byte that is no UTF-8
    assert len(on_disk(tmp_path).train) == 12
    (folder / "\x1b[31mred.png").write_bytes(b"no image")
    (tmp_path / "a.dlnet").write_text(
        "model M {\n input image: float[3, 8, 8]\n Flatten -> Dense(3)\n}\n"
        'data D { source = image_folder("photos") }\n'
        "train M on D {\n loss = cross_entropy\n optimizer = sgd(lr=0.1)\n steps = 1\n}\n"
    )
    for more, code, said in (
        ((), 1, "class0/\\x1b[31mred.png: not an image that can be read"),
        (("--skip-bad",), 0, "skipped: photos/class0/\\x1b[31mred.png: not an image"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "dlspec", "train", "a.dlnet", "--out", "run", *more],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code and said in done.stderr, done.stderr
        assert "\x1b" not in done.stderr
    assert "1 bad rows or images were skipped" in done.stdout

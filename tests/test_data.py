"""Sources and splits: what is read, what is refused, and that the division never changes."""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import os
import random
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dlspec.data import DataProblem, load, parse_replacement
from dlspec.data.files import read_idx
from dlspec.data.sources import digits_file
from dlspec.data.splits import permutation, split_indices
from dlspec.ir.data import (
    CenterCrop,
    DataPlan,
    Digits,
    Idx,
    ImageFolder,
    Mnist,
    Normalize,
    Npz,
    RandomCrop,
    RandomFlip,
    Resize,
)
from dlspec.ir.datacheck import path_problem, plan_problems, training_order
from dlspec.ir.types import tensor

SHARED = Path(__file__).parents[2] / "shared" / "data"


def plan(source, **settings) -> DataPlan:
    return DataPlan(name="Examples", source=source, **settings)


def problem(source, root: Path, **settings) -> DataProblem:
    with pytest.raises(DataProblem) as caught:
        load(plan(source, **settings), root)
    assert "\n" not in caught.value.message
    return caught.value


def idx_bytes(array: np.ndarray, kind: int = 8) -> bytes:
    """An IDX file written by the format's own description."""
    header = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def png(path: Path, pixels: np.ndarray, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)


# --- the bundled digits --------------------------------------------------------


def test_digits_are_the_published_ones():
    """Counts per class as the data set's documentation gives them; bytes by checksum."""
    data = load(plan(Digits()), Path())
    images, labels = data.train.fields["image"], data.train.fields["label"]
    assert images.shape == (1797, 1, 8, 8) and images.dtype == np.uint8
    assert labels.dtype == np.int64
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert hashlib.sha256(images.tobytes()).hexdigest().startswith("b41ca9fd335466eee997366c2e6f6b")
    assert set(np.unique(np.round(images * (16 / 255)))) == set(range(17))
    assert len(data.validation) == len(data.test) == 0
    assert data.classes == tuple("0123456789")
    assert data.fields == Digits().fields()
    assert (digits_file().parent / "LICENSE-digits.txt").is_file()


def test_the_picture_for_the_demo_is_a_digit_of_the_test_split():
    """Its label is in its name, and training with the first spec's split never sees it."""
    (path,) = (Path(__file__).parents[1] / "docs" / "images").glob("digit-*.png")
    data = load(plan(Digits(), validation=0.1, test=0.2), Path())
    with Image.open(path) as image:
        assert image.mode == "L"
        pixels = np.asarray(image)
    where = (data.test.fields["image"][:, 0] == pixels).all(axis=(1, 2))
    assert data.test.fields["label"][where].tolist() == [int(path.stem[-1])]
    assert not (data.train.fields["image"][:, 0] == pixels).all(axis=(1, 2)).any()


# --- splits ----------------------------------------------------------------------


def splitmix(value: int) -> int:
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) % 2**64
    return value ^ (value >> 31)


@given(count=st.integers(0, 300), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=50, deadline=None)
def test_the_order_is_that_of_plain_integers(count: int, seed: int):
    keys = [(splitmix((splitmix(seed) + i * 0x9E3779B97F4A7C15) % 2**64), i - 1)
            for i in range(1, count + 1)]
    assert permutation(count, seed).tolist() == [i for _, i in sorted(keys)]


@given(
    count=st.integers(1, 500), validation=st.floats(0, 0.99), test=st.floats(0, 0.99),
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


@pytest.mark.parametrize(("count", "share", "expected"), [
    (10, 0.15, 2), (50, 0.29, 15), (10, 0.14, 1), (3, 0.1, 1), (1000, 0.1, 100), (7, 0.5, 4)])
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


# --- MNIST and IDX -----------------------------------------------------------------


@pytest.mark.skipif(not (SHARED / "mnist").is_dir(), reason="no MNIST in ../shared/data/mnist")
def test_mnist_keeps_its_test_split():
    source, shares = Mnist(root="data/mnist"), {"validation": 0.1, "test": 0.2}
    data = load(plan(source, **shares), SHARED.parent)
    assert [len(s) for s in (data.train, data.validation, data.test)] == [54_000, 6_000, 10_000]
    raw = gzip.decompress((SHARED / "mnist" / "t10k-images-idx3-ubyte.gz").read_bytes())
    assert data.test.fields["image"].tobytes() == raw[16:]
    assert data.test.fields["label"][:5].tolist() == [7, 2, 1, 0, 4]
    both = np.concatenate([data.train.fields["label"], data.validation.fields["label"]])
    assert np.bincount(both).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert len(data.notes) == 1 and "test = 0.2" in data.notes[0]
    assert [found.code for found in plan_problems(plan(source, **shares))] == ["W0601"]


@pytest.mark.skipif(not (SHARED / "mnist").is_dir(), reason="no MNIST in ../shared/data/mnist")
def test_data_on_the_command_line_stands_in_for_the_digits():
    """A person may point anywhere; `Resize(28)` gives both the same type."""
    digits = plan(Digits(), transform=(Resize(size=28),),
                  fields={"image": tensor(1, 28, 28), "label": tensor(dtype="int")})
    data = load(digits, Path("/nowhere"), f"mnist:{SHARED / 'mnist'}")
    assert isinstance(data.plan.source, Mnist) and len(data.test) == 10_000
    with pytest.raises(DataProblem) as caught:
        load(digits.model_copy(update={"transform": (Resize(size=27),)}), Path(),
             f"mnist:{SHARED / 'mnist'}")
    assert caught.value.code == "E0604"


@pytest.mark.parametrize(("kind", "dtype"), [
    (8, "u1"), (9, "i1"), (11, "i2"), (12, "i4"), (13, "f4"), (14, "f8")])
@pytest.mark.parametrize("zipped", [False, True])
def test_idx_of_every_element_type(tmp_path: Path, kind: int, dtype: str, zipped: bool):
    array = np.random.default_rng(0).integers(0, 100, (3, 2, 5)).astype(dtype)
    data = idx_bytes(array, kind)
    (tmp_path / "a").write_bytes(gzip.compress(data) if zipped else data)
    result = read_idx(tmp_path / "a")
    assert result.dtype == np.dtype(dtype) and result.dtype.isnative and (result == array).all()


def test_idx_images_with_and_without_channels(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 5, 6)).astype(np.uint8)
    (tmp_path / "labels").write_bytes(idx_bytes(np.array([0, 3, 1, 2], np.uint8)))
    for images, shape in ((pixels, (3, 5, 6)), (pixels[:, 0], (1, 5, 6))):
        (tmp_path / "images").write_bytes(idx_bytes(images))
        data = load(plan(Idx(images="images", labels="labels")), tmp_path)
        assert data.train.fields["image"].shape == (4, *shape)
        assert data.train.fields["image"].flags.c_contiguous
        assert data.fields["image"] == tensor(*shape) and data.classes is None


GOOD = idx_bytes(np.zeros((2, 3, 3), np.uint8))
HOSTILE_IDX: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not a file in the IDX format"),
    "one byte": (b"\0", "not a file in the IDX format"),
    "text": (b"label,pixel\n1,2\n", "not a file in the IDX format"),
    "unknown element type": (b"\0\0\x07\x01\0\0\0\0", "not a file in the IDX format"),
    "no axes": (b"\0\0\x08\0", "not a file in the IDX format"),
    "255 axes": (b"\0\0\x08\xff" + b"\0\0\0\1" * 255, "not a file in the IDX format"),
    "header cut": (GOOD[:10], "ends within its header"),
    "data cut": (GOOD[:-1], "promises 18 bytes of data, it holds 17"),
    "one byte more": (GOOD + b"\0", "it holds more"),
    "promise of 2^96 bytes": (b"\0\0\x08\x03" + b"\xff" * 12, "more than it holds"),
    "gzip cut": (gzip.compress(GOOD)[:-12], "cut short or corrupt"),
    "gzip without its end": (gzip.compress(GOOD)[:-4], "cut short or corrupt"),
    "gzip header alone": (b"\x1f\x8b", "cut short or corrupt"),
    "gzip with a wrong checksum": (gzip.compress(GOOD)[:-8] + b"\0" * 8, "cut short or corrupt"),
    "bomb": (gzip.compress(GOOD[:4] + struct.pack(">3I", 2**20, 2**10, 2**10) + b"\0" * 2**20),
             "more than it holds"),
    "no images": (idx_bytes(np.zeros((0, 3, 3), np.uint8)), "0 images and 2 labels"),
    "images of size 0": (idx_bytes(np.zeros((2, 0, 3), np.uint8)), "holds no images"),
    "one axis": (idx_bytes(np.zeros(2, np.uint8)), "images are uint8"),
    "numbers for images": (idx_bytes(np.zeros((2, 3, 3), "f4"), 13), "images are uint8"),
    "labels too few": (idx_bytes(np.zeros((3, 3, 3), np.uint8)), "3 images and 2 labels"),
}


@pytest.mark.parametrize("name", HOSTILE_IDX)
def test_hostile_idx_files(tmp_path: Path, name: str):
    data, message = HOSTILE_IDX[name]
    (tmp_path / "images").write_bytes(data)
    (tmp_path / "labels").write_bytes(idx_bytes(np.array([0, 1], np.uint8)))
    found = problem(Idx(images="images", labels="labels"), tmp_path)
    assert message in found.message and "images" in found.message and found.exit_code == 1


@pytest.mark.parametrize(("labels", "message"), [
    (idx_bytes(np.zeros((2, 2), np.uint8)), "one for each image"),
    (idx_bytes(np.zeros(2, "f4"), 13), "one for each image"),
    (idx_bytes(np.array([0, -1], "i1"), 9), "label of image 1 is -1"),
])
def test_hostile_labels(tmp_path: Path, labels: bytes, message: str):
    (tmp_path / "images").write_bytes(GOOD)
    (tmp_path / "labels").write_bytes(labels)
    assert message in problem(Idx(images="images", labels="labels"), tmp_path).message


def test_mnist_with_a_missing_file_or_a_wrong_label(tmp_path: Path):
    found = problem(Mnist(root="mnist"), tmp_path)
    assert found.exit_code == 3 and "no such" in found.message and "train-images" in found.help
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part in ("train", "t10k"):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(GOOD)
        (folder / f"{part}-labels.idx1-ubyte").write_bytes(idx_bytes(np.array([0, 9], np.uint8)))
    assert len(load(plan(Mnist(root="mnist")), tmp_path).test) == 2
    (folder / "t10k-labels.idx1-ubyte").write_bytes(idx_bytes(np.array([0, 10], np.uint8)))
    assert "label of image 1 is 10" in problem(Mnist(root="mnist"), tmp_path).message
    (folder / "t10k-labels.idx1-ubyte").unlink()
    found = problem(Mnist(root="mnist"), tmp_path)
    assert found.exit_code == 3 and "t10k-labels-idx1-ubyte" in found.message


# --- npz ---------------------------------------------------------------------------


def test_npz_gives_arrays_by_name_in_the_types_of_training(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 1, 4, 4)).astype(np.uint8)
    np.savez_compressed(tmp_path / "a.npz", image=pixels, label=np.array([2, 0, 1], np.uint8),
                        weight=np.array([0.5, 1.0, 2.0]), mask=np.array([[True], [False], [True]]),
                        extra=np.asfortranarray(np.ones((3, 2), np.float16)))
    data = load(plan(Npz(path="a.npz")), tmp_path)
    assert {n: (a.dtype.name, a.shape) for n, a in data.train.fields.items()} == {
        "image": ("uint8", (3, 1, 4, 4)), "label": ("int64", (3,)), "weight": ("float32", (3,)),
        "mask": ("bool", (3, 1)), "extra": ("float32", (3, 2))}
    assert data.fields == {
        "image": tensor(1, 4, 4), "label": tensor(dtype="int"), "weight": tensor(),
        "mask": tensor(1, dtype="bool"), "extra": tensor(2)}


def npz_bytes(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def zip_bytes(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def npy_header(shape: str, dtype: str = "|u1") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (10 + len(text)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def claimed_size(data: bytes, size: int) -> bytes:
    """The archive with `size` in place of its first member's unpacked size in the directory."""
    where = data.rindex(b"PK\x01\x02") + 24
    return data[:where] + struct.pack("<I", size) + data[where + 4 :]


class Attack:
    """What an unpickler would run."""

    def __reduce__(self):
        return os.mkdir, ("pickle-was-run",)


HOSTILE_NPZ: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "not a .npz file"),
    "text": (lambda: b"hello", "not a .npz file"),
    "cut": (lambda: npz_bytes(x=np.zeros(9))[:-30], "not a .npz file"),
    "one .npy": (lambda: npy_header("(1,)") + b"\0", "not a .npz file"),
    "no members": (lambda: zip_bytes(), "holds no arrays"),
    "pickle": (lambda: npz_bytes(x=np.array([Attack()], dtype=object)), "never loads"),
    "text inside": (lambda: zip_bytes(("x.npy", b"hello")), "is not an array"),
    "header cut": (lambda: zip_bytes(("x.npy", npy_header("(3,)")[:20])), "`x` cannot be read"),
    "header is code": (lambda: zip_bytes(("x.npy", npy_header("__import__('os').getcwd()"))),
                       "`x` cannot be read"),
    "data cut": (lambda: zip_bytes(("x.npy", npy_header("(300,)") + b"\0" * 20)), "`x` cannot"),
    "shape of 2^62": (lambda: zip_bytes(("x.npy", npy_header(f"({2**62},)"))), "a.npz: "),
    "negative shape": (lambda: zip_bytes(("x.npy", npy_header("(-1,)"))), "`x` cannot be read"),
    "bomb": (lambda: claimed_size(npz_bytes(x=np.zeros(3)), 2**32 - 2), "would unpack to 4.0 GiB"),
    "a name from outside": (lambda: zip_bytes(("../x.npy", b"")), "no name of its own"),
    "a name of escapes": (lambda: zip_bytes(("\x1b[31m.npy", b"")), "no name of its own"),
    "no examples": (lambda: npz_bytes(x=np.zeros((0, 3))), "`x` holds no examples"),
    "a number": (lambda: npz_bytes(x=np.float64(3)), "`x` holds no examples"),
    "texts": (lambda: npz_bytes(x=np.array(["a", "b"])), "numbers and truth values"),
    "complex": (lambda: npz_bytes(x=np.zeros(2, complex)), "numbers and truth values"),
    "structured": (lambda: npz_bytes(x=np.zeros(2, [("a", "f4")])), "numbers and truth values"),
    "too great": (lambda: npz_bytes(x=np.array([1, 2**63], np.uint64)), "numbers over 2^63"),
    "not finite": (lambda: npz_bytes(x=np.array([[0, 1], [np.nan, 1]])), "first in example 1"),
    "not finite in float32": (lambda: npz_bytes(x=np.array([0, 1e300])), "first in example 1"),
    "counts differ": (lambda: npz_bytes(x=np.zeros(2), y=np.zeros(3)), "`x` has 2, `y` has 3"),
}


@pytest.mark.parametrize("name", HOSTILE_NPZ)
def test_hostile_npz_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.chdir(tmp_path)
    data, message = HOSTILE_NPZ[name]
    (tmp_path / "a.npz").write_bytes(data())
    found = problem(Npz(path="a.npz"), tmp_path)
    assert message in found.message and "\x1b" not in found.message
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


# --- image folders -------------------------------------------------------------------


def gradient(height: int, width: int, channels: int = 3) -> np.ndarray:
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, channels))
    return pixels.astype(np.uint8)


def test_class_folders_in_order(tmp_path: Path):
    for number, name in enumerate(["zebra", "ape", "Bee"]):
        for file in ("b.png", "a.PNG"):
            png(tmp_path / "photos" / name / file, np.full((4, 5), 50 * number, np.uint8))
    (tmp_path / "photos" / "ape" / "notes.txt").write_text("passed over")
    (tmp_path / "photos" / ".cache").mkdir()
    data = load(plan(ImageFolder(path="photos")), tmp_path)
    assert data.classes == ("Bee", "ape", "zebra")
    assert data.fields == {"image": tensor(1, 4, 5), "label": tensor(dtype="int")}
    assert data.train.fields["label"].tolist() == [0, 0, 1, 1, 2, 2]
    assert data.train.fields["image"][:, 0, 0, 0].tolist() == [100, 100, 50, 50, 0, 0]


def test_split_folders_are_kept_and_shares_for_them_noted(tmp_path: Path):
    for split, names in {"train": "abc", "validation": "ac", "test": "b"}.items():
        for name in names:
            png(tmp_path / split / name / "1.png", np.full((2, 2), ord(name), np.uint8))
    data = load(plan(ImageFolder(path="."), validation=0.5, test=0.5), tmp_path)
    assert data.train.fields["label"].tolist() == [0, 1, 2]
    assert data.validation.fields["label"].tolist() == [0, 2]
    assert data.test.fields["label"].tolist() == [1]
    for split in (data.train, data.validation, data.test):
        assert (split.fields["image"][:, 0, 0, 0] == split.fields["label"] + ord("a")).all()
    assert len(data.notes) == 2
    png(tmp_path / "val" / "a" / "1.png", np.zeros((2, 2), np.uint8))
    assert "beside `train`" in problem(ImageFolder(path="."), tmp_path).message
    (tmp_path / "val").rename(tmp_path / ".val")
    png(tmp_path / "test" / "d" / "1.png", np.zeros((2, 2), np.uint8))
    assert "does not have" in problem(ImageFolder(path="."), tmp_path).message


def test_a_class_may_be_called_train(tmp_path: Path):
    for name in ("train", "car"):
        png(tmp_path / name / "1.png", np.zeros((2, 2), np.uint8))
    assert load(plan(ImageFolder(path=".")), tmp_path).classes == ("car", "train")


@pytest.mark.parametrize(("mode", "channels"), [
    ("1", 1), ("L", 1), ("LA", 1), ("RGB", 3), ("RGBA", 3), ("P", 3), ("I;16", 1)])
def test_modes_of_images(tmp_path: Path, mode: str, channels: int):
    pixels = gradient(6, 7)
    if mode == "I;16":
        wanted = pixels[..., :1]
        png(tmp_path / "a" / "1.png", wanted[..., 0].astype(np.uint16) * 257)
    else:
        source = Image.fromarray(pixels).convert(mode)
        (tmp_path / "a").mkdir()
        source.save(tmp_path / "a" / "1.png")
        wanted = np.asarray(source.convert("RGB"))[..., :channels]
    image = load(plan(ImageFolder(path=".")), tmp_path).train.fields["image"]
    assert (image[0] == wanted.transpose(2, 0, 1)).all()


def test_grey_beside_colour_is_colour(tmp_path: Path):
    png(tmp_path / "a" / "1.png", np.full((2, 2), 7, np.uint8))
    png(tmp_path / "a" / "2.png", gradient(2, 2))
    image = load(plan(ImageFolder(path=".")), tmp_path).train.fields["image"]
    assert image.shape == (2, 3, 2, 2) and (image[0] == 7).all()


def test_the_first_resizing_and_cropping_is_done_when_reading(tmp_path: Path):
    for number, (height, width) in enumerate([(9, 12), (20, 8)]):
        png(tmp_path / "a" / f"{number}.png", gradient(height, width))
    mean = Normalize(mean=0.5, std=0.5)
    stages = (Resize(size=(8, 7)), CenterCrop(size=(5, 4)), mean, CenterCrop(size=3))
    data = load(plan(ImageFolder(path="."), transform=stages, augment=(RandomFlip(),)), tmp_path)
    assert data.plan.transform == stages[2:]
    assert data.fields["image"] == tensor(3, 3, 3)
    image = Image.fromarray(gradient(20, 8)).resize((7, 8), Image.Resampling.BILINEAR)
    wanted = np.asarray(image)[1:6, 1:5].transpose(2, 0, 1)
    assert (data.train.fields["image"][1] == wanted).all()


def test_sizes_that_differ_and_crops_that_are_too_big(tmp_path: Path):
    for number, (height, width) in enumerate([(9, 12), (20, 8)]):
        png(tmp_path / "a" / f"{number}.png", gradient(height, width))
    found = problem(ImageFolder(path="."), tmp_path)
    assert "9×12" in found.message and "20×8" in found.message and "Resize" in found.message
    found = problem(ImageFolder(path="."), tmp_path, transform=(CenterCrop(size=9),))
    assert "1.png" in found.message and "20×8" in found.message
    assert load(plan(ImageFolder(path="."), transform=(CenterCrop(size=8),)), tmp_path)


def corrupt(path: Path) -> bytes:
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20] = b"\xff" * 20
    return bytes(data)


@pytest.mark.parametrize("name", ["empty", "text", "cut", "corrupt", "vector", "huge", "float"])
def test_images_that_cannot_be_read_are_named(tmp_path: Path, name: str):
    good = tmp_path / "a" / "1.png"
    png(good, gradient(40, 40))
    bad = tmp_path / "a" / "2.png"
    if name == "float":
        bad = tmp_path / "a" / "2.tif"
        Image.fromarray(np.zeros((40, 40), np.float32)).save(bad)
    else:
        bad.write_bytes({
            "empty": b"", "text": b"an image", "cut": good.read_bytes()[:-900],
            "corrupt": corrupt(good),
            "vector": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n",
            "huge": good.read_bytes()[:16] + struct.pack(">II", 20_000, 20_000)
                    + good.read_bytes()[24:],
        }[name])
    found = problem(ImageFolder(path="."), tmp_path)
    assert str(bad) in found.message and found.exit_code == 1


def test_empty_folders(tmp_path: Path):
    assert "no class folders" in problem(ImageFolder(path="."), tmp_path).message
    (tmp_path / "a").mkdir()
    assert "no images" in problem(ImageFolder(path="."), tmp_path).message
    png(tmp_path / "a" / "b" / "1.png", gradient(2, 2))
    assert "not folders" in problem(ImageFolder(path="."), tmp_path).message
    assert problem(ImageFolder(path="photos"), tmp_path).exit_code == 3


@pytest.mark.skipif(not (SHARED / "cifar10").is_dir(), reason="no CIFAR-10 in ../shared/data")
def test_real_photographs(tmp_path: Path):
    with tarfile.open(SHARED / "cifar10" / "cifar10-jpeg.tar.xz", "r|xz") as archive:
        photos = (m for m in archive if m.name.endswith(".jpg"))
        for member in itertools.islice(photos, 40):
            file = archive.extractfile(member)
            assert file is not None
            path = tmp_path / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.read())
    data = load(plan(ImageFolder(path=".")), tmp_path)
    assert data.classes == ("airplane",) and data.train.fields["image"].shape == (40, 3, 32, 32)
    first = np.asarray(Image.open(tmp_path / "train" / "airplane" / "0000.jpg").convert("RGB"))
    assert (data.train.fields["image"][0] == first.transpose(2, 0, 1)).all()


# --- where files may be --------------------------------------------------------------


@pytest.mark.parametrize("path", [
    "/etc/passwd", "../a", "a/../../b", "..", "C:\\data", "C:data", "\\\\host\\share", "\\data",
    "a\\..\\..\\b", "a\0b"])
def test_paths_that_leave_the_folder_by_their_text(tmp_path: Path, path: str):
    assert path_problem(path) is not None
    assert [p.code for p in plan_problems(plan(Npz(path=path)))] == ["E0605"]
    assert problem(Npz(path=path), tmp_path).code == "E0605"


@pytest.mark.parametrize("path", ["a", "a/b.npz", "./a", "a/../b", "...", "a b/ü"])
def test_paths_that_stay(path: str):
    assert path_problem(path) is None


def test_links_are_resolved_before_the_question_is_asked(tmp_path: Path):
    outside, inside = tmp_path / "outside", tmp_path / "spec"
    png(outside / "a" / "1.png", gradient(2, 2))
    np.savez(outside / "x.npz", x=np.zeros(3))
    (inside / "photos" / "a").mkdir(parents=True)
    png(inside / "photos" / "a" / "1.png", gradient(2, 2))
    (inside / "x.npz").symlink_to(outside / "x.npz")
    assert problem(Npz(path="x.npz"), inside).code == "E0605"
    assert load(plan(Npz(path="x.npz")), inside, f"npz:{inside / 'x.npz'}")
    (inside / "photos" / "a" / "2.png").symlink_to(outside / "a" / "1.png")
    assert problem(ImageFolder(path="photos"), inside).code == "E0605"
    (inside / "photos" / "a" / "2.png").unlink()
    (inside / "photos" / "b").symlink_to(outside / "a")
    assert problem(ImageFolder(path="photos"), inside).code == "E0605"
    (inside / "photos" / "b").unlink()
    (inside / "photos" / "a" / "2.png").symlink_to(inside / "photos" / "a" / "1.png")
    assert len(load(plan(ImageFolder(path="photos")), inside).train) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_only_regular_files_are_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.npz")
    assert "regular" in problem(Npz(path="pipe.npz"), tmp_path).message
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a" / "1.png")
    assert "regular" in problem(ImageFolder(path="."), tmp_path).message
    assert "regular" in problem(Npz(path="a"), tmp_path).message
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    assert problem(Npz(path="circle"), tmp_path).exit_code == 3
    assert problem(Npz(path="x" * 4000), tmp_path).exit_code == 3


def test_corrupt_bytes_are_problems_and_never_anything_else(tmp_path: Path):
    """Files with bytes flipped or cut at random either load or are refused in one sentence."""
    draw = random.Random(5)
    png(tmp_path / "photos" / "a" / "1.png", gradient(12, 12))
    buffer = io.BytesIO()
    Image.fromarray(gradient(12, 12)).save(buffer, "JPEG")
    originals = {
        "x.npz": npz_bytes(image=gradient(12, 12)[None], y=np.arange(1)),
        "images": gzip.compress(idx_bytes(gradient(12, 12, 2))),
        "photos/a/2.jpg": buffer.getvalue(),
        "photos/a/3.png": (tmp_path / "photos" / "a" / "1.png").read_bytes(),
    }
    (tmp_path / "labels").write_bytes(idx_bytes(np.zeros(12, np.uint8)))
    sources = {"x.npz": Npz(path="x.npz"), "images": Idx(images="images", labels="labels")}
    refused = 0
    for name, original in originals.items():
        for _ in range(150):
            data = bytearray(original)
            for _ in range(draw.randint(1, 3)):
                data[draw.randrange(len(data))] = draw.randrange(256)
            (tmp_path / name).write_bytes(bytes(data[: draw.choice([len(data)] * 3 + [40])]))
            try:
                load(plan(sources.get(name, ImageFolder(path="photos"))), tmp_path)
            except DataProblem as found:
                refused += 1
                assert str(tmp_path) in found.message
        (tmp_path / name).write_bytes(original)
    assert refused > 200


# --- plans and replacements --------------------------------------------------------


@pytest.mark.parametrize(("text", "source"), [
    ("digits", Digits()), ("mnist:/some/where", Mnist(root="/some/where")),
    ("npz:C:\\a,b.npz", Npz(path="C:\\a,b.npz")), ("idx:a,b", Idx(images="a", labels="b")),
    ("image_folder:../photos", ImageFolder(path="../photos"))])
def test_replacements(text: str, source):
    assert parse_replacement(text) == source


@pytest.mark.parametrize(("text", "help"), [
    ("mnst:/data", "`mnist`"), ("mnist", "mnist:ROOT"), ("idx:a", "idx:IMAGES,LABELS"),
    ("digits:here", "--data digits`"), ("", "there are"), ("npz:", "npz:PATH")])
def test_replacements_that_name_nothing(text: str, help: str):
    with pytest.raises(DataProblem) as caught:
        parse_replacement(text)
    assert caught.value.exit_code == 2 and help in caught.value.help


DIGITS = Digits()
MISTAKES = {
    "random transform": ({"transform": (RandomFlip(),)}, "E0606", "transform.0"),
    "normalised in training alone":
        ({"augment": (Normalize(mean=0.0, std=1.0),)}, "E0606", "augment.0"),
    "crop over size": ({"transform": (Resize(size=6), CenterCrop(size=7))}, "E0606", "transform.1"),
    "random crop over size": ({"augment": (RandomCrop(size=9),)}, "E0606", "augment.0"),
    "channels": ({"transform": (Normalize(mean=(0.1, 0.2), std=1.0),)}, "E0606", "transform.0"),
    "sizes in training": ({"augment": (RandomCrop(size=6),)}, "E0606", "augment"),
    "nothing left": ({"validation": 0.5, "test": 0.5}, "E0607", "test"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_that_the_text_of_a_plan_shows(name: str):
    settings, code, setting = MISTAKES[name]
    assert [(p.code, p.setting) for p in plan_problems(plan(DIGITS, **settings))] == [
        (code, setting)]


def test_a_plan_without_mistakes():
    stages = (Resize(size=28), Normalize(mean=0.5, std=0.5))
    good = plan(DIGITS, transform=stages, augment=(RandomCrop(size=28, padding=2),),
                validation=0.1, test=0.2)
    assert plan_problems(good) == ()
    assert training_order(good) == (stages[0], good.augment[0], stages[1])


def test_transforms_that_do_not_fit_what_the_files_hold(tmp_path: Path):
    np.savez(tmp_path / "a.npz", image=np.zeros((3, 1, 4, 4), np.uint8), x=np.zeros(3))
    np.savez(tmp_path / "b.npz", x=np.zeros(3))
    found = problem(Npz(path="a.npz"), tmp_path, transform=(CenterCrop(size=5),))
    assert found.code == "E0606" and "cut height 5 out of 4" in found.message
    found = problem(Npz(path="b.npz"), tmp_path, transform=(Resize(size=5),))
    assert found.code == "E0606" and "gives `x`" in found.message


def test_importing_data_is_light():
    code = ("import dlspec.data, sys; print([m for m in ('torch', 'PIL', 'onnx', 'scipy')"
            " if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

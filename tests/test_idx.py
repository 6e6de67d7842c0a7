"""MNIST and files in its format: what is read and what is refused."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from data_files import SHARED, idx_bytes, plan, problem

from dlspec.data import DataProblem, load
from dlspec.data.files import read_idx
from dlspec.ir.datacheck import plan_problems
from dlspec.ir.sources import Digits, Idx, Mnist
from dlspec.ir.transforms import Resize
from dlspec.ir.types import tensor


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
        5923,
        6742,
        5958,
        6131,
        5842,
        5421,
        5918,
        6265,
        5851,
        5949,
    ]
    assert len(data.notes) == 1 and "test = 0.2" in data.notes[0]
    assert [found.code for found in plan_problems(plan(source, **shares))] == ["W0601"]


@pytest.mark.skipif(not (SHARED / "mnist").is_dir(), reason="no MNIST in ../shared/data/mnist")
def test_data_on_the_command_line_stands_in_for_the_digits():
    """A person may point anywhere; `Resize(28)` gives both the same type."""
    digits = plan(
        Digits(),
        transform=(Resize(size=28),),
        fields={"image": tensor(1, 28, 28), "label": tensor(dtype="int")},
    )
    data = load(digits, Path("/nowhere"), f"mnist:{SHARED / 'mnist'}")
    assert isinstance(data.plan.source, Mnist) and len(data.test) == 10_000
    with pytest.raises(DataProblem) as caught:
        load(
            digits.model_copy(update={"transform": (Resize(size=27),)}),
            Path(),
            f"mnist:{SHARED / 'mnist'}",
        )
    assert caught.value.code == "E0604"


@pytest.mark.parametrize(
    ("kind", "dtype"), [(8, "u1"), (9, "i1"), (11, "i2"), (12, "i4"), (13, "f4"), (14, "f8")]
)
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
    "bomb": (
        gzip.compress(GOOD[:4] + struct.pack(">3I", 2**20, 2**10, 2**10) + b"\0" * 2**20),
        "more than it holds",
    ),
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


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (idx_bytes(np.zeros((2, 2), np.uint8)), "one for each image"),
        (idx_bytes(np.zeros(2, "f4"), 13), "one for each image"),
        (idx_bytes(np.array([0, -1], "i1"), 9), "label of image 1 is -1"),
    ],
)
def test_hostile_labels(tmp_path: Path, labels: bytes, message: str):
    (tmp_path / "images").write_bytes(GOOD)
    (tmp_path / "labels").write_bytes(labels)
    assert message in problem(Idx(images="images", labels="labels"), tmp_path).message


def test_mnist_with_a_missing_file_or_a_wrong_label(tmp_path: Path):
    found = problem(Mnist(root="mnist"), tmp_path)
    assert found.exit_code == 3 and "nor could it be fetched" in found.message
    assert "train-images" in found.help
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

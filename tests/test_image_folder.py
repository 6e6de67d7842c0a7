"""Image files in class folders: what is read and what is refused."""

from __future__ import annotations

import itertools
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from data_files import SHARED, gradient, plan, png, problem
from PIL import Image

from dlspec.data import load
from dlspec.ir.sources import ImageFolder
from dlspec.ir.transforms import CenterCrop, Normalize, RandomFlip, Resize
from dlspec.ir.types import tensor


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


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("L", 1), ("LA", 1), ("RGB", 3), ("RGBA", 3), ("P", 3), ("I;16", 1)],
)
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
        bad.write_bytes(
            {
                "empty": b"",
                "text": b"an image",
                "cut": good.read_bytes()[:-900],
                "corrupt": corrupt(good),
                "vector": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n",
                "huge": good.read_bytes()[:16]
                + struct.pack(">II", 20_000, 20_000)
                + good.read_bytes()[24:],
            }[name]
        )
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

"""Data plans: the bundled digits, where files may be, and what a plan's text shows."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from data_files import gradient, idx_bytes, npz_bytes, plan, png, problem
from PIL import Image

from dlspec.data import DataProblem, load, parse_replacement
from dlspec.data.sources import digits_file
from dlspec.ir.datacheck import path_problem, plan_problems, training_order
from dlspec.ir.sources import Digits, Idx, ImageFolder, Mnist, Npz
from dlspec.ir.transforms import CenterCrop, Normalize, RandomCrop, RandomFlip, Resize


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


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../a",
        "a/../../b",
        "..",
        "C:\\data",
        "C:data",
        "\\\\host\\share",
        "\\data",
        "a\\..\\..\\b",
        "a\0b",
    ],
)
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


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("digits", Digits()),
        ("mnist:/some/where", Mnist(root="/some/where")),
        ("npz:C:\\a,b.npz", Npz(path="C:\\a,b.npz")),
        ("idx:a,b", Idx(images="a", labels="b")),
        ("image_folder:../photos", ImageFolder(path="../photos")),
    ],
)
def test_replacements(text: str, source):
    assert parse_replacement(text) == source


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("mnst:/data", "`mnist`"),
        ("idx:a", "idx:IMAGES,LABELS"),
        ("digits:here", "--data digits`"),
        ("", "there are"),
        ("npz:", "npz:PATH"),
    ],
)
def test_replacements_that_name_nothing(text: str, help: str):
    with pytest.raises(DataProblem) as caught:
        parse_replacement(text)
    assert caught.value.exit_code == 2 and help in caught.value.help


DIGITS = Digits()
MISTAKES = {
    "random transform": ({"transform": (RandomFlip(),)}, "E0606", "transform.0"),
    "normalised in training alone": (
        {"augment": (Normalize(mean=0.0, std=1.0),)},
        "E0606",
        "augment.0",
    ),
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
        (code, setting)
    ]


def test_a_plan_without_mistakes():
    stages = (Resize(size=28), Normalize(mean=0.5, std=0.5))
    good = plan(
        DIGITS,
        transform=stages,
        augment=(RandomCrop(size=28, padding=2),),
        validation=0.1,
        test=0.2,
    )
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
    code = (
        "import dlspec.data, sys; print([m for m in ('torch', 'PIL', 'onnx', 'scipy')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

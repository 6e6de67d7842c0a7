"""Sources beside the first ones: what they give, in the engine and in emitted programs."""

from __future__ import annotations

import io
import math
import tarfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from data_files import idx_bytes, plan, problem
from test_torch_programs import QUICK, below, same_as_the_loop, spec

from dlspec.backends.problem import BackendProblem
from dlspec.backends.torch import emit
from dlspec.cli.app import dlspec
from dlspec.data import DataProblem, load
from dlspec.ir.sources import (
    Cifar10,
    Cifar100,
    FashionMnist,
    HuggingFace,
    Mnist,
    Synthetic,
    Text,
    Toy2d,
)
from dlspec.pipeline import compile_text

# --- images in archives --------------------------------------------------------------


def cifar_records(count: int, classes: int, seed: int) -> tuple[bytes, np.ndarray, np.ndarray]:
    """Records by the format's own description, their labels and their pixels."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, classes, count)
    pixels = draw.integers(0, 256, (count, 3, 32, 32)).astype(np.uint8)
    coarse = b"" if classes == 10 else b"\x03"
    rows = zip(labels, pixels, strict=True)
    return b"".join(coarse + bytes([n]) + p.tobytes() for n, p in rows), labels, pixels


def write_cifar(folder: Path, classes: int, layout: str) -> tuple[np.ndarray, np.ndarray]:
    """CIFAR with few records in one of the layouts; gives the training labels and pixels."""
    train = [f"data_batch_{n}.bin" for n in range(1, 6)] if classes == 10 else ["train.bin"]
    test = "test_batch.bin" if classes == 10 else "test.bin"
    parts = {n: cifar_records(4, classes, i) for i, n in enumerate([*train, test])}
    inner = "cifar-10-batches-bin" if classes == 10 else "cifar-100-binary"
    place = folder / inner if layout == "nested" else folder
    place.mkdir(parents=True, exist_ok=True)
    if layout == "archive":
        with tarfile.open(folder / f"cifar-{classes}-binary.tar.gz", "w:gz") as packed:
            for name, (data, _, _) in parts.items():
                member = tarfile.TarInfo(f"{inner}/{name}")
                member.size = len(data)
                packed.addfile(member, io.BytesIO(data))
    else:
        for name, (data, _, _) in parts.items():
            (place / name).write_bytes(data)
    chosen = [parts[name] for name in train]
    return np.concatenate([p[1] for p in chosen]), np.concatenate([p[2] for p in chosen])


@pytest.mark.parametrize("layout", ["plain", "nested", "archive"])
@pytest.mark.parametrize("classes", [10, 100])
def test_cifar(classes: int, layout: str, tmp_path: Path):
    labels, pixels = write_cifar(tmp_path / "here", classes, layout)
    source = Cifar10(root="here") if classes == 10 else Cifar100(root="here")
    data = load(plan(source), tmp_path)
    assert np.array_equal(data.train.fields["label"], labels)
    assert np.array_equal(data.train.fields["image"], pixels)
    assert len(data.test) == 4 and data.classes is not None and len(data.classes) == classes


def test_a_broken_cifar_is_told(tmp_path: Path):
    write_cifar(tmp_path / "here", 10, "plain")
    (tmp_path / "here" / "test_batch.bin").write_bytes(b"\x0b" + bytes(3072))
    found = problem(Cifar10(root="here"), tmp_path)
    assert "not the binary version" in found.message and "cifar-10-binary.tar.gz" in found.help
    (tmp_path / "here" / "test_batch.bin").unlink()
    assert problem(Cifar10(root="here"), tmp_path).exit_code == 3
    (tmp_path / "here" / "cifar-10-binary.tar.gz").write_bytes(b"no archive")
    assert problem(Cifar10(root="here"), tmp_path).exit_code == 1


def test_fashion_mnist_is_read_as_mnist_is(tmp_path: Path):
    for part, count in (("train", 6), ("t10k", 4)):
        images = np.arange(count * 784).reshape(count, 28, 28) % 255
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images.astype(np.uint8)))
        labels = idx_bytes(np.arange(count).astype(np.uint8))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    data = load(plan(FashionMnist(root=".")), tmp_path)
    assert (len(data.train), len(data.test)) == (6, 4)
    assert data.classes is not None and data.classes[9] == "Ankle boot"


IMAGES = "model Images { input image: float[3, 32, 32]\n Flatten -> Dense(10) }\n"


def test_a_program_reads_cifar(tmp_path: Path):
    write_cifar(tmp_path / "cifar10", 10, "archive")
    made = spec(QUICK, "data D { source = cifar10()\n validation = 20% }\n", IMAGES)
    same_as_the_loop(made, tmp_path, below(tmp_path))


# --- texts ---------------------------------------------------------------------------


def test_a_text_by_characters(tmp_path: Path):
    (tmp_path / "a.txt").write_text("hello wörld, héllo!", encoding="utf-8")
    data = load(plan(Text(path="a.txt", length=4)), tmp_path)
    known = sorted(set("hello wörld, héllo!"))
    assert data.classes == tuple(known)
    read = ["".join(known[n] for n in row) for row in data.train.fields["tokens"]]
    ahead = ["".join(known[n] for n in row) for row in data.train.fields["next"]]
    assert read == ["hell", "o wö", "rld,", " hél"] and ahead == ["ello", " wör", "ld, ", "héll"]


def test_a_text_by_words(tmp_path: Path):
    (tmp_path / "a.txt").write_text("To be, or not to be.\nThat is it.", encoding="utf-8")
    data = load(plan(Text(path="a.txt", level="word", length=3)), tmp_path)
    assert data.classes is not None
    words = [data.classes[n] for n in data.train.fields["tokens"].ravel()]
    assert words == ["To", "be", ",", "or", "not", "to", "be", ".", "\n", "That", "is", "it"]


def test_texts_that_cannot_be_used(tmp_path: Path):
    (tmp_path / "a.txt").write_bytes(b"fine\nbad \xff here")
    assert ":2: not a text in UTF-8" in problem(Text(path="a.txt"), tmp_path).message
    (tmp_path / "b.txt").write_text("short")
    assert "5 tokens" in problem(Text(path="b.txt"), tmp_path).message


READER = """model Reader(vocab=40) {
  input tokens: int[8]
  Embedding(vocab, 12) -> GRU(24) -> Dense(vocab)
}
"""


def test_a_model_reads_a_text(tmp_path: Path):
    text = "the quick brown fox jumps over the lazy dog. " * 60
    (tmp_path / "a.txt").write_text(text)
    settings = QUICK.replace("epochs = 1", "epochs = 12")
    made = spec(settings, 'data D { source = text("a.txt", length=8)\n test = 10% }\n', READER)
    losses = same_as_the_loop(made, tmp_path, below(tmp_path))
    assert losses[-1] < 0.7 * losses[0]


def test_more_tokens_than_the_model_has_are_told(tmp_path: Path):
    (tmp_path / "a.txt").write_text("abcdefghijklmnopqrstuvwxyz" * 9)
    data = 'data D { source = text("a.txt", length=8) }\n'
    text = (
        f"{READER}{data}train Reader(vocab=20) on D {{\n loss = cross_entropy\n"
        " optimizer = adam(lr=1e-2)\n epochs = 1\n}\n"
    )
    (tmp_path / "a.dlnet").write_text(text)
    out = str(tmp_path / "run")
    done = CliRunner().invoke(dlspec, ["train", str(tmp_path / "a.dlnet"), "--out", out])
    assert done.exit_code == 1 and "goes from 0 to 25" in str(done.exception)
    assert "has 20" in str(done.exception)


# --- what is drawn -------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["circle", "xor", "gauss", "spiral"])
def test_points_lie_as_they_are_called(shape: str):
    data = load(plan(Toy2d(shape=shape, noise=0.0, count=400)), Path())
    point, label = data.train.fields["point"], data.train.fields["label"]
    radius = np.hypot(*point.T)
    assert np.bincount(label).tolist() == [200, 200] and np.abs(point).max() < 6
    if shape == "circle":
        assert radius[label == 0].max() <= 2.5 < 3.5 <= radius[label == 1].min() + 1e-5
    elif shape == "xor":
        assert ((point[:, 0] * point[:, 1] > 0) == (label == 0)).all()
    elif shape == "gauss":
        assert np.allclose(point[label == 0].mean(0), 2, atol=0.2)
        assert np.allclose(point[label == 1].mean(0), -2, atol=0.2)
    else:
        angle = np.arctan2(point[:, 0], point[:, 1]) - 3.5 * math.pi * radius / 5
        turned = np.cos(angle[radius > 0.1])
        assert (turned * np.where(label == 0, 1, -1)[radius > 0.1] > 0.99).all()


def test_points_are_drawn_anew_for_another_seed():
    first, again, other = (
        load(plan(Toy2d(shape="xor"), seed=seed), Path()).train.fields["point"]
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)


PLANE = "model P { input point: float[2]\n Dense(8, activation=tanh) -> Dense(2) }\n"


@pytest.mark.parametrize("shape", ["circle", "xor", "gauss", "spiral"])
def test_a_program_draws_points(shape: str, tmp_path: Path):
    made = spec(QUICK, f"data D {{ source = toy2d({shape})\n test = 20% }}\n", PLANE)
    same_as_the_loop(made, None, tmp_path)


def test_synthetic_fields():
    source = Synthetic(image=(3, 8, 6), label=7, next=(5, 11), target=4, count=90)
    fields = load(plan(source), Path()).train.fields
    assert fields["image"].shape == (90, 3, 8, 6) and fields["image"].dtype == np.uint8
    assert set(fields["label"].tolist()) == set(range(7))
    assert fields["next"].shape == (90, 5) and fields["next"].max() == 10
    assert fields["target"].shape == (90, 4) and fields["target"].dtype == np.float32
    huge = problem(Synthetic(image=(3, 2**15, 2**15), count=2**20), Path())
    assert huge.exit_code == 3 and "GiB" in huge.message


def test_a_program_draws_fields(tmp_path: Path):
    data = "data D { source = synthetic(image=[3, 32, 32], label=10, count=64) }\n"
    same_as_the_loop(spec(QUICK, data, IMAGES), None, tmp_path)


# --- types before reading ------------------------------------------------------------

SOURCES = {
    "fashion_mnist()": "float[1, 28, 28]",
    "cifar10()": "float[3, 32, 32]",
    "cifar100()": "float[3, 32, 32]",
    "synthetic(image=[2, 4, 4], label=3)": "float[2, 4, 4]",
}


@pytest.mark.parametrize("source", SOURCES)
def test_check_knows_types_and_classes(source: str):
    text = (
        "model M { input image: float[9, 9, 9]\n Flatten -> Dense(2) }\n"
        f"data D {{ source = {source} }}\n"
        "train M on D {\n loss = cross_entropy\n optimizer = adam(lr=1e-3)\n epochs = 1\n}\n"
    )
    found = [(d.code, d.message) for d in compile_text(text).diagnostics]
    assert any(code == "E0604" and SOURCES[source] in message for code, message in found), found
    if "cifar" in source:
        assert any("2 scores" in message for _, message in found)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ('text("../a.txt")', "E0605"),
        ('csv("/etc/passwd", "x")', "E0605"),
        ('parquet("a/../../b", "x")', "E0605"),
        ('csv("a.csv", "x", missing=mean, delimiter="ab")', "E0303"),
        ('csv("a.csv")', "E0302"),
        ('csv("a.csv", "x", classes=1)', "E0303"),
        ("toy2d(square)", "E0303"),
        ("synthetic()", "E0604"),
        ('text("a.txt", level=line)', "E0201"),
    ],
)
def test_mistakes_in_sources(source: str, code: str):
    found = compile_text(f"data D {{ source = {source} }}\n").diagnostics
    assert [d.code for d in found] == [code], found


def test_transforms_of_another_kind_of_data():
    for source, stage in (
        ('csv("a.csv", "x")', "Resize(8)"),
        ("digits()", "Standardize"),
        ('npz("a.npz")', "OneHot"),
    ):
        found = compile_text(f"data D {{ source = {source}\n transform = {stage} }}\n").diagnostics
        assert [d.code for d in found] == ["E0606"], found


@pytest.mark.parametrize(
    "source",
    [
        'csv("a b.csv", target="y", features=["x", "z\\"q"], classes=["a", "b"], missing=drop)',
        'csv("a.csv", target="y", classes=none, delimiter="\\t")',
        'parquet("a.parquet", "y", classes=3)',
        'text("a.txt", level=word, length=7)',
        "toy2d(spiral, noise=0.3)",
        "synthetic(image=[3, 8, 8], label=4, count=9)",
        'huggingface("owner/name", configuration="en")',
        "cifar100()",
    ],
)
def test_resolved_sources_mean_the_same(source: str):
    text = f"model M {{ input x: float[2]\n Dense(1) }}\ndata D {{ source = {source} }}\n"
    made = compile_text(text)
    again = compile_text(made.resolved())
    assert again.program is not None, again.diagnostics
    assert again.program.data == made.checked().data
    for data in again.program.data.values():
        assert type(data).model_validate_json(data.model_dump_json()) == data


# --- the hub -------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    datasets = pytest.importorskip("datasets")
    from PIL import Image

    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["cat", "dog"]),
            "weight": datasets.Value("float64"),
            "place": datasets.Sequence(datasets.Value("int32"), length=2),
            "words": datasets.Value("string"),
        }
    )
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 8)).astype(np.uint8)
    rows = {
        "image": [Image.fromarray(p) for p in pixels],
        "label": [0, 1] * 3,
        "weight": [0.5] * 6,
        "place": [[1, 2]] * 6,
        "words": ["a"] * 6,
    }
    part = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict({"train": part, "test": part.select([0])}).save_to_disk(
        str(tmp_path / "pets")
    )
    np.save(tmp_path / "pixels.npy", pixels)
    return tmp_path


def test_a_saved_data_set(hub: Path):
    data = load(plan(HuggingFace(name="pets")), hub)
    pixels = np.load(hub / "pixels.npy")
    assert np.array_equal(data.train.fields["image"], pixels[:, None])
    assert data.classes == ("cat", "dog") and data.train.fields["label"].tolist() == [0, 1] * 3
    assert data.train.fields["place"].tolist() == [[1, 2]] * 6 and len(data.test) == 1
    assert data.train.fields["weight"].dtype == np.float32 and "words" not in data.train.fields
    assert any("'words'" in note and "not used" in note for note in data.notes)
    again = load(plan(HuggingFace(name="other/name")), Path(), f"huggingface:{hub / 'pets'}")
    assert len(again.train) == 6


def test_a_data_set_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("datasets")
    monkeypatch.setenv("DLSPEC_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    found = problem(HuggingFace(name="nobody/nothing-here"), tmp_path)
    assert found.exit_code == 3 and "nobody/nothing-here" in found.message
    assert problem(HuggingFace(name="../elsewhere"), tmp_path).code == "E0605"
    (tmp_path / "outside").mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec").mkdir()
    assert problem(HuggingFace(name="outside"), tmp_path / "spec").code == "E0605"


def test_no_program_reads_the_hub():
    data = 'data D { source = huggingface("pets") }\n'
    made = compile_text(
        f"{IMAGES}{data}train Images on D {{\n loss = cross_entropy\n optimizer = sgd(lr=0.1)\n"
        " epochs = 1\n}\n"
    ).checked()
    with pytest.raises(BackendProblem, match="huggingface"):
        emit(made, made.trains[0].model, made.trains[0])


# --- `--data` ------------------------------------------------------------------------


def test_data_keeps_what_the_spec_says_of_its_own_source(tmp_path: Path):
    (tmp_path / "there.txt").write_text("abc" * 20)
    source = Text(path="nowhere.txt", length=5)
    data = load(plan(source), Path(), f"text:{tmp_path / 'there.txt'}")
    assert data.train.fields["tokens"].shape == (11, 5)
    with pytest.raises(DataProblem) as caught:
        load(plan(Mnist()), Path(), "csv:a.csv")
    assert caught.value.exit_code == 2

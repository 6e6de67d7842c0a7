"""Predicting with ONNX files: images as training saw them, hostile files, one line for mistakes."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sketch import Sketch, program

from dlspec.backends.onnx import build, describe, serialize
from dlspec.inference import InferenceProblem, Predictor
from dlspec.inference.images import read_image
from dlspec.inference.preparation import prepare, resize
from dlspec.inference.results import sigmoid, softmax
from dlspec.inference.wire import external_files
from dlspec.ir.card import CHECKSUM, Preparation, from_metadata, to_metadata
from dlspec.ir.data import DataPlan
from dlspec.ir.graph import Program
from dlspec.ir.sources import Digits
from dlspec.ir.transforms import CenterCrop, Normalize, Resize
from dlspec.ir.types import tensor
from dlspec.layers import find
from dlspec.pipeline import compile_text

SPEC = """
model Net(classes=10) {
  input image: float[1, 8, 8]
  Flatten -> Dense(classes, activation=ACTIVATION)
}
data D {
  source = digits()
  transform = Resize(8) -> Normalize(mean=0.5, std=0.25)
}
train Net on D {
  loss = cross_entropy
  optimizer = sgd(lr=0.1)
  epochs = 1
}
"""


def compiled(activation: str = "softmax") -> Program:
    return compile_text(SPEC.replace("ACTIVATION", activation)).checked()


def weights() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(3)
    return {
        "dense1.weight": generator.standard_normal((10, 64), np.float32),
        "dense1.bias": generator.standard_normal(10, np.float32),
    }


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    content = serialize(build(compiled(), "Net", weights()))
    return write(tmp_path / "net.onnx", content)


@pytest.fixture
def digit(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "digit.png")
    return tmp_path / "digit.png"


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs `dlspec` with arguments; gives its exit code and what it printed."""
    from dlspec.cli.app import run

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dlspec", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            run()
        printed = capsys.readouterr()
        return int(stop.value.code or 0), printed.out, printed.err

    return call


def expected(image: np.ndarray) -> np.ndarray:
    """The probabilities of the classes by PyTorch, for grey pixels of 0 to 1."""
    x = F.interpolate(
        torch.tensor(image, dtype=torch.float32)[None, None],
        (8, 8),
        mode="bilinear",
        antialias=True,
        align_corners=False,
    )
    w = {name: torch.from_numpy(value) for name, value in weights().items()}
    return (
        F.linear(((x - 0.5) / 0.25).flatten(1), w["dense1.weight"], w["dense1.bias"])
        .softmax(1)[0]
        .numpy()
    )


# --- predictions ---------------------------------------------------------------


def test_json_ranks_classes_as_pytorch_does(
    model: Path, digit: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, _ = command("predict", model, digit, "--top", 4, "--format", "json")
    assert code == 0
    (prediction,) = json.loads(out)["predictions"]
    assert prediction["input"] == str(digit)
    shares = expected(np.asarray(Image.open(digit)) / 255)
    order = np.argsort(-shares)[:4].tolist()
    assert [rank["class"] for rank in prediction["top"]] == order
    assert [rank["description"] for rank in prediction["top"]] == [str(n) for n in order]
    np.testing.assert_allclose(
        [rank["probability"] for rank in prediction["top"]], shares[order], atol=1e-5
    )


def test_text_is_a_table(
    model: Path, digit: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, _ = command("predict", model, digit)
    lines = out.splitlines()
    assert (code, lines[0], len(lines)) == (0, str(digit), 5)
    assert lines[1].split() == ["class", "description", "probability"]
    assert all(line.endswith("%") and len(line) == len(lines[1]) for line in lines[2:])


def test_scores_get_their_softmax_and_probabilities_no_second(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.onnx", serialize(build(compiled("linear"), "Net", weights())))
    final = write(tmp_path / "final.onnx", serialize(build(compiled(), "Net", weights())))
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((5, 1, 8, 8), np.float32))
    results = []
    for path in (plain, final):
        predictor = Predictor(path)
        results.append(list(predictor.predict(predictor.reader().examples(tmp_path / "x.npy"), 10)))
    for one, two in zip(*results, strict=True):
        assert [r.number for r in one.top] == [r.number for r in two.top]
        np.testing.assert_allclose(
            [r.probability for r in one.top], [r.probability for r in two.top], atol=1e-6
        )
        assert abs(sum(r.probability for r in one.top) - 1) < 1e-5


def flat(units: int, features: int = 3, activation: str | None = None) -> Program:
    sketch = Sketch("Flat", features=tensor(features))
    kind = find("Dense")
    assert kind is not None
    x = sketch.layer("dense1", kind(units=units), "features")
    if activation is not None:
        made = find(activation)
        assert made is not None
        x = sketch.layer("last", made(), x)
    return program(sketch.graph(output=x))


def test_regression_prints_numbers_for_rows(
    tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    w = {
        "dense1.weight": np.array([[1, 2, 3], [0, 1, 0]], np.float32),
        "dense1.bias": np.array([0.5, 0], np.float32),
    }
    path = write(tmp_path / "flat.onnx", serialize(build(flat(2), "Flat", w)))
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b,c\n1,2,3\n0,-1,0.5\n")
    code, out, _ = command("predict", path, rows, "--format", "json")
    predictions = json.loads(out)["predictions"]
    assert code == 0
    assert [p["values"]["output"] for p in predictions] == [[14.5, 2.0], [0.0, -1.0]]
    assert [p["input"] for p in predictions] == [f"{rows}[0]", f"{rows}[1]"]
    assert "output: 14.5 2" in command("predict", path, rows)[1]


def test_one_chance_ranks_two_classes(tmp_path: Path) -> None:
    made = flat(1, activation="Sigmoid")
    card = describe(made, "Flat", ["cat", "dog"])
    assert card.outputs[0].meaning == "chances"
    path = write(
        tmp_path / "two.onnx", serialize(build(made, "Flat", None, None, to_metadata(card)))
    )
    np.save(tmp_path / "x.npy", np.ones(3, np.float32))
    predictor = Predictor(path)
    (prediction,) = predictor.predict(predictor.reader().examples(tmp_path / "x.npy"))
    assert {rank.description for rank in prediction.top} == {"cat", "dog"}
    assert abs(sum(rank.probability for rank in prediction.top) - 1) < 1e-6


def test_static_batches_are_filled_up(tmp_path: Path) -> None:
    fixed = write(tmp_path / "f.onnx", serialize(build(compiled(), "Net", weights(), batch=4)))
    free = write(tmp_path / "g.onnx", serialize(build(compiled(), "Net", weights())))
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((6, 1, 8, 8), np.float32))
    one, two = (
        list(p.predict(p.reader().examples(tmp_path / "x.npy"), 2))
        for p in (Predictor(fixed), Predictor(free))
    )
    assert len(one) == 6
    for a, b in zip(one, two, strict=True):
        assert [r.number for r in a.top] == [r.number for r in b.top]
        np.testing.assert_allclose(
            [r.probability for r in a.top], [r.probability for r in b.top], rtol=1e-5
        )


def test_a_folder_in_order_and_a_bad_image_that_costs_no_other(
    model: Path, digit: Path, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    content = digit.read_bytes()
    for name in ("b.png", "a.PNG", "sub/c.png", ".hidden/d.png"):
        (folder / name).write_bytes(content)
    (folder / "broken.png").write_bytes(content[:200])
    (folder / "notes.txt").write_text("no image")
    code, out, err = command("predict", model, folder, "--format", "json")
    names = [Path(p["input"]).name for p in json.loads(out)["predictions"]]
    assert (code, names) == (1, ["a.PNG", "b.png", "c.png"])
    assert err.count("\n") == 1
    assert "broken.png" in err


def test_standard_input(model: Path, digit: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dlspec", "predict", str(model), "-"],
        input=digit.read_bytes(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"<stdin>")


def test_torch_and_onnx_are_not_needed(model: Path, digit: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['torch'] = sys.modules['onnx'] = None\n"
        f"sys.argv = ['dlspec', 'predict', {str(model)!r}, {str(digit)!r}]\n"
        "from dlspec.cli import main; main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "probability" in done.stdout


def test_softmax_and_sigmoid_do_not_overflow() -> None:
    np.testing.assert_allclose(softmax(np.array([1000.0, 1000.0, -1000.0])), [0.5, 0.5, 0])
    np.testing.assert_allclose(sigmoid(np.array([-1000.0, 0.0, 1000.0])), [0, 0.5, 1])


# --- images and their preparation -----------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 31), (28, 28), (40, 13), (64, 90)])
@pytest.mark.parametrize("size", [(28, 28), (5, 60), (1, 1), (64, 64)])
def test_resize_is_that_of_training(height: int, width: int, size: tuple[int, int]) -> None:
    image = np.random.default_rng(height).random((3, height, width), np.float32)
    wanted = F.interpolate(
        torch.from_numpy(image)[None], size, mode="bilinear", antialias=True, align_corners=False
    )[0].numpy()
    np.testing.assert_allclose(resize(image, *size), wanted, atol=2e-6)


def test_preparation_is_that_of_training() -> None:
    from dlspec.data.preparing import prepare as prepared_for_training

    steps = (
        Resize(size=(12, 17)),
        CenterCrop(size=(8, 11)),
        Normalize(mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)),
    )
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 20, 31), np.uint8)
    _, evaluation = prepared_for_training(DataPlan(name="D", source=Digits(), transform=steps))
    wanted = evaluation({"image": torch.from_numpy(images)})["image"].numpy()
    for image, one in zip(images, wanted, strict=True):
        np.testing.assert_allclose(prepare(image, Preparation(transform=steps)), one, atol=2e-6)


@pytest.mark.parametrize("grey", [True, False])
def test_image_folders_are_resized_as_training_reads_them(tmp_path: Path, grey: bool) -> None:
    from dlspec.data.images import read_image as read_for_training

    pixels = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    steps = (Resize(size=19), CenterCrop(size=(10, 13)), Normalize(mean=0.5, std=0.5))
    wanted = read_for_training(
        tmp_path / "x.png", grey, (("resize", 19, 19), ("center_crop", 10, 13))
    )
    image = read_image(tmp_path / "x.png", "x.png", 1 if grey else 3)
    ours = prepare(image, Preparation(transform=steps, eight_bit=True))
    np.testing.assert_allclose(ours, (wanted / 255 - 0.5) / 0.5, atol=1e-6)


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def test_pixels_of_every_kind_of_image() -> None:
    colour = np.zeros((2, 3, 3), np.uint8)
    colour[0, 0] = (255, 0, 0)
    rgb = Image.fromarray(colour)
    assert read_image(encoded(rgb), "x", 3)[:, 0, 0].tolist() == [255, 0, 0]
    assert read_image(encoded(rgb), "x", 1)[0, 0, 0] == 76  # 0.299 of 255
    for mode in ("P", "CMYK", "YCbCr"):
        format = "PNG" if mode == "P" else "TIFF"
        pixels = read_image(encoded(rgb.convert(mode), format), "x", 3)
        assert np.abs(pixels[:, 0, 0].astype(int) - [255, 0, 0]).max() <= 2
    bits = Image.fromarray(np.array([[True, False]]))
    assert read_image(encoded(bits), "x", 1).tolist() == [[[255, 0]]]


def test_transparency_is_laid_over_white() -> None:
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, 1, 3], pixels[0, 2, 3] = 51, 255
    image = read_image(encoded(Image.fromarray(pixels)), "x", 1)
    assert image[0, 0].tolist() == [255, 204, 0]


def test_sixteen_bits_keep_their_depth() -> None:
    deep = np.array([[0, 1, 257, 65535]], np.uint16)
    image = read_image(encoded(Image.fromarray(deep)), "x", 1)
    np.testing.assert_allclose(image[0, 0], deep[0] / 65535, atol=1e-9)
    assert read_image(encoded(Image.fromarray(deep)), "x", 3).shape == (3, 1, 4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_upright(orientation: int) -> None:
    pixels = np.arange(0, 240, 40, np.uint8).reshape(2, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.T,
        6: np.rot90(pixels, -1),
        7: pixels[::-1, ::-1].T,
        8: np.rot90(pixels),
    }
    content = encoded(Image.fromarray(pixels), exif=exif)
    np.testing.assert_array_equal(read_image(content, "x", 1)[0], upright[orientation])


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is this large, and holds nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def test_damaged_images_are_problems_whatever_is_damaged() -> None:
    whole = {
        format: encoded(Image.effect_noise((40, 40), 50), format)
        for format in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
    }
    generator = np.random.default_rng(0)
    for content in whole.values():
        for _ in range(25):
            harmed = bytearray(content[: generator.integers(1, len(content))])
            for place in generator.integers(0, len(harmed), 3):
                harmed[place] ^= 1 << generator.integers(0, 8)
            try:
                assert read_image(bytes(harmed), "x", 1).shape[0] == 1
            except InferenceProblem as problem:
                assert "\n" not in str(problem)


# --- inputs that cannot be used --------------------------------------------------


def bad_inputs(folder: Path, digit: bytes) -> list[tuple[str, int, str]]:
    """Files with the exit code and a part of the message that they should give."""
    (folder / "empty").mkdir()
    np.save(folder / "shape.npy", np.zeros((3, 3), np.float32))
    np.save(folder / "channels.npy", np.zeros((2, 8, 8), np.float32))
    np.save(folder / "nan.npy", np.full((1, 8, 8), np.nan, np.float32))
    np.save(folder / "text.npy", np.array([["a"]]))
    np.save(folder / "object.npy", np.array([{}], dtype=object), allow_pickle=True)
    files = {
        "cut.png": digit[:150],
        "text.png": b"hello",
        "nothing.png": b"",
        "bomb.png": png_header(100_000, 100_000),
        "large.png": png_header(10_000, 10_000),
        "cut.npy": (folder / "shape.npy").read_bytes()[:100],
        "junk.npy": b"\x93NUMPYjunk",
        "rows.csv": b"1,2,3\n",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    os.mkfifo(folder / "pipe.png")
    return [
        ("missing.png", 3, "No such file"),
        ("nul\0.png", 3, "cannot be read"),
        ("empty", 1, "no images"),
        ("pipe.png", 3, "not a file"),
        ("cut.png", 1, "cut short or damaged"),
        ("text.png", 1, "not an image"),
        ("nothing.png", 1, "not an image"),
        ("bomb.png", 1, "89 million"),
        ("large.png", 1, "89 million"),
        ("shape.npy", 1, "is [3, 3]"),
        ("channels.npy", 1, "is [2, 8, 8]"),
        ("nan.npy", 1, "not finite"),
        ("text.npy", 1, "not a `.npy` file of numbers"),
        ("object.npy", 1, "not a `.npy` file of numbers"),
        ("cut.npy", 1, "damaged"),
        ("junk.npy", 1, "damaged"),
        ("rows.csv", 1, "flat"),
    ]


def test_inputs_that_cannot_be_used_cost_a_line(
    model: Path, digit: Path, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    for name, wanted, said in bad_inputs(folder, digit.read_bytes()):
        code, out, err = command("predict", model, folder / name)
        assert (name, code, out) == (name, wanted, "")
        assert said in err, name
        assert err.startswith("Error: ")
        assert len([line for line in err.splitlines() if not line.startswith("help:")]) == 1


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", "no rows"),
        ("a,b,c\n", "no rows"),
        ("1,2\n", "row 1 has 2 numbers"),
        ("1,2,3\n1,x,3\n", "row 2 holds something that is no number"),
        ("1,2,inf\n", "not finite"),
        ("1,2,nan\n", "not finite"),
        ("1,2,1e300\n", "not finite"),
        ("\xff\xfe", "UTF-8"),
    ],
)
def test_rows_that_cannot_be_used(
    tmp_path: Path, rows: str, said: str, command: Callable[..., tuple[int, str, str]]
) -> None:
    path = write(tmp_path / "flat.onnx", serialize(build(flat(2), "Flat")))
    (tmp_path / "rows.csv").write_bytes(rows.encode("latin-1"))
    code, _, err = command("predict", path, tmp_path / "rows.csv")
    assert code == 1
    assert said in err


def test_an_image_of_another_size_says_what_mends_it(
    tmp_path: Path, digit: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    made = compile_text("model N { input image: float[1, 8, 8]\n Flatten -> Dense(2) }").checked()
    path = write(tmp_path / "n.onnx", serialize(build(made, "N")))
    code, _, err = command("predict", path, digit)
    assert code == 1
    assert "[1, 20, 30]" in err
    assert "Resize" in err


def test_names_cannot_steer_the_terminal(
    model: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, err = command("predict", model, "\x1b]0;title\x07.png")
    assert code == 3
    assert "\x1b" not in err


# --- models that cannot be used ----------------------------------------------------


def test_models_that_are_none(
    tmp_path: Path, digit: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "text.onnx").write_text("no model at all")
    (tmp_path / "empty.onnx").write_bytes(b"")
    for name, wanted in (
        ("missing.onnx", 3),
        ("pipe.onnx", 3),
        (".", 3),
        ("text.onnx", 1),
        ("empty.onnx", 1),
        ("digit.png", 1),
    ):
        code, _, err = command("predict", tmp_path / name, digit)
        assert (name, code, err.count("\n")) == (name, wanted, 1)


def test_every_cut_and_every_flipped_bit_of_a_model_is_found(model: Path, tmp_path: Path) -> None:
    content = model.read_bytes()
    generator = np.random.default_rng(0)
    harmed = tmp_path / "harmed.onnx"
    tail = len(content) - content.rindex(CHECKSUM.encode())
    for end in generator.integers(1, len(content) - tail - 200, 40).tolist():
        harmed.write_bytes(content[:end])
        with pytest.raises(InferenceProblem):
            Predictor(harmed)
    for place in generator.integers(0, len(content) - tail, 150).tolist():
        changed = bytearray(content)
        changed[place] ^= 1 << int(generator.integers(0, 8))
        harmed.write_bytes(changed)
        with pytest.raises(InferenceProblem):
            Predictor(harmed)


def foreign(**attributes: Any) -> onnx.ModelProto:
    """A model that dlspec did not make: x [batch, 4] times a matrix, as scores."""
    matrix = numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], **attributes)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [matrix],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


def test_a_foreign_model_gives_its_numbers_and_ranks_where_asked(
    tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    path = write(tmp_path / "foreign.onnx", foreign().SerializeToString())
    (tmp_path / "x.csv").write_text("0.1,0,0,0\n")
    _, out, _ = command("predict", path, tmp_path / "x.csv", "--format", "json")
    (prediction,) = json.loads(out)["predictions"]
    np.testing.assert_allclose(prediction["values"]["y"], [0, 0.1, 0.2], atol=1e-6)
    _, out, _ = command("predict", path, tmp_path / "x.csv", "--format", "json", "--top", 1)
    (prediction,) = json.loads(out)["predictions"]
    assert prediction["top"][0]["class"] == 2
    assert prediction["top"][0]["description"] is None
    assert (
        abs(prediction["top"][0]["probability"] - np.exp(0.2) / np.exp([0, 0.1, 0.2]).sum()) < 1e-6
    )


def test_a_file_that_another_tool_wrote_anew_is_tried_and_keeps_its_card(
    model: Path, digit: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    read = onnx.load(model)
    read.metadata_props.add(key="zzz", value="another entry behind the checksum")
    model.write_bytes(read.SerializeToString())
    code, out, _ = command("predict", model, digit)
    assert code == 0
    assert "probability" in out


def test_what_ends_the_process_that_tries_a_model_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for a crash inside ONNX Runtime: the trial's interpreter kills itself."""
    path = write(tmp_path / "foreign.onnx", foreign().SerializeToString())
    killer = tmp_path / "killer"
    killer.write_text(f"#!{sys.executable}\nimport os\nos.kill(os.getpid(), 11)\n")
    killer.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(killer))
    with pytest.raises(InferenceProblem, match="-11"):
        Predictor(path)


@pytest.mark.parametrize(
    "location",
    [
        "../secret.bin",
        "/etc/passwd",
        "sub/w.bin",
        "missing.bin",
        "link.bin",
        "..",
        "",
        "a\0b",
        "..\\secret.bin",
    ],
)
def test_weights_outside_the_folder_are_refused(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    for name in ("secret.bin", "folder/sub/w.bin"):
        (tmp_path / name).write_bytes(bytes(48))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    made = foreign()
    outward(made.graph.initializer[0], location)
    with pytest.raises(InferenceProblem, match="model's own folder"):
        Predictor(write(folder / "m.onnx", made.SerializeToString()))


def outward(proto: TensorProto, location: str) -> None:
    proto.ClearField("raw_data")
    proto.data_location = TensorProto.EXTERNAL
    proto.external_data.add(key="location", value=location)


def test_weights_beside_the_model_are_read(tmp_path: Path) -> None:
    made = foreign()
    matrix = made.graph.initializer[0].raw_data
    (tmp_path / "w.bin").write_bytes(matrix)
    outward(made.graph.initializer[0], "w.bin")
    predictor = Predictor(write(tmp_path / "m.onnx", made.SerializeToString()))
    outputs = predictor.run({"x": np.eye(4, dtype=np.float32)})
    np.testing.assert_array_equal(outputs["y"], np.frombuffer(matrix, "<f4").reshape(4, 3))


def test_weights_are_looked_for_wherever_a_model_can_hold_them() -> None:
    hidden = foreign()
    inner = foreign().graph
    outward(inner.initializer[0], "in_a_branch")
    node = helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=foreign().graph)
    value = TensorProto(data_type=1, dims=[1])
    outward(value, "in_an_attribute")
    constant = helper.make_node("Constant", [], ["k"], value=value)
    hidden.graph.node.extend([node, constant])
    function = helper.make_function("d", "f", [], ["k"], [constant], [helper.make_opsetid("", 22)])
    outward(function.node[0].attribute[0].t, "in_a_function")
    hidden.functions.append(function)
    found = external_files(memoryview(hidden.SerializeToString()))
    assert {"in_a_branch", "in_an_attribute", "in_a_function"} <= found


def test_a_card_that_lies_about_its_graph_is_refused(tmp_path: Path) -> None:
    made = build(compiled(), "Net", weights())
    made.graph.output[0].name = "softer"
    made.graph.node[-1].output[0] = "softer"
    with pytest.raises(InferenceProblem, match="does not fit its graph"):
        Predictor(write(tmp_path / "m.onnx", serialize(made)))


@pytest.mark.parametrize("text", ["", "[", "[" * 100_000, '[{"name": 3}]', "null"])
def test_cards_that_cannot_be_read(text: str) -> None:
    made = build(compiled(), "Net", weights())
    metadata = {entry.key: entry.value for entry in made.metadata_props}
    assert from_metadata(metadata) is not None
    with pytest.raises(ValueError, match="cannot be read"):
        from_metadata(metadata | {"dlspec.inputs": text})


@pytest.mark.parametrize("mode", ["turned", "transparent", "grey"])
def test_photos_are_read_as_training_reads_them(tmp_path: Path, mode: str) -> None:
    from dlspec.data.images import read_image as read_for_training
    from dlspec.inference.images import read_image as read_for_prediction

    path = tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)
    image = Image.fromarray(pixels if mode == "transparent" else pixels[..., :3])
    if mode == "grey":
        image = image.convert("LA")
    exif = Image.Exif()
    if mode == "turned":
        exif[0x0112] = 6
    image.save(path, exif=exif)
    for grey, channels in ((True, 1), (False, 3)):
        trained = read_for_training(path, grey, ())
        assert np.array_equal(trained, read_for_prediction(path, "photo.png", channels))
        assert trained.shape[1:] == ((7, 5) if mode == "turned" else (5, 7))

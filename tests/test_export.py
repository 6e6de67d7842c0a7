"""From a run to an ONNX file: the same numbers as PyTorch, or no file."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from dlspec.inference import Predictor
from dlspec.ir.card import from_metadata

SPEC = """
model Net(classes=10) {
  input image: float[1, 8, 8]
  Conv(4, 3, padding=same) -> BatchNorm -> ReLU
  Flatten -> Dense(classes, activation=softmax)
}
data D {
  source = digits()
  transform = Normalize(mean=0.5, std=0.5)
  validation = 10%
  test = 20%
}
train Net on D {
  loss = cross_entropy
  optimizer = adam(lr=1e-2)
  epochs = 2
}
"""

Command = Callable[..., tuple[int, str, str]]


def call(*arguments: object) -> int:
    from dlspec.cli.app import run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["dlspec", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            run()
    return int(stop.value.code or 0)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: object) -> tuple[int, str, str]:
        code = call(*arguments)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    (folder / "net.dlnet").write_text(SPEC)
    assert call("train", folder / "net.dlnet", "--out", folder / "run", "--quiet") == 0
    return folder / "run"


def test_the_file_computes_what_the_weights_say(
    trained: Path, tmp_path: Path, command: Command
) -> None:
    path = tmp_path / "net.onnx"
    code, out, _ = command("export", trained, "-o", path, "--format", "json")
    facts = json.loads(out)
    assert code == 0
    assert facts["compared_on"] == ["random", "data"]
    assert facts["greatest_difference"] <= 1e-5
    w = {
        name: torch.from_numpy(value)
        for name, value in load_file(trained / "best.safetensors").items()
    }
    x = torch.randn(7, 1, 8, 8)
    y = torch.conv2d(x, w["conv1.weight"], w["conv1.bias"], padding=1)
    y = torch.batch_norm(
        y,
        w["batch_norm1.weight"],
        w["batch_norm1.bias"],
        w["batch_norm1.running_mean"],
        w["batch_norm1.running_var"],
        False,
        0.1,
        1e-5,
        False,
    )
    y = torch.relu(y).flatten(1) @ w["dense1.weight"].T + w["dense1.bias"]
    session = onnxruntime.InferenceSession(path)
    np.testing.assert_allclose(session.run(None, {"image": x.numpy()})[0], y.softmax(1), atol=1e-5)
    card = from_metadata(session.get_modelmeta().custom_metadata_map)
    assert card is not None
    assert card.classes == tuple("0123456789")
    assert card.spec_hash == json.loads((trained / "run.json").read_text())["spec_sha256"]


def test_it_reads_digits_from_image_files(trained: Path, tmp_path: Path, command: Command) -> None:
    """Of the test split's digits, as PNG files in a folder, most are read right."""
    from dlspec.data import load
    from dlspec.pipeline import compile_text

    path = tmp_path / "net.onnx"
    assert command("export", trained, "-o", path)[0] == 0
    test = load(compile_text(SPEC).checked().data["D"], tmp_path).test.fields
    (tmp_path / "digits").mkdir()
    for number, image in enumerate(test["image"][:100]):
        Image.fromarray(image[0]).save(tmp_path / "digits" / f"{number:03}.png")
    _, out, _ = command("predict", path, tmp_path / "digits", "--top", 1, "--format", "json")
    found = [p["top"][0]["class"] for p in json.loads(out)["predictions"]]
    assert np.mean(np.array(found) == test["label"][:100]) > 0.8


def test_options(trained: Path, tmp_path: Path, command: Command) -> None:
    path = tmp_path / "net.onnx"
    code, _, err = command("export", trained, "-o", path, "--opset", 20, "--static-batch", 3)
    assert (code, "opset 20" in err) == (0, True)
    assert Predictor(path).run({"image": np.zeros((3, 1, 8, 8), np.float32)})["output"].shape == (
        3,
        10,
    )
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_a_difference_stops_it_and_leaves_what_was_there(
    trained: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch import nn

    path = tmp_path / "net.onnx"
    path.write_bytes(b"older")
    forward = nn.Linear.forward
    monkeypatch.setattr(
        nn.Linear, "forward", lambda self, x: forward(self, x) + torch.arange(10) * 1e-3
    )
    code, _, err = command("export", trained, "-o", path)
    assert code == 1
    assert "differs from PyTorch's" in err
    assert path.read_bytes() == b"older"
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def damaged(trained: Path, folder: Path, name: str, content: bytes | None) -> Path:
    """A copy of the run in which a file has another content, or is missing."""
    copy = folder / "run"
    shutil.copytree(trained, copy)
    if content is None:
        (copy / name).unlink()
    else:
        (copy / name).write_bytes(content)
    return copy


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("best.safetensors", None, 3),
        ("best.safetensors", b"", 1),
        ("best.safetensors", b"x" * 99, 1),
        ("run.json", None, 3),
        ("run.json", b"{", 1),
        ("run.json", b"[]", 1),
        ("spec.json", None, 3),
        ("spec.json", b"{}", 1),
        ("spec.json", b"\xff", 1),
    ],
)
def test_runs_that_are_damaged_cost_a_line(
    trained: Path, tmp_path: Path, command: Command, name: str, content: bytes | None, wanted: int
) -> None:
    run = damaged(trained, tmp_path, name, content)
    code, _, err = command("export", run, "-o", tmp_path / "net.onnx")
    assert code == wanted, err
    assert err
    assert "Traceback" not in err
    assert "dlspec itself failed" not in err
    assert not (tmp_path / "net.onnx").exists()


def test_what_is_asked_wrongly(trained: Path, tmp_path: Path, command: Command) -> None:
    path = tmp_path / "net.onnx"
    for arguments, wanted, said in (
        (("--precision", "fp16"), 2, "not available"),
        (("--with-preprocessing",), 2, "not avail"),
        (("--opset", 3), 1, "opset 3"),
        (("--opset", 999), 1, "opset 999"),
    ):
        code, _, err = command("export", trained, "-o", path, *arguments)
        assert (code, said in err) == (wanted, True), err
    assert command("export", tmp_path, "-o", path)[0] == 3
    assert command("export", trained, "-o", tmp_path / "no" / "net.onnx")[0] == 3
    assert not path.exists()

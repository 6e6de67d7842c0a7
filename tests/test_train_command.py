"""`dlspec train` and `dlspec evaluate` from the outside: exit codes, output, no traceback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from training_setup import SMALL  # noqa: E402

from dlspec.cli.app import dlspec  # noqa: E402
from dlspec.pipeline import compile_file  # noqa: E402


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def spec(least: str = "10%") -> str:
    Path("small.dlnet").write_text(
        SMALL.replace("epochs     = 3", "epochs = 1").replace(
            "precision  = float32", f"precision = float32\n  require accuracy > {least}"
        )
    )
    return "small.dlnet"


def call(*arguments: str, fails: bool = False) -> Result:
    result = CliRunner().invoke(dlspec, arguments)
    if not fails and result.exception is not None:
        assert isinstance(result.exception, SystemExit), result.exception
    return result


def test_train_then_evaluate() -> None:
    trained = call("train", spec(), "--format", "json")
    assert trained.exit_code == 0, trained.output
    said = json.loads(trained.stdout)
    assert said["run"] == "runs/small" and said["good"] and said["steps"] == 20
    assert "epoch 1/1" in trained.stderr and "1,016 parameters" not in trained.stdout
    evaluated = call("evaluate", "runs/small", "--format", "json")
    assert json.loads(evaluated.stdout)["metrics"] == said["test"]["metrics"]
    assert "accuracy" in call("evaluate", "runs/small").stdout
    assert "runs/small-2" in call("train", spec(), "--quiet").stdout


def test_a_promise_that_does_not_hold_is_exit_1() -> None:
    trained = call("train", spec("99.9%"), "--out", "run", "--quiet")
    assert trained.exit_code == 1
    assert "`require accuracy > 99.9%` does not hold" in trained.stderr
    evaluated = call("evaluate", "run", "--format", "json")
    assert evaluated.exit_code == 1
    assert json.loads(evaluated.stdout)["requires"][0]["holds"] is False


def test_the_resolved_spec_gives_the_same_run() -> None:
    call(
        "train",
        spec(),
        "--out",
        "one",
        "--seed",
        "7",
        "--set",
        "train.optimizer.lr=0.02",
        "--quiet",
    )
    text = Path("one/spec.dlnet").read_text()
    assert "lr=0.02" in text and "seed       = 7" in text and "betas" in text
    first = json.loads(Path("one/run.json").read_text())
    call("train", "one/spec.dlnet", "--out", "two", "--quiet")
    second = json.loads(Path("two/run.json").read_text())
    assert first["test"] == second["test"] and first["settings"] == second["settings"]
    assert Path("one/best.safetensors").stat().st_size
    assert compile_file("one/spec.json").checked() == compile_file("two/spec.json").checked()


def test_other_data_from_the_command_line() -> None:
    chance = np.random.default_rng(0)
    arrays = {
        "image": chance.integers(0, 255, (60, 1, 8, 8), dtype=np.uint8),
        "label": chance.integers(0, 10, 60),
    }
    Path("elsewhere").mkdir()
    np.savez("elsewhere/own.npz", **arrays)
    done = call(
        "train",
        spec("0%"),
        "--data",
        "npz:elsewhere/own.npz",
        "--out",
        "run",
        "--quiet",
        "--format",
        "json",
    )
    assert done.exit_code in (0, 1), done.output
    assert json.loads(done.stdout)["test"]["examples"] == 12
    again = call("evaluate", "run", "--format", "json")
    assert json.loads(again.stdout)["examples"] == 12, "a run remembers its data"
    Path("elsewhere/own.npz").unlink()
    lost = call("evaluate", "run")
    assert lost.exit_code == 3 and "own.npz" in lost.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ((), 2, "--resume"),
        (("{spec}", "--resume", "x"), 2, "--resume"),
        (("--resume", "runs/none"), 3, "not the folder of a run"),
        (("none.dlnet",), 3, "none.dlnet"),
        (("{spec}", "--data", "mnist:nowhere"), 3, "nowhere"),
        (("{spec}", "--data", "minst:x"), 2, "mnist"),
        (("{spec}", "--device", "tpu"), 3, "tpu"),
        (("{spec}", "--gpu", "--device", "cpu"), 2, "contradict"),
        (("{spec}", "--model", "Large"), 2, "Small"),
        (("{spec}", "--set", "train.epochs=none"), 1, "`steps`"),
        (("{spec}", "--set", "train.nothing=1"), 1, "E0501"),
        (("{model}",), 1, "no `train`"),
    ],
)
def test_mistakes_have_an_exit_code_and_a_line(
    arguments: tuple[str, ...], code: int, text: str
) -> None:
    Path("model.dlnet").write_text("model M {\n  input x: float[3]\n  Dense(2)\n}\n")
    places = {"spec": spec(), "model": "model.dlnet"}
    result = call("train", *(argument.format(**places) for argument in arguments), fails=True)
    failure = result.exception
    known = getattr(type(failure), "exit_code", None)
    assert (known or result.exit_code) == code, result.output
    said = result.stderr if known is None else str(failure)
    assert text in said and "Traceback" not in said
    assert not Path("runs").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_gpu_where_there_is_none() -> None:
    result = call("train", spec(), "--gpu", fails=True)
    assert getattr(result.exception, "exit_code", None) == 3
    assert "no GPU" in str(result.exception)


@pytest.mark.parametrize("name", ["run.json", "spec.json", "best.safetensors"])
@pytest.mark.parametrize("damage", [b"", b"{}", b"[1, 2", b"\xff" * 30, b"[" * 100_000])
def test_a_damaged_run_is_a_line(name: str, damage: bytes, run_folder: Path) -> None:
    path = run_folder / name
    whole = path.read_bytes()
    path.write_bytes(damage)
    try:
        result = call("evaluate", str(run_folder), fails=True)
    finally:
        path.write_bytes(whole)
    known = getattr(type(result.exception), "exit_code", None)
    assert (known or result.exit_code) in (1, 3), result.exception
    assert isinstance(result.exception, SystemExit) or known is not None, result.exception


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged")
    path = folder / "small.dlnet"
    path.write_text(SMALL.replace("epochs     = 3", "epochs = 1"))
    done = CliRunner().invoke(dlspec, ["train", str(path), "--out", str(folder / "run"), "--quiet"])
    assert done.exit_code == 0, done.output
    return folder / "run"

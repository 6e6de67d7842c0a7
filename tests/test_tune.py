"""`dlspec tune`: studies on the bundled digits, stopped and gone on with, and their mistakes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dlspec.pipeline import compile_file, compile_text

pytest.importorskip("optuna")
pytest.importorskip("torch")

SPEC = """
model Net(units=24 in 8 .. 64, act=relu in [relu, tanh]) {
  input image: float[1, 8, 8]
  Flatten -> Dense(units, activation=act) -> Dense(10)
}
data Digits {
  source     = digits()
  validation = 20%
  test       = 20%
}
train Net on Digits {
  loss       = cross_entropy
  optimizer  = adam(lr=1e-3 in log(1e-5 .. 1e-1))
  batch_size = 64 in [32, 64]
  epochs     = 4
  metrics    = [accuracy]
  precision  = float32
}
"""
KEYS = ["Net.units", "Net.act", "train.optimizer.lr", "train.batch_size"]


def start(spec: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "dlspec", "tune", str(spec), "--format", "json"]
        + [str(argument) for argument in arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def tune(spec: Path, *arguments: str | Path, code: int = 0) -> tuple[dict[str, Any], str]:
    process = start(spec, *arguments)
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, out + err
    assert "Traceback" not in err
    return json.loads(out) if out else {}, err


def write(folder: Path, text: str = SPEC) -> Path:
    path = folder / "net.dlnet"
    path.write_text(text)
    return path


# --- ranges ----------------------------------------------------------------------------


def test_ranges_are_in_the_program_by_the_names_that_set_them() -> None:
    compiled = compile_text(SPEC)
    program = compiled.checked()
    assert [search.key for search in program.searches] == KEYS
    lr = program.searches[2]
    assert (lr.low, lr.high, lr.log, lr.value) == (1e-5, 1e-1, True, 1e-3)
    assert program.searches[1].choices == ("relu", "tanh")
    for search in program.searches:
        tried = {search.key: search.choices[-1] if search.choices else str(search.high)}
        left = [s.key for s in compile_text(SPEC, overrides=tried).checked().searches]
        assert left == [key for key in KEYS if key != search.key]


def test_the_resolved_spec_keeps_the_ranges() -> None:
    compiled = compile_text(SPEC)
    again = compile_text(compiled.resolved())
    assert again.program == compiled.program
    assert again.resolved() == compiled.resolved()


@pytest.mark.parametrize(
    ("key", "old", "new"),
    [
        ("train.gan.optimizer.lr", "adam(lr=1e-3)", "adam(lr=1e-3 in log(1e-4 .. 1e-2))"),
        ("train.gan.gradient_clip", "clip = 1", "clip = 1 in 1 .. 5"),
        ("data.transform.Resize.size", "Resize(8)", "Resize(8 in [8, 12])"),
        ("train.schedule", "schedule = constant", "schedule = constant in [constant, cosine]"),
    ],
)
def test_ranges_of_steps_and_of_stages(key: str, old: str, new: str) -> None:
    text = """
model Net { input image: float[1, 8, 8]
  Flatten -> Dense(10) }
data D { source = digits()
  transform = Resize(8) -> CenterCrop(8) }
train Net on D {
  schedule = constant
  epochs = 1
  step gan updates Net {
    optimizer = adam(lr=1e-3)
    gradient_clip = 1
    minimize cross_entropy(image -> Net, label)
  }
}
"""
    compiled = compile_text(text.replace(old, new))
    assert [search.key for search in compiled.checked().searches] == [key], compiled.diagnostics
    if key != "train.schedule":  # in the resolved spec every step has its own
        assert compile_text(compiled.resolved()).program == compiled.program
    value = compiled.checked().searches[0].value
    assert compile_text(text.replace(old, new), overrides={key: str(value)}).program is not None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("units=24 in 8 .. 64", "units=24 in 64 .. 8", "is empty"),
        ("log(1e-5 .. 1e-1)", "log(0 .. 1e-1)", "cannot stand here"),
        ("8 .. 64", "log(0 .. 64)", "begins above 0"),
        ("log(1e-5 .. 1e-1)", "1e-2 .. 1e-1", "outside its range"),
        ("in [32, 64]", "in [16, 32]", "is not one of the choices"),
        ("in [32, 64]", "in [64, 0.5]", "cannot stand here"),
        ("in [32, 64]", "in 0 .. 128", "cannot stand here"),
        ("in [32, 64]", "in 64", "a search range is"),
        ("loss       = cross_entropy", "loss = cross_entropy in [mse]", "is not one of"),
        ("loss       = cross_entropy", "loss = cross_entropy in 1 .. 2", "is a list of choices"),
        ("-> Dense(10)", "-> Dense(10 in 5 .. 20)", "belong to parameters and settings"),
    ],
)
def test_bad_ranges_are_diagnostics(old: str, new: str, words: str) -> None:
    found = compile_text(SPEC.replace(old, new)).diagnostics
    assert [d.code for d in found] == ["E0310"]
    assert words in found[0].message


def test_the_choices_of_what_is_named_are_checked() -> None:
    text = SPEC.replace("= cross_entropy", "= cross_entropy in [cross_entropy, crossentropy]")
    assert [d.code for d in compile_text(text).diagnostics] == ["E0508"]


# --- studies ---------------------------------------------------------------------------


def test_a_study_stopped_twice_ends_as_one_that_was_not(tmp_path: Path) -> None:
    spec = write(tmp_path)
    whole, log = tune(spec, "--out", tmp_path / "whole", "--trials", "7")
    assert [trial["number"] for trial in whole["trials"]] == list(range(1, 8))
    assert "trial 7/7" in log
    folder = tmp_path / "stopped"
    for number, code in ((signal.SIGKILL, -9), (signal.SIGTERM, 130)):
        process = start(spec, "--out", folder, "--trials", "7")
        before, limit = metrics(folder), time.monotonic() + 240
        while metrics(folder) < before + 2:
            assert time.monotonic() < limit and process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        process.communicate(timeout=240)
        assert process.returncode == code
    stopped, _ = tune(spec, "--out", folder, "--trials", "7")
    assert stopped["trials"] == whole["trials"]
    assert stopped["best"] == whole["best"]
    check_result(tmp_path / "whole", whole)


def metrics(folder: Path) -> int:
    """How many epochs the runs of a study have logged."""
    logs = (folder / "trials").glob("*/metrics.jsonl")
    return sum(log.read_text().count('"kind": "epoch"') for log in logs)


def check_result(folder: Path, found: dict[str, Any]) -> None:
    """The files of a study, and the best spec trained by itself."""
    assert (folder / "study.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "trials.json").read_text()) == found["trials"]
    states = {trial["state"] for trial in found["trials"]}
    assert states <= {"complete", "pruned"} and "complete" in states
    done = [trial for trial in found["trials"] if trial["state"] == "complete"]
    assert found["best"]["value"] == max(trial["value"] for trial in done)
    assert list(found["trials"][0]["settings"].values()) == ["24", "relu", "0.001", "64"]
    best = compile_file(found["spec"]).checked()
    assert best.searches == ()
    rest = ["--quiet", "--out", str(folder / "again")]
    again = subprocess.run(
        [sys.executable, "-m", "dlspec", "train", found["spec"], "--format", "json", *rest],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    epochs = json.loads(again.stdout)["epochs"]
    assert max(entry["val_accuracy"] for entry in epochs) == found["best"]["value"]


def test_trials_side_by_side_and_more_of_them_later(tmp_path: Path) -> None:
    spec, folder = write(tmp_path), tmp_path / "study"
    found, _ = tune(spec, "--out", folder, "--trials", "3", "--jobs", "2", "--metric", "loss")
    assert (len(found["trials"]), found["direction"]) == (3, "minimize")
    more, _ = tune(spec, "--out", folder, "--trials", "5", "--jobs", "2", "--metric", "val_loss")
    assert more["trials"][:3] == found["trials"]
    assert len(more["trials"]) == 5
    values = [t["value"] for t in more["trials"] if t["state"] == "complete"]
    assert more["best"]["value"] == min(values)
    _, said = tune(spec, "--out", folder, "--seed", "1", code=2)
    assert "was started with another value of `--metric`, `--seed`" in said or "`--seed`" in said
    _, said = tune(write(tmp_path, SPEC.replace("8 .. 64", "8 .. 65")), "--out", folder, code=2)
    assert "the spec" in said


def test_values_that_cannot_be_trained_are_failed_trials(tmp_path: Path) -> None:
    text = SPEC.replace("adam(lr=1e-3 in log(1e-5 .. 1e-1))", "sgd(lr=0.1 in [0.1, 1e30])")
    text = text.replace("units=24 in 8 .. 64, act=relu in [relu, tanh]", "units=24 in [24, 25]")
    text = text.replace(
        "Dense(units, activation=act)",
        "Dense(units) -> Reshape((units, 1, 1)) -> GroupNorm(2) -> Flatten",
    )
    found, _ = tune(write(tmp_path, text), "--out", tmp_path / "s", "--trials", "9")
    reasons = {t["reason"] for t in found["trials"] if t["state"] == "failed"}
    assert any("not finite" in reason or "stopped being finite" in reason for reason in reasons)
    assert any(reason.startswith("E0") and "25" in reason for reason in reasons)
    assert found["best"]["settings"]["train.optimizer.lr"] == "0.1"
    assert found["best"]["settings"]["Net.units"] == "24"
    tried = [tuple(trial["settings"].values()) for trial in found["trials"]]
    assert len(set(tried)) == len(tried) == 8  # all there are, though 9 were wanted


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ("validation = 20%", "", 1, "the validation split, which is empty"),
        ("source     = digits()", 'source = image_folder("none")', 3, "none"),
    ],
)
def test_what_no_trial_could_mend(
    tmp_path: Path, old: str, new: str, code: int, words: str
) -> None:
    spec = write(tmp_path, SPEC.replace(old, new).replace("epochs     = 4", "epochs = 1"))
    _, said = tune(spec, "--out", tmp_path / "study", "--trials", "1", code=code)
    assert words in said


def test_wrong_usage(tmp_path: Path) -> None:
    plain = SPEC
    for search in compile_text(SPEC).checked().searches:
        plain = plain.replace(f" in {search.written}", "")
    _, said = tune(write(tmp_path, plain), code=1)
    assert "nothing in the spec has a search range" in said
    _, said = tune(write(tmp_path), "--metric", "f2", "--out", tmp_path / "s", code=2)
    assert "it measures `accuracy`, `loss`" in said
    _, said = tune(write(tmp_path), "--trials", "0", code=2)
    _, said = tune(tmp_path / "missing.dlnet", code=3)


def test_one_at_a_time_in_a_folder(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    folder = tmp_path / "study"
    folder.mkdir()
    with (folder / "study.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _, said = tune(write(tmp_path), "--out", folder, code=3)
    assert "another `dlspec tune` is at work" in said

"""What a run leaves and how it ends: events, the bar, no memory, no room on the disk."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tensorboard")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402
from training_setup import SMALL, log, program, run, run_in_parts  # noqa: E402

from dlspec.training.checkpoint import newest_checkpoint  # noqa: E402

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux limits and mounts")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


# --- TensorBoard -------------------------------------------------------------------------


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard's own reader finds in a folder."""
    events = EventAccumulator(str(folder))
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def test_tensorboard_reads_what_the_log_says(tmp_path: Path) -> None:
    run(program(), tmp_path / "run")
    found = scalars(tmp_path / "run")
    epochs = [entry for entry in log(tmp_path / "run") if entry["kind"] == "epoch"]
    for tag, name in (
        ("train/loss", "loss"),
        ("train/accuracy", "accuracy"),
        ("validation/top_k", "val_top_k"),
        ("run/learning_rate", "learning_rate"),
        ("run/samples_per_second", "samples_per_second"),
        ("run/memory", "memory"),
    ):
        assert found[tag] == [(e["step"], pytest.approx(e[name], rel=1e-6)) for e in epochs], tag
    assert all(entry["memory"] > 1e7 for entry in epochs)


def test_a_resumed_run_has_every_step_once(tmp_path: Path) -> None:
    whole = run(program(), tmp_path / "whole")
    run_in_parts(program(), tmp_path / "run", [10, 25, 5])
    assert len(list((tmp_path / "run").glob("events.out.tfevents.*"))) == 1
    found, expected = scalars(tmp_path / "run"), scalars(tmp_path / "whole")
    for tag in ("train/loss", "validation/accuracy"):
        assert found[tag] == expected[tag]
    assert [step for step, _ in found["train/loss"]] == [e["step"] for e in whole.history]


# --- what is shown -----------------------------------------------------------------------


def test_a_bar_tells_speed_time_and_memory(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dlspec.training.reporting import BarReporter

    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("FORCE_COLOR", "1")
    bar = BarReporter(0, 100, 5)
    bar.step(
        50, 3, {"loss": 0.25, "accuracy": 0.9, "f1": 0.8, "recall": 0.7}, 1234.5, 2_300_000_000
    )
    bar.bar.refresh()
    bar.close()
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    for part in ("epoch 3/5", "50%", "loss 0.2500", "accuracy 90.00%", "1,234 samples/s", "2.3 GB"):
        assert part in text, text
    assert re.search(r"\d+:\d\d|--:--", text), "the time left"


# --- memory ------------------------------------------------------------------------------

WIDE = """
model Wide {
  input image: float[1, 8, 8]
  Conv(256, 3, padding=1, activation=relu) -> Conv(256, 3, padding=1, activation=relu)
  Flatten -> Dense(10)
}
data Digits {
  source     = digits()
  validation = 2%
  test       = 2%
}
train Wide on Digits {
  loss       = cross_entropy
  optimizer  = adam(lr=1e-3)
  batch_size = 1600
  steps      = 1
  precision  = float32
}
"""

LIMITED = """
import resource, sys
import matplotlib.backends.backend_agg, numpy, torch, torch._dynamo
import tensorboard.summary.writer.record_writer
from dlspec.cli.app import dlspec
from dlspec.cli.exits import run_and_exit
torch.set_num_threads(1)
numpy.linalg.inv(numpy.eye(300))  # NumPy's own buffers are there before the limit
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
room = used + int(sys.argv.pop(1)) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (room, room))
run_and_exit(dlspec)
"""


def limited(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command in a process that may take 300 MiB more than it has once all is imported."""
    line = [sys.executable, "-c", LIMITED, "300", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False, env=ENVIRONMENT)


@LINUX
def test_out_of_memory_says_which_batch_size_fits(tmp_path: Path) -> None:
    spec = tmp_path / "wide.dlnet"
    spec.write_text(WIDE)
    line = ("train", spec, "--device", "cpu", "--quiet")
    failed = limited(*line, "--out", tmp_path / "one")
    assert failed.returncode == 3, failed.stderr
    assert "not enough memory (CPU) for batches of 1,600" in failed.stderr
    found = re.search(r"`--set train\.batch_size=(\d+)`", failed.stderr)
    assert found is not None and 8 <= int(found[1]) < 1600
    fits = limited(*line, "--out", tmp_path / "two", "--set", f"train.batch_size={found[1]}")
    assert fits.returncode == 0, fits.stderr


@LINUX
def test_a_model_without_room_for_one_example_is_told(tmp_path: Path) -> None:
    spec = tmp_path / "wide.dlnet"
    spec.write_text(WIDE.replace("Flatten -> Dense(10)", "Flatten -> Dense(2000) -> Dense(10)"))
    failed = limited("train", spec, "--device", "cpu", "--quiet", "--out", tmp_path / "one")
    assert failed.returncode == 3, failed.stderr
    assert "not enough memory" in failed.stderr
    assert "Traceback" not in failed.stderr and "failed:" not in failed.stderr


# --- a full disk -------------------------------------------------------------------------


@LINUX
def test_a_full_disk_loses_no_checkpoint(tmp_path: Path) -> None:
    """On a file system of its own, with room for two checkpoints and not for three."""
    spec, disk = tmp_path / "small.dlnet", tmp_path / "disk"
    spec.write_text(
        SMALL.replace("Dense(classes", "Dense(400) -> Dense(classes").replace("= 3", "= 2")
    )
    disk.mkdir()
    script = """
mount -t tmpfs -o size=1500k tmpfs "$2" || exit 99
"$0" -m dlspec train "$1" --out "$2/run" --checkpoint-every 0 --quiet --device cpu
echo "code $?"
cp -r "$2/run" "$3"
mount -o remount,size=64m "$2" || exit 99
"$0" -m dlspec train --resume "$2/run" --quiet --device cpu
echo "code $?"
cp -r "$2/run" "$4"
"""
    full, after = tmp_path / "full", tmp_path / "after"
    line = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
    places = [sys.executable, str(spec), str(disk), str(full), str(after)]
    done = subprocess.run(
        [*line, *places], capture_output=True, text=True, check=False, env=ENVIRONMENT
    )
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()[:200]}")
    assert re.findall(r"code (\d+)", done.stdout) == ["3", "0"], done.stdout + done.stderr
    assert "No space left on device; the checkpoint saved last is whole" in done.stderr
    assert f"dlspec train --resume {disk}/run" in done.stderr
    found = newest_checkpoint(full / "checkpoints")
    assert found is not None and not found.refused and found.checkpoint.facts["step"] == 2
    assert not list(full.rglob("*.partial"))
    whole = tmp_path / "whole"
    command = [sys.executable, "-m", "dlspec", "train", str(spec), "--out", str(whole), "--quiet"]
    subprocess.run([*command, "--device", "cpu"], check=False, env=ENVIRONMENT, capture_output=True)
    assert same_end(after, whole)


def same_end(one: Path, other: Path) -> bool:
    first, second = (newest_checkpoint(folder / "checkpoints") for folder in (one, other))
    assert first is not None and second is not None
    tensors: dict[str, Any] = second.checkpoint.tensors
    return json.loads((one / "run.json").read_text())["finished"] and all(
        torch.equal(tensor, tensors[name]) for name, tensor in first.checkpoint.tensors.items()
    )

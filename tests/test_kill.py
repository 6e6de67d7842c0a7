"""Real runs, killed at random moments and resumed, end in the same bits as unbroken ones."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from training_setup import SMALL  # noqa: E402

from dlspec.training.checkpoint import newest_checkpoint  # noqa: E402

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
EPOCHS = "epochs     = 3"


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "dlspec", "train", *map(str, arguments)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=300)
    return process.returncode, out + err


def newest_name(folder: Path) -> str:
    return max((path.name for path in (folder / "checkpoints").glob("step-*.json")), default="")


def partial_files(folder: Path) -> list[Path]:
    return list((folder / "checkpoints").glob("*.partial"))


def kill_once(
    process: subprocess.Popen[str],
    folder: Path,
    delay: float,
    number: int,
    *,
    in_write: bool = False,
) -> None:
    """Send a signal `delay` seconds after the process has saved a checkpoint of its own.

    in_write: wait on until it writes another.
    """
    before = newest_name(folder)
    limit = time.monotonic() + 120
    while newest_name(folder) <= before:
        assert process.poll() is None, finish(process)
        assert time.monotonic() < limit, "no checkpoint in two minutes"
        time.sleep(0.005)
    time.sleep(delay)
    while in_write and process.poll() is None and not partial_files(folder):
        pass  # a write is over in milliseconds, so that sleeping would miss it
    assert process.poll() is None, "the run was over before it was killed"
    process.send_signal(number)


def unbroken(tmp_path: Path, epochs: int) -> Path:
    spec = tmp_path / "small.dlnet"
    spec.write_text(SMALL.replace(EPOCHS, f"epochs = {epochs}"))
    code, text = finish(start(spec, "--out", tmp_path / "whole", "--quiet"))
    assert code == 0, text
    return spec


def same_end(one: Path, other: Path) -> None:
    first, second = (newest_checkpoint(folder / "checkpoints") for folder in (one, other))
    assert first is not None and second is not None
    assert first.checkpoint.facts["step"] == second.checkpoint.facts["step"]
    tensors = second.checkpoint.tensors
    assert first.checkpoint.tensors.keys() == tensors.keys()
    for name, tensor in first.checkpoint.tensors.items():
        assert torch.equal(tensor, tensors[name]), name
    assert (one / "best.safetensors").read_bytes() == (other / "best.safetensors").read_bytes()


def kill_and_resume(tmp_path: Path, kills: int, epochs: int, longest: float) -> int:
    """How many of the kills hit a write in the middle."""
    spec, folder = unbroken(tmp_path, epochs), tmp_path / "killed"
    chance, torn = random.Random(kills), 0
    process = start(spec, "--out", folder, "--checkpoint-every", "0", "--quiet")
    for turn in range(kills):  # every other one aims at a write
        delay = chance.uniform(0, longest)
        kill_once(process, folder, delay, signal.SIGKILL, in_write=turn % 2 == 1)
        code, text = finish(process)
        assert code == -signal.SIGKILL, text
        torn += bool(list(folder.rglob("*.partial")))
        process = start("--resume", folder, "--checkpoint-every", "0", "--quiet")
    code, text = finish(process)
    assert code == 0, text
    assert not list(folder.rglob("*.partial"))
    same_end(tmp_path / "whole", folder)
    return torn


def test_killed_three_times(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, kills=3, epochs=8, longest=0.25)


@pytest.mark.slow
def test_killed_fifty_times(tmp_path: Path) -> None:
    torn = kill_and_resume(tmp_path, kills=50, epochs=750, longest=0.4)
    print(f"{torn} of 50 kills hit a write in the middle")
    assert torn >= 8, "the kills must hit writes too"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_says_how_to_go_on(tmp_path: Path, number: int) -> None:
    spec, folder = tmp_path / "small.dlnet", tmp_path / "run"
    spec.write_text(SMALL.replace(EPOCHS, "epochs = 500"))
    process = start(spec, "--out", folder)
    kill_once(process, folder, 0.1, number)
    code, text = finish(process)
    assert code == 130, text
    assert "Traceback" not in text
    found = newest_checkpoint(folder / "checkpoints")
    assert found is not None
    assert f"stopped after step {found.checkpoint.facts['step']:,}" in text
    assert f"dlspec train --resume {folder}" in text

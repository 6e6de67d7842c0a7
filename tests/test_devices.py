"""Training in several processes against one process: the same result, in the same files."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from test_steps import GAN, WGAN  # noqa: E402
from training_setup import SMALL, log, program, run, weights  # noqa: E402

from dlspec.training.checkpoint import newest_checkpoint  # noqa: E402
from dlspec.training.distributed import World, share_of  # noqa: E402
from dlspec.training.distributed_plan import check_spread  # noqa: E402
from dlspec.training.problems import SpecProblem  # noqa: E402

TESTS = Path(__file__).parent
ENVIRONMENT = {
    **{k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")},
    "OMP_NUM_THREADS": "1",
    "NO_COLOR": "1",
    "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
}

# BatchNorm, dropout, augmentation and class weights; 157 examples are shared unevenly, and the
# last of the nine batches has two, which is fewer than four processes.
EVERYTHING = """
model Small(classes=10) {
  input image: float[1, 8, 8]
  Conv(6, 3, padding=1, bias=false) -> BatchNorm -> ReLU -> SpatialDropout(0.2) -> MaxPool(2)
  it + (Conv(6, 3, padding=1) -> DropPath(0.3) -> GaussianNoise(0.1))
  Flatten -> Dense(16) -> Dropout(0.1) -> Dense(classes, activation=softmax)
}
data Digits {
  source     = digits()
  augment    = RandomCrop(8, padding=1)
  validation = 10%
  test       = 20%
}
train Small on Digits {
  loss       = cross_entropy(class_weights=[1, 2, 3, 4, 5, 1, 2, 3, 4, 5], label_smoothing=0.1)
  optimizer  = sgd(lr=0.02, momentum=0.9)
  schedule   = one_cycle
  batch_size = 157
  accumulate = 2
  ema        = 0.9
  epochs     = 2
  metrics    = [accuracy, top_k(2)]
  precision  = float32
}
"""
BLOCKS = """
block Residual(width) {
  it + (Dense(width) -> ReLU -> Dense(width))
}
model Deep {
  input image: float[1, 8, 8]
  Flatten -> Dense(32)
  repeat 3 { Residual(32) -> ReLU }
  auxiliary early = it -> Dense(10)
  output logits = it -> Dense(10)
}
data Digits {
  source     = digits()
  validation = 10%
}
train Deep on Digits {
  minimize cross_entropy(logits, label) + 0.3 * cross_entropy(early, label)
  optimizer     = adam(lr=1e-3)
  batch_size    = 50
  steps         = 24
  precision     = float32
  gradient_clip = 0.5
  metrics       = [accuracy]
}
"""
NUMBERS = """
model Line {
  input number: float[1]
  Dense(4) -> ReLU -> Dense(1)
}
data Table {
  source     = npz("table.npz")
  validation = 10%
}
train Line on Table {
  loss       = mse
  optimizer  = sgd(lr=0.01)
  batch_size = 30
  epochs     = 2
  precision  = float32
  metrics    = [mae]
}
"""
OUT_OF_REACH = """
model Reader {
  input image: float[1, 8, 8]
  Reshape((8, 8)) -> LSTM(8, layers=2, dropout=0.2) -> Attention(2, dropout=0.2)
  Flatten -> Dense(10)
}
data Digits { source = digits() }
train Reader on Digits {
  loss       = cross_entropy
  optimizer  = sgd(lr=0.1)
  batch_size = 64
  steps      = 6
  precision  = float32
}
"""


# --- in one process ------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("total", [1, 2, 7, 8, 64, 157])
def test_shares_are_the_batch(size: int, total: int) -> None:
    shares = [share_of(rank, size, total) for rank in range(size)]
    counted = [n for s in shares for n in range(total)[s.rows][: s.counted]]
    assert counted == list(range(total))
    assert all(share.held >= 1 for share in shares)
    assert sum(share.scale for share in shares) == pytest.approx(size)
    assert max(s.counted for s in shares) - min(s.counted for s in shares) <= 1


class Two(World):
    size = 2


@pytest.mark.parametrize(
    ("objective", "reason"),
    [
        ("mse(copy, image) + 0.5 * mae(copy, image) - 1", None),
        ("mean(square(copy - image)) + huber(copy, image) * 2", None),
        ("sqrt(mse(copy, image))", "`Sqrt` of a loss"),
        ("mse(copy, image) * mae(copy, image)", "`Multiply` of a loss"),
        ("mse(copy, shuffle(image))", "`shuffle`"),
    ],
)
def test_what_is_no_mean_is_refused(objective: str, reason: str | None) -> None:
    made = program(
        """
model Autoencoder {
  input image: float[1, 8, 8]
  output copy = it -> Flatten -> Dense(64) -> Reshape((1, 8, 8))
}
data Digits { source = digits() }
train Autoencoder on Digits {
  minimize OBJECTIVE
  optimizer = adam
  epochs = 1
}
""".replace("OBJECTIVE", objective)
    )
    if reason is None:
        check_spread(made, made.trains[0], Two(), sharded=False)
        return
    with pytest.raises(SpecProblem, match=reason):
        check_spread(made, made.trains[0], Two(), sharded=False)


def test_one_process_has_nothing_to_shard() -> None:
    made = program()
    with pytest.raises(SpecProblem, match="--devices 2"):
        check_spread(made, made.trains[0], World(), sharded=True)
    with pytest.raises(SpecProblem, match="batch_size = 1"):
        small = made.trains[0].model_copy(update={"batch_size": 1})
        check_spread(made, small, Two(), sharded=False)


# --- in two and in four --------------------------------------------------------------------


def table(folder: Path) -> None:
    """Examples that are their own numbers, 1 to 200."""
    number = np.arange(1, 201, dtype="float32")[:, None]
    np.savez(folder / "table.npz", number=number, target=0.01 * number)


def in_processes(size: int, wanted: list[dict[str, Any]], folder: Path) -> None:
    """Carry out runs in a group of processes that this one starts."""
    listed = folder / f"list-{size}.json"
    listed.write_text(json.dumps(wanted))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size)}
    processes = [
        subprocess.Popen(
            [sys.executable, str(TESTS / "devices_worker.py"), str(listed)],
            env={**ENVIRONMENT, **place, "RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    said = [process.communicate(timeout=240)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * size, "\n".join(said)


SPECS = {"everything": EVERYTHING, "blocks": BLOCKS, "gan": GAN, "wgan": WGAN, "numbers": NUMBERS}

TOGETHER = [*((name, 2) for name in SPECS), ("everything", 4), ("wgan", 4), ("numbers", 4)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every spec in one process, in two and in four: `NAME-1`, `NAME-2` and `NAME-4`."""
    folder = tmp_path_factory.mktemp("devices")
    table(folder)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    for name, spec in SPECS.items():
        run(program(spec), folder / f"{name}-1", None, data_root=folder)
    for size in (2, 4):
        common = {"root": str(folder)}
        wanted: list[dict[str, Any]] = [
            {**common, "spec": SPECS[name], "folder": str(folder / f"{name}-{size}")}
            for name, size_wanted in TOGETHER
            if size_wanted == size
        ]
        (folder / f"seen-{size}").mkdir()
        wanted[-1]["record"] = str(folder / f"seen-{size}")
        stopped = {"spec": EVERYTHING, "folder": str(folder / f"stopped-{size}")}
        wanted += [{**stopped, "stop": 3}, {**stopped, "resume": True}]
        if size == 2:
            drawn = {"spec": OUT_OF_REACH, "folder": str(folder / "drawn-2")}
            wanted += [{**drawn, "stop": 3}, {**drawn, "resume": True}]
            wanted += [{**drawn, "folder": str(folder / "undisturbed-2")}]
            shard = {"spec": BLOCKS, "shard": True}
            wanted += [
                {**shard, "folder": str(folder / "shard-2")},
                {**shard, "folder": str(folder / "sharded"), "stop": 8},
                {"spec": EVERYTHING, "folder": str(folder / "moved"), "stop": 3},
            ]
        else:
            wanted += [
                {**shard, "folder": str(folder / "sharded"), "resume": True, "stop": 8},
                {"spec": EVERYTHING, "folder": str(folder / "moved"), "resume": True, "stop": 3},
            ]
        in_processes(size, wanted, folder)
    torch.set_num_threads(before)
    return folder


def close(one: Path, other: Path, tolerance: float = 2e-5) -> None:
    """The same weights, and the same figures of every epoch, within tolerance."""
    expected, got = weights(one), weights(other)
    assert expected.keys() == got.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(got[name], weight, rtol=1e-4, atol=tolerance, msg=name)
    others = ("seconds", "samples_per_second", "memory", "kind")
    epochs = [
        [{k: v for k, v in e.items() if k not in others} for e in log(f) if e["kind"] == "epoch"]
        for f in (one, other)
    ]
    assert len(epochs[0]) == len(epochs[1]) > 0
    for first, second in zip(*epochs, strict=True):
        assert second == pytest.approx(first, rel=1e-4, abs=1e-5)
    tests = [json.loads((f / "run.json").read_text())["test"] for f in (one, other)]
    if tests[0] is not None:
        assert tests[1]["examples"] == tests[0]["examples"]
        assert tests[1]["metrics"] == pytest.approx(tests[0]["metrics"], rel=1e-4)


@pytest.mark.parametrize(("name", "size"), TOGETHER)
def test_the_result_is_that_of_one_process(name: str, size: int, runs: Path) -> None:
    close(runs / f"{name}-1", runs / f"{name}-{size}")
    states = [newest_checkpoint(runs / f"{name}-{n}" / "checkpoints") for n in (1, size)]
    assert states[0] is not None and states[1] is not None
    first, second = (found.checkpoint.tensors["random.cpu"] for found in states)
    assert torch.equal(first, second), "the same random numbers have been drawn"


@pytest.mark.parametrize("size", [2, 4])
def test_every_example_counts_once_an_epoch(size: int, runs: Path) -> None:
    recorded = [
        json.loads((runs / f"seen-{size}" / f"{rank}.json").read_text())["seen"]
        for rank in range(size)
    ]
    made = program(NUMBERS)
    whole = [[n for seen in recorded for n in seen[step]] for step in range(len(recorded[0]))]
    # Two batches to get ready come before the first, which has the same examples.
    assert sorted(whole[0]) == sorted(whole[1]) == sorted(whole[2])
    epochs = made.trains[0].epochs
    assert len(whole) == 2 + 6 * (epochs or 0)
    first, second = ([n for step in whole[a : a + 6] for n in step] for a in (2, 8))
    assert len(first) == len(set(first)) == len(second) == len(set(second)) == 180
    assert set(first) == set(second) and first != second


@pytest.mark.parametrize(
    ("broken", "whole", "size"),
    [("stopped", "everything", 2), ("stopped", "everything", 4), ("drawn", "undisturbed", 2)],
)
def test_stopped_within_an_epoch_the_bits_are_the_same(
    broken: str, whole: str, size: int, runs: Path
) -> None:
    expected, got = (weights(runs / f"{name}-{size}") for name in (whole, broken))
    for name, weight in expected.items():
        assert torch.equal(got[name], weight), name


def test_sharded_weights_train_alike(runs: Path) -> None:
    close(runs / "blocks-1", runs / "shard-2")


@pytest.mark.parametrize(
    ("name", "spec", "whole"),
    [("moved", EVERYTHING, "everything-1"), ("sharded", BLOCKS, "blocks-1")],
)
def test_two_begin_four_go_on_one_ends(name: str, spec: str, whole: str, runs: Path) -> None:
    found = newest_checkpoint(runs / name / "checkpoints")
    assert found is not None and found.checkpoint.facts["machine"]["processes"] == 4
    run(program(spec), runs / name, None, resume=True)
    close(runs / whole, runs / name)


# --- the command ---------------------------------------------------------------------------


def start(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)],
        env={**ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def train(*arguments: str | Path) -> tuple[int, str, str]:
    process = start("dlspec", "train", "--device", "cpu", *arguments)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def spec(folder: Path, epochs: int = 2) -> Path:
    path = folder / "small.dlnet"
    path.write_text(SMALL.replace("epochs     = 3", f"epochs = {epochs}"))
    return path


def member(parent: int, rank: int) -> int:
    """The process of that rank among the children of another."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for child in children:
        variables = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        if f"RANK={rank}".encode() in variables:
            return int(child)
    raise AssertionError(f"no process {rank} among {children}")


def wait_for_checkpoint(process: subprocess.Popen[str], folder: Path) -> None:
    limit = time.monotonic() + 60
    while not list(folder.glob("checkpoints/step-*[1-9]*.json")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.02)


linux = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks into /proc")


@linux
def test_a_killed_process_ends_all_and_the_run_goes_on(tmp_path: Path) -> None:
    file, folder = spec(tmp_path, 30), tmp_path / "run"
    process = start(
        *("dlspec", "train", file, "--out", folder, "--device", "cpu", "--devices", "2"),
        *("--checkpoint-every", "0"),
    )
    wait_for_checkpoint(process, folder)
    os.kill(member(process.pid, 1), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert "process 1 of 2 was ended by SIGKILL" in err and err.count("Error:") == 1
    assert "Traceback" not in err
    again = f"dlspec train --resume {folder} --devices 2"
    assert again in err
    code, out, err = train("--resume", folder, "--devices", "2", "--format", "json")
    assert code == 0, err
    assert "going on after step" in err
    assert json.loads(out)["run"] == str(folder), "one process writes the result"
    epochs = [line["epoch"] for line in log(folder) if line["kind"] == "epoch"]
    assert epochs == list(range(1, 31)), "one process writes the log"


@linux
@pytest.mark.parametrize("whom", ["the command", pytest.param("a process", marks=pytest.mark.slow)])
def test_a_signal_saves_in_all_and_says_so_once(whom: str, tmp_path: Path) -> None:
    file, folder = spec(tmp_path, 500), tmp_path / "run"
    process = start(
        *("dlspec", "train", file, "--out", folder, "--device", "cpu", "--devices", "2")
    )
    wait_for_checkpoint(process, folder)
    parent = process.pid
    os.kill(parent if whom == "the command" else member(parent, 1), signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    found = newest_checkpoint(folder / "checkpoints")
    assert found is not None
    said = f"stopped after step {found.checkpoint.facts['step']:,}, checkpoint saved"
    assert err.count("Error:") == 1 and said in err
    assert f"dlspec train --resume {folder} --devices 2" in err


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--set", "train.batch_size=1"), 1, "`batch_size = 1`"),
        (("--set", "train.optimizer.lr=1e38"), 1, "not finite at step"),
        pytest.param(("--data", "npz:nowhere.npz"), 3, "nowhere.npz", marks=pytest.mark.slow),
        (("--set", "train.nothing=1"), 1, "E0501"),
    ],
)
def test_a_mistake_is_said_once(
    arguments: tuple[str, ...], code: int, text: str, tmp_path: Path
) -> None:
    got, out, err = train(spec(tmp_path), "--out", tmp_path / "run", "--devices", "2", *arguments)
    assert got == code, err
    assert err.count(text) == 1 and not out and "Traceback" not in err


def test_a_promise_that_does_not_hold_is_said_once(tmp_path: Path) -> None:
    """With a first convolution as a product, whose gradients lie otherwise than DDP expects."""
    file = tmp_path / "promise.dlnet"
    file.write_text(
        """
model Small {
  input image: float[1, 8, 8]
  Conv(8, 3, activation=relu) -> Flatten -> Dense(10)
}
data Digits {
  source = digits()
  test   = 20%
}
train Small on Digits {
  loss       = cross_entropy
  optimizer  = sgd(lr=1e-4)
  batch_size = 100
  steps      = 2
  precision  = bf16
  metrics    = [accuracy]
  require accuracy >= 99%
}
"""
    )
    got, out, err = train(file, "--out", tmp_path / "run", "--devices", "2")
    assert got == 1 and err.count("does not hold") == 1, err
    assert "Warning" not in err and "in process" not in err
    assert out.count("test split") == 1


@pytest.mark.parametrize("seconds", ["soon", "nan", "0"])
def test_patience_is_a_number_of_seconds(seconds: str, tmp_path: Path) -> None:
    process = start(
        *("dlspec", "train", "--device", "cpu", "--devices", "2", spec(tmp_path)),
        DLSPEC_PATIENCE=seconds,
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "Traceback" not in err
    assert err.count(f"`DLSPEC_PATIENCE` is {seconds!r}") == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_more_devices_than_there_are(tmp_path: Path) -> None:
    file = spec(tmp_path)
    process = start("dlspec", "train", file, "--gpu", "--devices", "2", "--out", tmp_path / "run")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3 and err.count("no GPU") == 1


TORCHRUN = ("torch.distributed.run", "--nproc-per-node", "2", "-m", "dlspec", "train")


@linux
def test_torchrun_and_a_killed_process(tmp_path: Path) -> None:
    file, folder = spec(tmp_path, 500), tmp_path / "run"
    process = start(*TORCHRUN, file, "--out", folder, "--device", "cpu")
    wait_for_checkpoint(process, folder)
    os.kill(member(process.pid, 0), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    (said,) = (line for line in err.splitlines() if line.startswith("Error:"))
    assert "process 0 of 2 is gone" in said and f"dlspec train --resume {folder}" in said

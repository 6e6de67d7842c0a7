"""How steps are computed: compiled steps beside eager ones, the choice, and going on with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from training_setup import SMALL, program, run, stopped_run, weights  # noqa: E402

from dlspec.training import speed as speeds  # noqa: E402
from dlspec.training.checkpoint import newest_checkpoint  # noqa: E402
from dlspec.training.compiling import reason  # noqa: E402
from dlspec.training.loop import take_step  # noqa: E402
from dlspec.training.preparing import prepare_training  # noqa: E402
from dlspec.training.problems import MachineProblem  # noqa: E402
from dlspec.training.settings import TrainOptions  # noqa: E402
from dlspec.training.state import capture  # noqa: E402
from dlspec.training.training import Training  # noqa: E402
from dlspec.training.trying import CannotCompute, trials  # noqa: E402

COMPILER = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "c++", "clang++"))),
    reason="no C++ compiler, which `torch.compile` needs for a processor",
)


@pytest.fixture(autouse=True, scope="module")
def one_thread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The same bits everywhere, and a cache of compiled code that these tests alone use."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("compiled")))
        yield
    torch.set_num_threads(before)


def facts(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text())


def prepared(folder: Path, **options: Any) -> Training:
    made = program()
    chosen = TrainOptions(folder, device="cpu", show="nothing", **options)
    return prepare_training(made, made.trains[0], chosen)


# --- compiled steps ----------------------------------------------------------------------


@COMPILER
def test_compiled_steps_give_the_losses_and_weight_names_of_eager_ones(tmp_path: Path) -> None:
    eager = run(program(), tmp_path / "eager", None, speed="eager")
    compiled = run(program(), tmp_path / "compiled", None, speed="compile")
    for one, other in zip(eager.history, compiled.history, strict=True):
        for name in ("loss", "val_loss", "accuracy"):
            assert other[name] == pytest.approx(one[name], rel=1e-3), name
    before, now = weights(tmp_path / "eager"), weights(tmp_path / "compiled")
    assert now.keys() == before.keys()
    assert any(not torch.equal(before[name], now[name]) for name in now), "it was not compiled"
    assert facts(tmp_path / "compiled")["machine"]["speed"] == "compile"
    assert facts(tmp_path / "eager")["machine"]["speed"] == "eager"


@COMPILER
def test_a_resumed_run_takes_the_recorded_choice_from_its_step_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where it goes on from before that step; at the end its bits are those of a whole run."""
    with monkeypatch.context() as patch:
        patch.setitem(speeds.WORTHWHILE, "cpu", 0.0)
        patch.setattr(speeds, "MARGIN", 0.0)  # whatever is not eager is faster
        run(program(), tmp_path / "whole", None)
        stopped_run(program(), tmp_path / "run", 10, None)
        stopped_run(program(), tmp_path / "run", 15, None, resume=True)
    chosen = facts(tmp_path / "run")["speed"]
    assert (chosen["kind"], chosen["since"]) == ("compile", 20)
    assert chosen["seconds"].keys() == {"eager", "compile"}
    newest = newest_checkpoint(tmp_path / "run" / "checkpoints")
    assert newest is not None and newest.checkpoint.facts["machine"]["speed"] == "compile"
    for file in (tmp_path / "run" / "checkpoints").glob(f"{newest.name}*"):
        file.unlink()
    monkeypatch.setattr(speeds, "choose_fastest", None)  # nothing is measured again
    capsys.readouterr()
    run(program(), tmp_path / "run", None, resume=True, show="auto")
    told = capsys.readouterr().err
    assert "compiled (as the run began)" in told and "bit for bit" not in told
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "run")
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())
    assert facts(tmp_path / "run")["speed"]["since"] == 20


def test_another_way_than_the_recorded_one_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped_run(program(), tmp_path / "run", 25, None, speed="eager")
    path = tmp_path / "run" / "run.json"
    described = facts(tmp_path / "run")
    described["speed"]["kind"] = "graphs"  # as on a GPU, which this test does without
    path.write_text(json.dumps(described))
    run(program(), tmp_path / "run", None, resume=True, show="auto", device="cpu")
    told = capsys.readouterr().err
    assert "eager (`graphs` is not possible here: CUDA graphs need an NVIDIA GPU)" in told


# --- the choice --------------------------------------------------------------------------


@COMPILER
def test_the_fastest_is_chosen_on_copies(tmp_path: Path) -> None:
    training, told = prepared(tmp_path / "run"), list[str]()
    for _ in range(3):
        take_step(training)
    before = capture(training.state, {})
    speeds.choose_fastest(training, told.append)
    after = capture(training.state, {})
    assert all(torch.equal(tensor, after.tensors[n]) for n, tensor in before.tensors.items())
    assert after.facts == before.facts and after.tensors.keys() == before.tensors.keys()
    seconds = training.facts["speed"]["seconds"]
    faster = seconds["compile"] * speeds.MARGIN <= seconds["eager"]
    assert training.speed.kind == ("compile" if faster else "eager")
    assert (training.computing.compiled is not None) == faster
    assert "measured, a step: eager" in told[-1]


def test_a_compiler_that_computes_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = prepared(tmp_path / "run")
    plain = training.objective.function(training.plan.each_batch[0])

    def wrong(*given: Any) -> Any:
        loss, *others = plain(*given)
        return (loss * 1.5, *others)

    monkeypatch.setattr(torch, "compile", lambda function, **_: wrong)
    with trials(training) as trial, pytest.raises(CannotCompute, match="it computes the loss"):
        trial.add("compile")


def test_a_layer_that_cannot_be_compiled_leaves_the_run_eager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = program(SMALL.replace("Flatten ->", "Reshape((24, 4)) -> LSTM(8) -> Flatten ->"))
    monkeypatch.setitem(speeds.WORTHWHILE, "cpu", 0.0)
    run(made, tmp_path / "run", None, show="auto")
    told = capsys.readouterr().err
    assert "`compile` is not possible here: " in told and "LSTM" in told
    assert "steps are computed eager (nothing else is possible)" in told
    with pytest.raises(MachineProblem, match=r"`--speed compile` is not possible here: .*LSTM"):
        run(made, tmp_path / "ordered", None, speed="compile")


def test_short_runs_stay_eager(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(program(), tmp_path / "one", None, show="auto")
    assert "s are left, compiling is tried from 600 s on" in capsys.readouterr().err
    run(program(train__epochs="1", train__batch_size="128"), tmp_path / "two", None, show="auto")
    assert "steps are too few to measure" in capsys.readouterr().err
    assert facts(tmp_path / "two")["machine"]["speed"] == "eager"


def test_cuda_graphs_need_a_gpu(tmp_path: Path) -> None:
    with pytest.raises(MachineProblem, match=r"`--speed graphs` .* CUDA graphs need") as caught:
        run(program(), tmp_path / "run", None, speed="graphs", device="cpu")
    assert caught.value.exit_code == 3


def test_no_compiler_is_an_error_where_one_is_asked_for(tmp_path: Path) -> None:
    spec = tmp_path / "small.dlnet"
    spec.write_text(SMALL)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CXX": "/no/compiler"}
    environment["TORCHINDUCTOR_CACHE_DIR"] = str(tmp_path / "cache")
    command = [sys.executable, "-m", "dlspec", "train", str(spec), "--out", str(tmp_path / "run")]
    done = subprocess.run(
        [*command, "--device", "cpu", "--speed", "compile"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "`--speed compile` is not possible here: " in done.stderr
    assert "No working C++ compiler found" in done.stderr and "Traceback" not in done.stderr


def test_what_a_compiler_says_becomes_a_clause() -> None:
    error = RuntimeError("backend='inductor' raised:\nCppCompileError: no such thing.\n\nmore")
    assert reason(error) == "CppCompileError: no such thing"
    error = RuntimeError("Graph break\n  Explanation: `x` is not supported.\n  Hint: none")
    assert reason(error) == "Graph break: `x` is not supported"
    assert reason(RuntimeError()) == "RuntimeError"

"""Training in steps: several models, several losses, against loops written by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from training_setup import log, program, run, run_in_parts, weights

from dlspec.backends.torch import emit, emit_functions, emit_module, load_functions
from dlspec.backends.torch.loading import load_module
from dlspec.data import load
from dlspec.ir.graph import Program
from dlspec.pipeline import compile_file, compile_text
from dlspec.training.order import epoch_order
from dlspec.training.reopening import evaluate, reopen

MODELS = """
model Maker {
  input noise: float[6]
  Dense(32, bias=false) -> BatchNorm -> ReLU -> Dense(64, activation=sigmoid) -> Reshape((1, 8, 8))
}
model Judge {
  input image: float[1, 8, 8]
  Flatten -> Dense(24) -> LeakyReLU(0.2) -> Dense(1, activation=sigmoid)
}
data Digits { source = digits() }
"""
GAN = (
    MODELS
    + """
train Maker, Judge on Digits {
  optimizer  = adam(lr=2e-3, betas=(0.5, 0.999))
  batch_size = 64
  steps      = 9
  precision  = float32
  step judge updates Judge {
    fake = normal(6) -> Maker -> StopGradient
    minimize binary_cross_entropy(image -> Judge, 1) + binary_cross_entropy(fake -> Judge, 0)
  }
  step maker updates Maker {
    optimizer     = sgd(lr=0.05, momentum=0.9)
    gradient_clip = 0.5
    minimize binary_cross_entropy(normal(6) -> Maker -> Judge, 1)
  }
}
"""
)
WGAN = (
    MODELS.replace("Dense(1, activation=sigmoid)", "Dense(1)")
    + """
train Maker, Judge on Digits {
  optimizer  = adam(lr=1e-3)
  batch_size = 64
  steps      = 7
  precision  = float32
  step judge updates Judge {
    fake = uniform(6) -> Maker
    minimize mean(fake -> Judge) - mean(image -> Judge) + 10 * gradient_penalty(Judge, image, fake)
  }
  step maker updates Maker every 3 {
    minimize -mean(normal(6) -> Maker -> Judge)
  }
}
"""
)


def _models(made: Program) -> list[nn.Module]:
    torch.manual_seed(0)
    return [load_module(emit_module(made, key))() for key in made.trains[0].models]


def _batches(count: int) -> list[torch.Tensor]:
    from dlspec.data.sources import digits_file

    images = torch.from_numpy(np.load(digits_file())["image"]).float() / 255
    order = epoch_order(len(images), 0, 0)
    return [images[order[i * 64 : (i + 1) * 64]] for i in range(count)]


def _compare(folder: Path, models: dict[str, nn.Module]) -> None:
    got = weights(folder)
    for name, model in models.items():
        for path, tensor in model.state_dict().items():
            torch.testing.assert_close(got[f"model.{name}.{path}"], tensor, rtol=1e-4, atol=1e-6)


def test_a_gan_is_trained_as_by_hand(tmp_path: Path) -> None:
    made = program(GAN)
    run(made, tmp_path / "run", None)
    maker, judge = _models(made)
    judged = torch.optim.Adam(judge.parameters(), lr=2e-3, betas=(0.5, 0.999))
    making = torch.optim.SGD(maker.parameters(), lr=0.05, momentum=0.9)
    bce = nn.BCELoss()
    for image in _batches(9):
        fake = maker(torch.randn(64, 6)).detach()
        loss = bce(judge(image), torch.ones(64, 1)) + bce(judge(fake), torch.zeros(64, 1))
        judged.zero_grad()
        loss.backward()
        judged.step()
        loss = bce(judge(maker(torch.randn(64, 6))), torch.ones(64, 1))
        making.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(maker.parameters(), 0.5)
        making.step()
    _compare(tmp_path / "run", {"maker": maker, "judge": judge})


def test_a_penalised_critic_is_trained_as_by_hand(tmp_path: Path) -> None:
    made = program(WGAN)
    run(made, tmp_path / "run", None)
    maker, judge = _models(made)
    judged = torch.optim.Adam(judge.parameters(), lr=1e-3)
    making = torch.optim.Adam(maker.parameters(), lr=1e-3)
    for number, image in enumerate(_batches(7)):
        fake = maker(torch.rand(64, 6)).detach()
        distance = judge(fake).mean() - judge(image).mean()
        share = torch.rand(64, 1, 1, 1)
        between = (fake + share * (image - fake)).requires_grad_()
        (slope,) = torch.autograd.grad(judge(between).sum(), between, create_graph=True)
        penalty = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        judged.zero_grad()
        (distance + 10 * penalty).backward()
        judged.step()
        if number % 3 == 0:
            making.zero_grad()
            (-judge(maker(torch.randn(64, 6))).mean()).backward()
            making.step()
    _compare(tmp_path / "run", {"maker": maker, "judge": judge})


@pytest.mark.parametrize("text", [GAN, WGAN])
def test_parts_of_a_run_end_as_the_whole(text: str, tmp_path: Path) -> None:
    made = program(text)
    whole = run(made, tmp_path / "whole", None)
    parts = run_in_parts(made, tmp_path / "parts", [2, 3], None)
    first, second = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(first[name], second[name]) for name in first)
    names = ("judge", "maker")
    assert [h[n] for h in whole.history for n in names] == [
        h[n] for h in parts.history for n in names
    ]


def test_the_log_has_the_loss_of_every_step(tmp_path: Path) -> None:
    run(program(GAN, train__steps="40"), tmp_path / "run", None)
    epochs = [entry for entry in log(tmp_path / "run") if entry["kind"] == "epoch"]
    assert [entry["epoch"] for entry in epochs] == [1, 2]
    assert all(entry["judge"] > 0 and entry["maker"] > 0 for entry in epochs)
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("text", [GAN, WGAN])
def test_the_emitted_program_has_the_same_losses(text: str, tmp_path: Path) -> None:
    made = program(text)
    source = emit(made, made.trains[0].model, made.trains[0])
    space: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(source, "emitted", "exec"), space)
    torch.manual_seed(0)
    models = [space["Maker"](), space["Judge"]()]
    from dlspec.data.sources import digits_file

    data = {"image": torch.from_numpy(np.load(digits_file())["image"])}
    losses = space["train"](*models, {"train": data})
    run(made, tmp_path / "run", None, channels_last=False)
    entry = log(tmp_path / "run")[-1]
    for name, values in losses.items():
        assert entry[name] == pytest.approx(sum(values) / len(values), rel=1e-4)


def test_the_resolved_spec_gives_the_same_program() -> None:
    for text in (GAN, WGAN, AUXILIARY):
        made = compile_text(text)
        again = compile_text(made.resolved()).checked()
        assert again == made.checked()


def test_a_program_in_json_form_trains_the_same(tmp_path: Path) -> None:
    made = program(GAN)
    file = tmp_path / "gan.json"
    file.write_text(made.model_dump_json())
    assert compile_file(file).checked() == made


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("trains", 0, "each_batch", 0, "name"), "x(): import os #"),
        (("trains", 0, "each_batch", 0, "updates"), ["Other"]),
        (("trains", 0, "each_batch", 0, "objective"), "nothing"),
        (("objectives", "Maker.Digits.judge", "nodes", 0, "shares"), "Judge"),
        (("objectives", "Maker.Digits.judge", "nodes", 1, "shares"), "Maker; import os"),
        (("objectives", "Maker.Digits.judge", "inputs", 0, "name"), 'x"]; import os #'),
        (("objectives", "Maker.Digits.judge", "outputs", 0, "value"), "nothing"),
    ],
)
def test_hostile_objectives_are_refused(
    place: tuple[str | int, ...], value: object, tmp_path: Path
) -> None:
    made = json.loads(program(GAN).model_dump_json())
    target = made
    for part in place[:-1]:
        target = target[part]
    assert target[place[-1]] != value
    target[place[-1]] = value
    file = tmp_path / "gan.json"
    file.write_text(json.dumps(made))
    compiled = compile_file(file)
    if compiled.program is not None:  # what is not checked must not reach code
        source = emit_functions(compiled.program, compiled.program.trains[0])
        assert "import os" not in source
    else:
        assert compiled.diagnostics[0].code == "E0001"


def test_each_model_of_a_run_is_exported(tmp_path: Path) -> None:
    run(program(GAN), tmp_path / "run", None)

    def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "dlspec", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    for name, compared in (("Maker", ["random"]), ("Judge", ["random", "data"])):
        file = tmp_path / f"{name}.onnx"
        arguments = ["export", str(tmp_path / "run"), "--model", name, "-o", str(file)]
        done = cli(*arguments, "--format", "json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["compared_on"] == compared
        assert file.is_file()
    done = cli("export", str(tmp_path / "run"))
    assert (done.returncode, "`Maker`, `Judge`" in done.stderr) == (2, True)
    done = cli("evaluate", str(tmp_path / "run"))
    assert (done.returncode, "no test split" in done.stderr) == (1, True)


# --- one model, said at length ---------------------------------------------------------

AUXILIARY = """
model Net {
  input image: float[1, 8, 8]
  Conv(4, 3) -> ReLU as mid
  auxiliary early = mid -> Flatten -> Dense(10)
  output logits = mid -> Conv(4, 3) -> ReLU -> Flatten -> Dense(10)
}
data Digits {
  source     = digits()
  validation = 10%
  test       = 10%
}
train Net on Digits {
  minimize cross_entropy(logits, label) + 0.3 * cross_entropy(early, label, label_smoothing=0.1)
  optimizer  = adam(lr=1e-2)
  steps      = 40
  precision  = float32
  metrics    = [accuracy]
  require accuracy >= 50%
}
"""


def test_auxiliaries_count_in_training_alone() -> None:
    made = program(AUXILIARY)
    functions = load_functions(emit_functions(made, made.trains[0]))
    model = load_module(emit_module(made, "Net"))()
    batch = {"image": torch.rand(5, 1, 8, 8), "label": torch.randint(10, (5,))}
    results = model(batch["image"])
    main = F.cross_entropy(results["logits"], batch["label"])
    early = F.cross_entropy(results["early"], batch["label"], label_smoothing=0.1)
    loss, scores, target = functions["Net.Digits.loss"](model, batch)
    torch.testing.assert_close(loss, main + 0.3 * early)
    assert torch.equal(scores, results["logits"]) and target is batch["label"]
    loss, _, _ = functions["Net.Digits.loss.evaluation"](model.eval(), batch)
    torch.testing.assert_close(loss, main)


def test_a_run_said_at_length_is_measured(tmp_path: Path) -> None:
    done = run(program(AUXILIARY), tmp_path / "run", None)
    assert done.test is not None and done.test.good
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(done.history[-1])


AUTOENCODER = """
model Autoencoder {
  input image: float[1, 8, 8]
  code = it -> Flatten -> Dense(8, activation=relu)
  output copy = code -> Dense(64, activation=sigmoid) -> Reshape((1, 8, 8))
}
data Digits {
  source     = digits()
  validation = 10%
}
train Autoencoder on Digits {
  minimize mse(copy, image)
  optimizer  = adam(lr=1e-2)
  epochs     = 6
  precision  = float32
}
"""


def test_an_autoencoder_needs_no_label(tmp_path: Path) -> None:
    done = run(program(AUTOENCODER), tmp_path / "run", None)
    losses = [entry["val_loss"] for entry in done.history]
    assert losses[-1] < 0.7 * losses[0]


def test_two_trains_of_a_model_keep_their_objectives() -> None:
    second = AUXILIARY[AUXILIARY.index("train Net") :].replace(
        "cross_entropy(logits, label) + 0.3 *", "0.5 *"
    )
    second = second.replace("(early,", "(logits,").replace("  require accuracy >= 50%\n", "")
    made = program(AUXILIARY + second)
    first, other = (plan.each_batch[0].objective for plan in made.trains)
    assert first != other
    texts = [emit_functions(made, plan) for plan in made.trains]
    assert 'results["early"]' in texts[0] and 'results["early"]' not in texts[1]


def test_which_of_two_trains_is_not_guessed(tmp_path: Path) -> None:
    spec = tmp_path / "two.dlnet"
    spec.write_text(AUXILIARY + AUXILIARY[AUXILIARY.index("train Net") :])
    for command in (["train"], ["compile"], ["train", "--model", "Net"]):
        line = [sys.executable, "-m", "dlspec", *command, str(spec)]
        done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert (done.returncode, "2 `train`s of `Net`" in done.stderr) == (2, True), done.stderr
    line = [sys.executable, "-m", "dlspec", "compile", str(spec), "--no-train"]
    assert subprocess.run(line, capture_output=True, check=False, cwd=tmp_path).returncode == 0


def test_a_final_sigmoid_is_applied_once_in_metrics(tmp_path: Path) -> None:
    """`minimize mse` takes the model's own output, and so does `mae`."""
    text = """
model Net { input x: float[4]
  Dense(1, activation=sigmoid) }
data Table { source = npz("t.npz")
  test = 50% }
train Net on Table {
  minimize mse(x -> Net, target)
  optimizer = sgd(lr=0.1)
  steps = 3
  precision = float32
  metrics = [mae]
}
"""
    random = np.random.default_rng(0)
    table = {"x": random.random((60, 4)), "target": random.random((60, 1))}
    np.savez(tmp_path / "t.npz", **{n: a.astype(np.float32) for n, a in table.items()})
    made = program(text)
    assert made.trains[0].target == "target"
    done = run(made, tmp_path / "run", None, data_root=tmp_path)
    assert done.test is not None
    model = load_module(emit_module(made, "Net"))()
    state = weights(tmp_path / "run")
    model.load_state_dict({n.removeprefix("model."): w for n, w in state.items()})
    split = load(made.data["Table"], tmp_path).test.fields
    with torch.no_grad():
        output = model(torch.from_numpy(split["x"])).numpy()
    expected = float(np.abs(output - split["target"]).mean())
    assert done.test.figures["mae"] == pytest.approx(expected, rel=1e-5)


def test_noise_in_what_is_measured_is_the_same_each_time(tmp_path: Path) -> None:
    text = AUTOENCODER.replace(
        "mse(copy, image)", "mse(image + normal(1, 8, 8) -> Autoencoder, image)"
    )
    text = text.replace("validation = 10%", "test = 20%")
    made = program(text)
    done = run(made, tmp_path / "run", None)
    assert done.test is not None
    again = evaluate(reopen(tmp_path / "run", made))
    assert again.figures == done.test.figures


def test_a_model_may_be_fed_what_no_field_is(tmp_path: Path) -> None:
    text = AUTOENCODER.replace("input image:", "input noisy:").replace(
        "mse(copy, image)", "mse(image + 0.1 * normal(1, 8, 8) -> Autoencoder, image)"
    )
    done = run(program(text), tmp_path / "run", None)
    losses = [entry["val_loss"] for entry in done.history]
    assert losses[-1] < losses[0]


# --- every loss ---------------------------------------------------------------------------

SCORES = """
model Net { input x: float[4]
  Dense(3) }
data Table { source = npz("t.npz") }
train Net on Table {
  minimize LOSS
  optimizer = sgd(lr=0.1)
  steps = 1
  precision = float32
}
"""
LOSSES: list[tuple[str, Callable[[torch.Tensor, dict[str, torch.Tensor]], torch.Tensor]]] = [
    ("cross_entropy(x -> Net, c)", lambda s, b: F.cross_entropy(s, b["c"])),
    (
        "cross_entropy(x -> Net, c, class_weights=[1, 2, 3], label_smoothing=0.1)",
        lambda s, b: F.cross_entropy(
            s, b["c"], weight=torch.tensor([1.0, 2, 3]), label_smoothing=0.1
        ),
    ),
    ("nll(x -> Net -> LogSoftmax, c)", lambda s, b: F.cross_entropy(s, b["c"])),
    (
        "focal(x -> Net, c, gamma=1.5)",
        lambda s, b: (
            (1 - s.softmax(1).gather(1, b["c"][:, None])[:, 0]) ** 1.5
            * -s.log_softmax(1).gather(1, b["c"][:, None])[:, 0]
        ).mean(),
    ),
    ("mse(x -> Net, y)", lambda s, b: ((s - b["y"]) ** 2).mean()),
    ("mae(x -> Net, y)", lambda s, b: (s - b["y"]).abs().mean()),
    ("huber(x -> Net, y, delta=0.3)", lambda s, b: F.huber_loss(s, b["y"], delta=0.3)),
    ("smooth_l1(x -> Net, y, beta=0.3)", lambda s, b: F.smooth_l1_loss(s, b["y"], beta=0.3)),
    ("hinge(x -> Net, z)", lambda s, b: torch.relu(1 - (2 * b["z"] - 1) * s).mean()),
    (
        "binary_cross_entropy(x -> Net, z)",
        lambda s, b: F.binary_cross_entropy(torch.sigmoid(s), b["z"].float()),
    ),
    (
        "kl_divergence(x -> Net -> LogSoftmax, p)",
        lambda s, b: (b["p"] * (b["p"].log() - s.log_softmax(1))).sum(1).mean(),
    ),
    (
        "cosine_similarity(x -> Net, y)",
        lambda s, b: (1 - (s * b["y"]).sum(1) / (s.norm(dim=1) * b["y"].norm(dim=1))).mean(),
    ),
    ("mse(x -> Net, 0.5)", lambda s, b: ((s - 0.5) ** 2).mean()),
    ("mean(abs(x -> Net)) + 2 * mean(square(x -> Net))", lambda s, b: (s.abs() + 2 * s**2).mean()),
    ("-mean(x -> Net)", lambda s, b: -s.mean()),
]


@pytest.mark.parametrize(("written", "by_hand"), LOSSES, ids=[w for w, _ in LOSSES])
def test_a_loss_is_what_it_says(
    written: str, by_hand: Callable[[torch.Tensor, dict[str, torch.Tensor]], torch.Tensor]
) -> None:
    made = program(SCORES.replace("LOSS", written))
    functions = load_functions(emit_functions(made, made.trains[0]))
    torch.manual_seed(1)
    model = load_module(emit_module(made, "Net"))()
    batch = {
        "x": torch.randn(6, 4),
        "c": torch.randint(3, (6,)),
        "y": torch.randn(6, 3),
        "z": torch.randint(2, (6, 3)),
        "p": torch.rand(6, 3).softmax(1),
    }
    got = functions["Net.Table.loss"](model, batch)
    torch.testing.assert_close(got, by_hand(model(batch["x"]), batch))


def test_a_sequence_of_classes_is_compared_by_its_last_axis() -> None:
    text = """
model Net { input tokens: int[5]
  Embedding(7, 4) -> Dense(7) }
data Table { source = npz("t.npz") }
train Net on Table {
  loss = cross_entropy
  optimizer = sgd(lr=0.1)
  steps = 1
  precision = float32
}
"""
    made = program(text)
    function = load_functions(emit_functions(made, made.trains[0]))["Net.Table.loss"]
    model = load_module(emit_module(made, "Net"))()
    batch = {"tokens": torch.randint(7, (3, 5)), "label": torch.randint(7, (3, 5))}
    loss, _, _ = function(model, batch)
    scores = model(batch["tokens"]).transpose(1, 2)
    torch.testing.assert_close(loss, F.cross_entropy(scores, batch["label"]))


def test_connectionist_classification() -> None:
    text = SCORES.replace("float[4]", "float[9, 4]").replace("LOSS", "ctc(x -> Net, c)")
    made = program(text)
    function = load_functions(emit_functions(made, made.trains[0]))["Net.Table.loss"]
    model = load_module(emit_module(made, "Net"))()
    batch = {"x": torch.randn(2, 9, 4), "c": torch.tensor([[1, 2, 1], [2, 0, 0]])}
    expected = F.ctc_loss(
        model(batch["x"]).log_softmax(-1).transpose(0, 1),
        batch["c"],
        torch.tensor([9, 9]),
        torch.tensor([3, 1]),
    )
    torch.testing.assert_close(function(model, batch), expected)

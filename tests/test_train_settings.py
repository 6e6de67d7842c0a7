"""The settings of a `train` beside loss, optimizer and schedule, against loops by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from test_torch_programs import emitted_losses, loaded, loop_losses, written
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from training_setup import log, program, run, run_in_parts, weights

from dlspec.backends.torch import emit, emit_module, load_module
from dlspec.data.sources import digits_file
from dlspec.ir.graph import Program
from dlspec.ir.hidden import no_hidden_matrices
from dlspec.pipeline import compile_file, compile_text
from dlspec.training.checkpoint import newest_checkpoint
from dlspec.training.muon import Muon, muon_groups
from dlspec.training.order import epoch_order
from dlspec.training.problems import SpecProblem
from dlspec.training.reopening import reopen, trained_models
from dlspec.training.stopping import epochs_without_better

NET = """
model Net {
  input image: float[1, 8, 8]
  Conv(4, 3, padding=1, bias=false) as stem
  BatchNorm as norm
  ReLU -> Flatten
  Dense(24, activation=relu) as middle
  Dense(10) as head
}
data Digits {
  source     = digits()
  validation = 10%
  test       = 50%
}
train Net on Digits {
  loss       = cross_entropy
  optimizer  = sgd(lr=0.1, momentum=0.9)
  metrics    = [accuracy]
  batch_size = 128
  epochs     = 2
  precision  = float32
  SETTINGS
}
"""
PLAIN = NET.replace("  BatchNorm as norm\n", "")
GAN = """
model Maker {
  input noise: float[6]
  Dense(32, activation=relu) -> Dense(64, activation=sigmoid) -> Reshape((1, 8, 8))
}
model Judge {
  input image: float[1, 8, 8]
  Flatten -> Dense(32, activation=relu) -> Dense(16, activation=relu) -> Dense(1)
}
data Digits { source = digits() }
train Maker, Judge on Digits {
  optimizer  = adam(lr=2e-3)
  batch_size = 64
  steps      = 6
  precision  = float32
  SETTINGS
  step judge updates Judge {
    optimizer = muon(lr=0.01, adamw_lr=1e-3)
    fake = normal(6) -> Maker -> StopGradient
    minimize binary_cross_entropy(image -> Judge, 1) + binary_cross_entropy(fake -> Judge, 0)
  }
  step maker updates Maker every 2 {
    schedule = linear
    minimize binary_cross_entropy(normal(6) -> Maker -> Judge, 1)
  }
}
"""


def net(settings: str = "", text: str = NET, **overrides: str) -> Program:
    return program(text.replace("SETTINGS", settings), **overrides)


def built(made: Program, *keys: str) -> nn.Module:
    """The model as its run begins with it."""
    torch.manual_seed(made.trains[0].seed)
    return load_module(emit_module(made, made.trains[0].model))()


def training_split(made: Program) -> dict[str, torch.Tensor]:
    from dlspec.data import load

    split = load(made.data["Digits"], Path(), None).train.fields
    image = torch.from_numpy(np.array(split["image"])).float() / 255
    return {"image": image, "label": torch.from_numpy(np.array(split["label"]))}


def by_hand(made: Program, model: nn.Module, step: Any, group: int = 128) -> None:
    """Every step of two epochs; `step` is called with the images and labels of one."""
    data = training_split(made)
    count = len(data["label"])
    for epoch in range(2):
        for numbers in epoch_order(count, 0, epoch).split(group):
            step(data["image"][numbers], data["label"][numbers])


def assert_close(folder: Path, model: nn.Module, **tolerance: float) -> None:
    got = weights(folder)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(
            got[f"model.{name}"], tensor, **{"rtol": 1e-4, "atol": 1e-5, **tolerance}
        )


# --- accumulate ----------------------------------------------------------------------------


def test_accumulated_batches_are_the_big_batch(tmp_path: Path) -> None:
    made = net("accumulate = 3\n gradient_clip = 0.5\n schedule = cosine", PLAIN)
    small = run(made, tmp_path / "small", None)
    big = net("gradient_clip = 0.5\n schedule = cosine", PLAIN, train__batch_size="384")
    whole = run(big, tmp_path / "big", None)
    assert small.steps == whole.steps == 2 * 2  # 719 examples: 384, then 335
    first, second = weights(tmp_path / "small"), weights(tmp_path / "big")
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, second[name], rtol=1e-4, atol=1e-5)
    for one, other in zip(small.history, whole.history, strict=True):
        for name in ("loss", "accuracy", "val_loss"):
            assert one[name] == pytest.approx(other[name], rel=1e-4)


def test_steps_count_those_of_the_optimizer(tmp_path: Path) -> None:
    made = net("accumulate = 4\n steps = 5", PLAIN.replace("  epochs     = 2\n", ""))
    done = run(made, tmp_path / "run", None)
    assert done.steps == 5
    assert [entry["step"] for entry in done.history] == [2, 4, 5]


# --- ema -------------------------------------------------------------------------------------


def test_averaged_weights_are_those_of_pytorch(tmp_path: Path) -> None:
    made = net("ema = 0.9")
    done = run(made, tmp_path / "run", None, channels_last=False)
    model = built(made)
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(image: torch.Tensor, label: torch.Tensor) -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(image), label).backward()
        optimizer.step()
        averaged.update_parameters(model)

    by_hand(made, model, step)
    found = newest_checkpoint(tmp_path / "run" / "checkpoints")
    assert found is not None
    best = load_file(tmp_path / "run" / "best.safetensors")
    for name, tensor in averaged.module.state_dict().items():
        kept = found.checkpoint.tensors[f"averaged.{name}"]
        if not tensor.is_floating_point():
            continue  # PyTorch rounds the average of counts; here they are counts
        torch.testing.assert_close(kept, tensor, rtol=1e-4, atol=1e-5)
        if done.history[-1]["val_accuracy"] == max(entry["val_accuracy"] for entry in done.history):
            torch.testing.assert_close(best[name], kept)  # what is kept is what was measured
    assert not torch.equal(
        found.checkpoint.tensors["averaged.head.weight"],
        found.checkpoint.tensors["model.head.weight"],
    )


# --- early stopping --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figures", "higher", "delta", "since"),
    [
        ([], False, 0.0, 0),
        ([3.0, 2.0, 1.0], False, 0.0, 0),
        ([3.0, 2.0, 2.0, 2.5], False, 0.0, 2),
        ([3.0, 2.9, 2.8], False, 0.25, 2),
        ([3.0, 2.9, 2.7], False, 0.25, 0),
        ([0.5, 0.6, 0.6], True, 0.0, 1),
        ([float("nan"), float("nan")], False, 0.0, 2),
    ],
)
def test_epochs_without_better(
    figures: list[float], higher: bool, delta: float, since: int
) -> None:
    assert epochs_without_better(figures, higher, delta) == since


def test_a_run_that_gets_no_better_stops_and_says_why(tmp_path: Path) -> None:
    settings = "early_stopping = patience(2, metric=val_accuracy, min_delta=0.9)"
    made = net(settings, PLAIN, train__epochs="9")
    done = run(made, tmp_path / "run", None)
    assert len(done.history) == 3  # the first is better than nothing, two are not by 0.9
    facts = reopen(tmp_path / "run", made).facts
    assert facts["stopped"].startswith(
        "stopped after epoch 3: `val_accuracy` has not got better than"
    )
    again = run_in_parts(made, tmp_path / "parts", [8, 5], None)
    assert len(again.history) == 3
    first, second = weights(tmp_path / "run"), weights(tmp_path / "parts")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert len(run(made, tmp_path / "run", None, resume=True).history) == 3


# --- regularization --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["l1", "l2"])
def test_regularization_is_a_term_of_what_is_minimised(kind: str, tmp_path: Path) -> None:
    made = net(f"regularization = {kind}(3e-3)\n gradient_clip = 1.0")
    run(made, tmp_path / "run", None, channels_last=False)
    model = built(made)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(image: torch.Tensor, label: torch.Tensor) -> None:
        optimizer.zero_grad()
        shaped = [w for w in model.parameters() if w.ndim > 1]
        terms = [w.abs().sum() if kind == "l1" else w.square().sum() for w in shaped]
        (F.cross_entropy(model(image), label) + 3e-3 * sum(terms)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    by_hand(made, model, step)
    assert_close(tmp_path / "run", model, rtol=1e-3, atol=1e-4)


# --- freeze ----------------------------------------------------------------------------------


def test_frozen_layers_stay_and_their_statistics_too(tmp_path: Path) -> None:
    made = net('freeze = [stem, "no*"]\n regularization = l2(1e-3)\n ema = 0.5')
    run(made, tmp_path / "run", None, channels_last=False)
    model = built(made)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    learning = [w for name, w in model.named_parameters() if name[:4] not in ("stem", "norm")]
    optimizer = torch.optim.SGD(learning, lr=0.1, momentum=0.9)
    model.norm.eval()

    def step(image: torch.Tensor, label: torch.Tensor) -> None:
        optimizer.zero_grad()
        penalty = sum(w.square().sum() for w in learning if w.ndim > 1)
        (F.cross_entropy(model(image), label) + 1e-3 * penalty).backward()
        optimizer.step()

    by_hand(made, model, step)
    assert_close(tmp_path / "run", model)
    got = weights(tmp_path / "run")
    for name, tensor in before.items():
        assert torch.equal(got[f"model.{name}"], tensor) == (name[:4] in ("stem", "norm"))


def test_a_part_of_one_of_several_models_is_frozen(tmp_path: Path) -> None:
    made = net("freeze = [judge.dense1]", GAN)
    run(made, tmp_path / "run", None)
    before = made.graphs["Judge"]
    assert before.name == "Judge"
    torch.manual_seed(0)
    models = [load_module(emit_module(made, key))() for key in made.trains[0].models]
    got = weights(tmp_path / "run")
    for name, tensor in models[1].state_dict().items():
        assert torch.equal(got[f"model.judge.{name}"], tensor) == name.startswith("dense1")
    assert all(
        not torch.equal(got[f"model.maker.{name}"], tensor)
        for name, tensor in models[0].state_dict().items()
    )


# --- start_from ------------------------------------------------------------------------------


def test_a_run_begins_with_the_weights_of_another(tmp_path: Path) -> None:
    first = net("ema = 0.8")
    run(first, tmp_path / "first", None, channels_last=False)
    wider = NET.replace("Dense(10) as head", "Dense(12) as head")
    found = newest_checkpoint(tmp_path / "first" / "checkpoints")
    assert found is not None
    file = f"first/checkpoints/{found.name}.safetensors"
    for path, kept in (
        ("first/best.safetensors", load_file(tmp_path / "first" / "best.safetensors")),
        (file, {n[9:]: t for n, t in found.checkpoint.tensors.items() if n[:9] == "averaged."}),
    ):
        settings = f'start_from = weights("{path}", fresh=[head])\n freeze = [stem, norm]'
        made = net(settings, wider)
        folder = tmp_path / path.replace("/", "_")
        run(made, folder, None, data_root=tmp_path)
        got = weights(folder)
        for name in ("stem.weight", "norm.running_var", "norm.bias"):
            assert torch.equal(got[f"model.{name}"], kept[name])
        assert got["model.head.weight"].shape == (12, 24)
        facts = reopen(folder, made).facts["start_from"]
        assert facts["fresh"] == ["head.weight", "head.bias"]
        assert "middle.weight" in facts["taken"]
        run(made, folder, None, data_root=tmp_path / "elsewhere", resume=True)
        assert reopen(folder, made).facts["start_from"] == facts


def test_weights_that_have_no_place_are_told(tmp_path: Path) -> None:
    tensors = {name: tensor.clone() for name, tensor in built(net()).state_dict().items()}
    odd = tensors | {"old.weight": torch.zeros(3)}
    odd["head.weight"] = torch.zeros(12, 24)
    del odd["middle.bias"]
    save_file(odd, tmp_path / "odd.safetensors")
    made = net('start_from = "odd.safetensors"')
    with pytest.raises(SpecProblem) as problem:
        run(made, tmp_path / "run", None, data_root=tmp_path)
    for part in (
        "`middle.bias` is not in the file",
        "`head.weight` is [10, 24] in the model and [12, 24] in the file",
        "`old.weight` is in the file alone",
        "fresh=[head]",
    ):
        assert part in str(problem.value)
    named = net('start_from = weights("odd.safetensors", fresh=[middle, head], unused=[old])')
    run(named, tmp_path / "named", None, data_root=tmp_path)
    (tmp_path / "torn.safetensors").write_bytes((tmp_path / "odd.safetensors").read_bytes()[:100])
    with pytest.raises(SpecProblem, match="damaged"):
        run(net('start_from = "torn.safetensors"'), tmp_path / "x", None, data_root=tmp_path)


def test_files_outside_and_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    from dlspec.data.problem import DataProblem

    inside = tmp_path / "inside"
    inside.mkdir()
    save_file({"w": torch.zeros(1)}, tmp_path / "w.safetensors")
    (inside / "link.safetensors").symlink_to(tmp_path / "w.safetensors")
    (inside / "w.pt").write_bytes(b"anything")
    for path, said in (
        ("link.safetensors", "leaves the folder"),
        ("w.pt", "safetensors files alone"),
        ("gone.safetensors", "gone.safetensors"),
    ):
        with pytest.raises(DataProblem, match=said):
            run(net(f'start_from = "{path}"'), tmp_path / path, None, data_root=inside)
    save_file({"totals": torch.zeros(1)}, inside / "step.safetensors")
    (tmp_path / "step.json").write_text("{}")
    (inside / "step.json").symlink_to(tmp_path / "step.json")  # what a checkpoint has beside it
    with pytest.raises(DataProblem, match="leaves the folder"):
        run(net('start_from = "step.safetensors"'), tmp_path / "step", None, data_root=inside)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"path":"w.safetensors"', '"path":"../w.safetensors"', "climbs out"),
        ('"metric":"val_loss"', '"metric":"val_f1"', "does not measure `val_f1`"),
        ('"freeze":["stem"]', '"freeze":["stam"]', "names no layer `stam`"),
        ('"freeze":["stem"]', '"freeze":["*"]', "leaves nothing of `Net`"),
        ('"accumulate":2', '"accumulate":0', "accumulate"),
        ('"ema":0.9', '"ema":1.5', "ema"),
    ],
)
def test_hostile_programs_in_json_are_refused(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    settings = "accumulate = 2\n ema = 0.9\n freeze = [stem]\n early_stopping = patience(3)\n"
    text = net(settings + 'start_from = "w.safetensors"').model_dump_json()
    assert old in text
    file = tmp_path / "hostile.json"
    file.write_text(text.replace(old, new))
    (found,) = compile_file(file).diagnostics
    assert found.code == "E0001" and said in found.message


# --- muon ------------------------------------------------------------------------------------


@pytest.mark.parametrize("adjust", ["original", "match_rms_adamw"])
@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_is_pytorchs_beside_its_adamw(adjust: str, nesterov: bool) -> None:
    torch.manual_seed(0)
    mine = nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 20), nn.Linear(20, 3))
    theirs = nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 20), nn.Linear(20, 3))
    theirs.load_state_dict(mine.state_dict())
    groups = muon_groups(mine.named_parameters(), ("3.weight",), weight_decay=0.02)
    one = Muon(groups, lr=0.02, adjust_lr_fn=adjust, nesterov=nesterov)
    hidden = [theirs[0].weight, theirs[2].weight]
    rest = [theirs[0].bias, theirs[2].bias, theirs[3].weight, theirs[3].bias]
    others = (
        torch.optim.Muon(hidden, lr=0.02, adjust_lr_fn=adjust, nesterov=nesterov),
        torch.optim.AdamW(rest, lr=0.02, weight_decay=0.02),
    )
    for _ in range(6):
        x, y = torch.randn(16, 6), torch.randn(16, 3)
        for model, optimizers in ((mine, (one,)), (theirs, others)):
            model.zero_grad()
            F.mse_loss(model(x), y).backward()
            for optimizer in optimizers:
                optimizer.step()
        for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-5)


def test_muon_takes_a_filter_as_a_row() -> None:
    torch.manual_seed(0)
    conv, dense = nn.Conv2d(3, 8, 3, bias=False), nn.Linear(27, 8, bias=False)
    with torch.no_grad():
        dense.weight.copy_(conv.weight.flatten(1))
    grad = torch.randn(8, 3, 3, 3)
    conv.weight.grad, dense.weight.grad = grad, grad.flatten(1).clone()
    Muon(muon_groups(conv.named_parameters(), ()), lr=0.1).step()
    torch.optim.Muon(dense.parameters(), lr=0.1).step()
    torch.testing.assert_close(conv.weight.flatten(1), dense.weight)


def test_what_muon_leaves_to_adamw() -> None:
    text = """
    block Half(width) { LayerNorm -> Dense(width) -> GELU }
    model Reader {
      input tokens: int[12]
      layer embed = Embedding(30, 16)
      parameter token: float[1, 16] = normal(0.02)
      tokens -> embed -> PositionEmbedding(12)
      it + token -> Attention(2)
      Half(16)
      Half(16) -> Dense(30) -> Softmax
    }
    """
    made = compile_text(text).checked()
    found = no_hidden_matrices(made, made.graphs["Reader"])
    assert set(found) == {
        "embed.weight",
        "token",
        "position_embedding1.weight",
        "dense1.weight",
    }
    inner = text.replace("Half(16) -> Dense(30) -> Softmax", "Half(16)")
    made = compile_text(inner).checked()
    assert "half2.dense1.weight" in no_hidden_matrices(made, made.graphs["Reader"])


# --- all of them: resumed, emitted, resolved --------------------------------------------------

EVERYTHING = (
    "accumulate = 3\n ema = 0.9\n regularization = l1(1e-4)\n freeze = [stem, norm]\n"
    " early_stopping = patience(3, val_accuracy, min_delta=1e-3)\n gradient_clip = 0.5\n"
    " schedule = one_cycle"
)
STEPPED = "accumulate = 2\n ema = 0.9\n regularization = l2(1e-3)\n freeze = [judge.dense1]"
MUON = "optimizer  = muon(lr=0.02, adamw_lr=0.003)"


def everything(text: str = NET, optimizer: str = MUON) -> Program:
    text = text.replace("optimizer  = sgd(lr=0.1, momentum=0.9)", optimizer)
    return net(EVERYTHING, text, data__augment="RandomCrop(8, padding=1)")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (EVERYTHING, NET.replace("optimizer  = sgd(lr=0.1, momentum=0.9)", MUON)),
        (STEPPED, GAN),
    ],
)
def test_parts_of_a_run_end_in_the_same_bits(settings: str, text: str, tmp_path: Path) -> None:
    made = net(settings, text) if text is GAN else net(settings, text, train__epochs="3")
    run(made, tmp_path / "whole", None)
    run_in_parts(made, tmp_path / "parts", [2, 2], None)
    for folder in ("whole", "parts"):
        assert (tmp_path / folder / "best.safetensors").exists()
    whole, parts = (newest_checkpoint(tmp_path / f / "checkpoints") for f in ("whole", "parts"))
    assert whole is not None and parts is not None
    assert whole.checkpoint.tensors.keys() == parts.checkpoint.tensors.keys()
    assert any(name.startswith("averaged.") for name in whole.checkpoint.tensors)
    for name, tensor in whole.checkpoint.tensors.items():
        assert torch.equal(tensor, parts.checkpoint.tensors[name]), name


@pytest.mark.parametrize(
    "settings",
    [
        "accumulate = 3\n schedule = step_decay(1, 0.5)",
        "accumulate = 4\n steps = 5\n schedule = cosine",
        "ema = 0.8",
        "regularization = l2(1e-2)\n gradient_clip = 0.5",
        "freeze = [stem, norm]",
        EVERYTHING,
    ],
)
def test_the_emitted_program_has_the_same_losses(settings: str, tmp_path: Path) -> None:
    text = NET.replace("  epochs     = 2\n", "") if "steps" in settings else NET
    made = everything() if settings == EVERYTHING else net(settings, text)
    module = loaded(written(made, tmp_path))
    losses = emitted_losses(module, made)
    ours = loop_losses(made, tmp_path / "run", len(losses))
    np.testing.assert_allclose(losses, ours, rtol=2e-4)


def test_the_emitted_program_stops_early_and_keeps_the_average(tmp_path: Path) -> None:
    settings = "ema = 0.9\n early_stopping = patience(1, val_accuracy, min_delta=0.9)"
    made = net(settings, train__epochs="6")
    module = loaded(written(made, tmp_path))
    torch.manual_seed(0)
    model = module.Net()
    losses = module.train(model, module.load_data())
    run(made, tmp_path / "run", None, channels_last=False)
    assert len(losses) == log(tmp_path / "run")[-1]["step"]
    (kept,) = trained_models(reopen(tmp_path / "run", made)).values()
    for name, tensor in kept.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], tensor, rtol=1e-4, atol=1e-5)


def test_an_emitted_gan_has_the_same_losses(tmp_path: Path) -> None:
    made = net(
        "accumulate = 2\n ema = 0.9\n regularization = l2(1e-3)\n freeze = [judge.dense1]", GAN
    )
    space: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(emit(made, made.trains[0].model, made.trains[0]), "emitted", "exec"), space)
    torch.manual_seed(0)
    models = [space["Maker"](), space["Judge"]()]
    data = {"image": torch.from_numpy(np.load(digits_file())["image"])}
    losses = space["train"](*models, {"train": data})
    run(made, tmp_path / "run", None, channels_last=False)
    entry = log(tmp_path / "run")[-1]
    for name, values in losses.items():
        assert entry[name] == pytest.approx(sum(values) / len(values), rel=1e-4)
    kept = trained_models(reopen(tmp_path / "run", made))
    for model, own in zip(models, kept.values(), strict=True):
        for name, tensor in own.state_dict().items():
            torch.testing.assert_close(model.state_dict()[name], tensor, rtol=1e-3, atol=1e-5)


def test_an_emitted_program_begins_with_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = net()
    run(first, tmp_path / "first", None, channels_last=False)
    settings = 'start_from = weights("first/best.safetensors", fresh=[head])'
    made = net(settings, NET.replace("Dense(10)", "Dense(11)"), train__epochs="1")
    module = loaded(written(made, tmp_path))
    monkeypatch.setattr("sys.argv", ["emitted.py"])
    module.main()
    done = run(made, tmp_path / "run", None, data_root=tmp_path, channels_last=False)
    (figure,) = re.findall(r"val_loss (\S+)", capsys.readouterr().out)
    assert float(figure) == pytest.approx(done.history[0]["val_loss"], rel=1e-3)


def test_the_resolved_spec_gives_the_same_program(tmp_path: Path) -> None:
    start = 'start_from = weights("a/b.safetensors", fresh=[head], unused=[old.part])\n'
    texts = [
        NET.replace("SETTINGS", start + EVERYTHING),
        NET.replace("optimizer  = sgd(lr=0.1, momentum=0.9)", MUON).replace("SETTINGS", ""),
        GAN.replace("SETTINGS", "accumulate = 2\n ema = 0.9\n freeze = [judge.dense1]"),
    ]
    for text in texts:
        made = compile_text(text)
        assert compile_text(made.resolved()).checked() == made.checked()
        file = tmp_path / "program.json"
        file.write_text(made.checked().model_dump_json())
        assert compile_file(file).checked() == made.checked()


@pytest.mark.parametrize(
    ("key", "value", "plan"),
    [
        ("train.accumulate", "4", ("accumulate", 4)),
        ("train.ema", "none", ("ema", None)),
        ("train.freeze", "[stem, head]", ("freeze", ("stem", "head"))),
        ("train.freeze", "none", ("freeze", ())),
        ("train.early_stopping.epochs", "9", ("early_stopping.epochs", 9)),
        ("train.early_stopping.metric", "val_loss", ("early_stopping.metric", "val_loss")),
        ("train.early_stopping", "none", ("early_stopping", None)),
        ("train.regularization.factor", "0.5", ("regularization.factor", 0.5)),
        ("train.regularization", "l2(2e-4)", ("regularization.kind", "l2")),
        ("train.start_from", '"w.safetensors"', ("start_from.path", "w.safetensors")),
    ],
)
def test_overrides(key: str, value: str, plan: tuple[str, Any]) -> None:
    made = compile_text(NET.replace("SETTINGS", EVERYTHING), overrides={key: value}).checked()
    found: Any = made.trains[0]
    for name in plan[0].split("."):
        found = getattr(found, name)
    assert found == plan[1]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("accumulate = 0", "E0303.*whole number of at least 1, not 0"),
        ("accumulate = 1.5", "E0303.*whole number"),
        ("ema = 1", "E0303.*between 0 and 1"),
        ("ema = 99%", None),
        ("freeze = [stam]", "E0509.*`stam`"),
        ("freeze = 3", "E0303.*paths of layers"),
        ('freeze = ["*"]', "E0506.*leaves nothing of `Net`"),
        ("freeze = [stem.weight]", None),
        ("early_stopping = patience(0)", "E0303.*at least 1, not 0"),
        ("early_stopping = patience(3, metric=val_accurcy)", "E0507.*`val_accurcy`"),
        ("early_stopping = patience(3, metric=4)", "E0303.*name of a figure"),
        ("early_stopping = patience(3, mode=max)", "E0301.*no argument `mode`"),
        ("early_stopping = patient(3)", "E0508.*`patient`"),
        ("early_stopping = 3", "E0508.*`patience`"),
        ("regularization = l3(1)", "E0508.*`l3`"),
        ("regularization = l2(0)", "E0303.*greater than 0"),
        ('start_from = "/etc/passwd"', "E0605.*absolute"),
        ('start_from = "../w.safetensors"', "E0605.*climbs out"),
        ("start_from = 3", "E0303.*path of a file"),
        ('start_from = weights("w.safetensors", fresh=[hed])', "E0509.*`hed`"),
        ("start_from = weights()", "E0302.*needs `path`"),
    ],
)
def test_mistakes(settings: str, said: str | None) -> None:
    made = compile_text(NET.replace("SETTINGS", settings))
    found = [f"{d.code} {d.message}" for d in made.diagnostics if d.severity == "error"]
    if said is None:
        assert not found
    else:
        assert len(found) == 1 and re.search(said, found[0]), found


def test_mistakes_of_trains_in_steps_and_without_validation() -> None:
    made = compile_text(GAN.replace("SETTINGS", "early_stopping = patience(3)"))
    assert [d.code for d in made.diagnostics if d.severity == "error"] == ["E0506"]
    text = NET.replace("SETTINGS", "early_stopping = patience(3)").replace("validation = 10%", "")
    assert [d.code for d in compile_text(text).diagnostics] == ["E0506"]
    made = compile_text(GAN.replace("SETTINGS", "freeze = [judge]"))
    (found,) = [d.message for d in made.diagnostics if d.severity == "error"]
    assert "leaves nothing of `Judge`" in found

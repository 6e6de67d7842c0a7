"""Training against PyTorch's own optimizers and schedulers, NumPy, and loops written by hand."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from training_setup import (  # noqa: E402
    SMALL,
    Small,
    log,
    program,
    run,
    run_in_parts,
    stopped_run,
    weights,
)

from dlspec.data import load  # noqa: E402
from dlspec.data.preparing import prepare as prepare_data  # noqa: E402
from dlspec.training import metrics, preparing, resuming, schedules  # noqa: E402
from dlspec.training.device import choose_device, computes_bf16  # noqa: E402
from dlspec.training.nonfinite import explain  # noqa: E402
from dlspec.training.objective import Objective  # noqa: E402
from dlspec.training.order import batches_per_epoch, epoch_order, step_generator  # noqa: E402
from dlspec.training.problems import MachineProblem, SpecProblem  # noqa: E402
from dlspec.training.rates import learning_rate  # noqa: E402
from dlspec.training.training import Training  # noqa: E402


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# --- the functions that stand alone --------------------------------------------------------


@pytest.mark.parametrize("steps", [2, 3, 7, 10, 333])
@pytest.mark.parametrize("warmup", [0.0, 0.15, 0.3, 0.9])
def test_one_cycle_is_pytorchs(steps: int, warmup: float) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1.0, total_steps=steps, pct_start=warmup, cycle_momentum=False
    )
    for step in range(steps):
        assert schedules.one_cycle(step, steps, warmup) == pytest.approx(
            optimizer.param_groups[0]["lr"], rel=1e-9, abs=1e-12
        )
        optimizer.step()
        if step < steps - 1:
            scheduler.step()


@pytest.mark.parametrize("steps", range(1, 40))
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5, 0.99])
def test_every_factor_is_positive_and_at_most_one(steps: int, warmup: float) -> None:
    for step in range(steps):
        assert 0 < schedules.one_cycle(step, steps, warmup) <= 1
        assert 0 < schedules.cosine(step, steps, warmup, 0.0) <= 1


@pytest.mark.parametrize("final", [0.0, 0.1])
@pytest.mark.parametrize("rising", [0, 5])
def test_cosine_is_pytorchs(final: float, rising: int) -> None:
    steps = 50
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    parts = torch.optim.lr_scheduler
    falling = parts.CosineAnnealingLR(optimizer, steps - rising, eta_min=final)
    scheduler: torch.optim.lr_scheduler.LRScheduler = falling
    if rising:
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        up = parts.LinearLR(optimizer, 1 / (rising + 1), total_iters=rising)
        down = parts.CosineAnnealingLR(optimizer, steps - rising, eta_min=final)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler = parts.SequentialLR(optimizer, [up, down], [rising])
    for step in range(steps):
        assert schedules.cosine(step, steps, rising / steps, final) == pytest.approx(
            optimizer.param_groups[0]["lr"], rel=1e-9
        )
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler.step()


def test_step_decay_is_pytorchs() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.5)
    for step in range(7 * 10):
        assert schedules.step_decay(step, 7, 3, 0.5) == pytest.approx(
            optimizer.param_groups[0]["lr"]
        )
        if step % 7 == 6:
            optimizer.step()
            scheduler.step()


def test_an_order_depends_on_seed_and_epoch_alone() -> None:
    torch.manual_seed(1)
    one = epoch_order(1000, 0, 0)
    torch.manual_seed(2)
    assert torch.equal(one, epoch_order(1000, 0, 0))
    assert torch.equal(one.sort().values, torch.arange(1000))
    others = [epoch_order(1000, seed, epoch) for seed, epoch in ((0, 1), (1, 0), (2**62, 3))]
    assert not any(torch.equal(one, other) for other in others)
    draws = {
        torch.rand((), generator=step_generator(seed, step)).item()
        for seed in (0, 1, 2**63 - 1)
        for step in range(50)
    }
    assert len(draws) == 150


@pytest.mark.parametrize(
    ("count", "size", "batches"),
    [(10, 5, 2), (11, 5, 2), (12, 5, 3), (1, 5, 1), (4, 1, 4), (3, 5, 1)],
)
def test_a_last_batch_of_one_is_left_out(count: int, size: int, batches: int) -> None:
    assert batches_per_epoch(count, size) == batches


def test_metrics_are_what_numpy_counts() -> None:
    chance = np.random.default_rng(0)
    scores, target = chance.normal(size=(200, 12)), chance.integers(0, 12, 200)
    ranks = (scores > scores[np.arange(200), target][:, None]).sum(1)
    given = torch.from_numpy(scores), torch.from_numpy(target)
    assert metrics.accuracy(*given) == (scores.argmax(1) == target).sum()
    for k in (1, 3, 12, 40):
        assert metrics.top_k(*given, k) == (ranks < k).sum()
    output, wanted = chance.normal(size=(30, 4)), chance.normal(size=(30, 4))
    pair = torch.from_numpy(output), torch.from_numpy(wanted)
    assert metrics.mae(*pair) == pytest.approx(np.abs(output - wanted).mean() * 30)
    assert metrics.mse(*pair) == pytest.approx(((output - wanted) ** 2).mean() * 30)
    column = torch.from_numpy(output[:, :1]), torch.from_numpy(wanted[:, 0])
    assert metrics.mse(*column) == pytest.approx(((output - wanted)[:, 0] ** 2).sum())


# --- whole runs ------------------------------------------------------------------------------


def test_a_run_learns_and_leaves_its_folder(tmp_path: Path) -> None:
    made = program(train__epochs="4")
    done = run(made, tmp_path / "run", texts={"spec.dlnet": "model of the test"})
    losses = [entry["val_loss"] for entry in done.history]
    assert losses[-1] < losses[0] / 2
    assert done.test is not None and done.test.figures["accuracy"] > 0.85
    assert done.test.figures["top_k"] >= done.test.figures["accuracy"]
    names = {path.name.partition(".tfevents")[0] for path in (tmp_path / "run").iterdir()}
    assert names == {
        "events.out",
        "confusion.png",
        "spec.dlnet",
        "spec.json",
        "run.json",
        "metrics.jsonl",
        "curves.png",
        "best.safetensors",
        "checkpoints",
    }
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["finished"] and facts["test"]["metrics"] == done.test.figures
    assert facts["machine"]["threads"] == 1 and facts["examples"]["test"] == 359
    epochs = [line["epoch"] for line in log(tmp_path / "run") if line["kind"] == "epoch"]
    assert epochs == [1, 2, 3, 4]
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd(lr=0.1, momentum=0.9, nesterov=true)": lambda p: torch.optim.SGD(
        p, lr=0.1, momentum=0.9, nesterov=True
    ),
    "adagrad(lr=0.02)": lambda p: torch.optim.Adagrad(p, lr=0.02),
    "adadelta": lambda p: torch.optim.Adadelta(p, lr=1.0),
    "rmsprop(lr=0.003, momentum=0.5)": lambda p: torch.optim.RMSprop(p, lr=0.003, momentum=0.5),
    "adam(lr=0.01, betas=(0.8, 0.99))": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.99)),
    "adamw(lr=0.01, weight_decay=0.1)": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "nadam": lambda p: torch.optim.NAdam(p, lr=2e-3),
    "radam": lambda p: torch.optim.RAdam(p, lr=1e-3),
    "adamax(lr=0.01)": lambda p: torch.optim.Adamax(p, lr=0.01),
}
LINEAR = """
model Linear {
  input image: float[1, 8, 8]
  Flatten -> Dense(10)
}
data Digits {
  source = digits()
}
train Linear on Digits {
  loss       = cross_entropy(label_smoothing=0.1)
  optimizer  = sgd(lr=0.1)
  batch_size = 100
  epochs     = 2
  precision  = float32
}
"""


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense1 = nn.Linear(64, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.dense1(image.flatten(1))


def by_hand(
    made_seed: int,
    optimizer_of: Callable[..., torch.optim.Optimizer],
    factor: Callable[[int], float] = lambda step: 1.0,
    clip: float | None = None,
) -> nn.Module:
    """The plain loop that any PyTorch user would write for `LINEAR`."""
    split = load(program(LINEAR).data["Digits"], Path()).train
    images = torch.from_numpy(split.fields["image"]).float() / 255
    labels = torch.from_numpy(split.fields["label"])
    torch.manual_seed(made_seed)
    model = Linear()
    optimizer = optimizer_of(model.parameters())
    rate, step = optimizer.param_groups[0]["lr"], 0
    for epoch in range(2):
        for batch in epoch_order(len(images), made_seed, epoch).split(100):
            optimizer.param_groups[0]["lr"] = rate * factor(step)
            loss = nn.CrossEntropyLoss(label_smoothing=0.1)(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            step += 1
    return model


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_goes_where_pytorchs_goes(optimizer: str, tmp_path: Path) -> None:
    made = program(LINEAR, train__optimizer=optimizer, train__seed="5")
    run(made, tmp_path / "run", Linear)
    expected = by_hand(5, OPTIMIZERS[optimizer]).state_dict()
    for name, weight in expected.items():
        torch.testing.assert_close(
            weights(tmp_path / "run")[f"model.{name}"], weight, rtol=1e-4, atol=1e-5
        )


def test_schedule_and_clipping_reach_the_optimizer(tmp_path: Path) -> None:
    made = program(LINEAR, train__schedule="step_decay(1, gamma=0.2)", train__gradient_clip="0.05")
    run(made, tmp_path / "run", Linear)
    expected = by_hand(
        0, lambda p: torch.optim.SGD(p, lr=0.1), lambda step: 0.2 ** (step // 18), clip=0.05
    ).state_dict()
    for name, weight in expected.items():
        torch.testing.assert_close(weights(tmp_path / "run")[f"model.{name}"], weight)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [0.1, 0.1]),
        ("cosine", [0.1, 0.05]),
        ("one_cycle(warmup=0.5)", [0.004, 0.1]),
        ("linear", [0.1, 0.05]),
        ("linear(warmup=20%, final=0.2)", [0.1 / 21, 0.07]),
        ("polynomial(power=2)", [0.1, 0.025]),
        ("exponential(gamma=0.5)", [0.1, 0.1 * 0.5**5]),
        ("multi_step_decay(milestones=[3, 5, 7], gamma=0.1)", [0.1, 0.001]),
    ],
)
def test_rates_by_schedule(schedule: str, rates: list[float]) -> None:
    (step,) = program(LINEAR, train__schedule=schedule).trains[0].each_batch
    got = [learning_rate(step, 0, 100, 10), learning_rate(step, 50, 100, 10)]
    assert got == pytest.approx(rates, rel=2e-3)


def test_a_plateau_lowers_the_rate() -> None:
    (step,) = (
        program(
            LINEAR,
            train__schedule="plateau(patience=2, factor=0.5)",
            data__validation="10%",
        )
        .trains[0]
        .each_batch
    )
    torch_losses = [3.0, 2.0, 2.5, 2.1, 1.0, 1.0, 1.5, 1.2, 1.1]
    got = [learning_rate(step, 0, 9, 1, torch_losses[:n]) for n in range(10)]
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    oracle = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=1, threshold=0
    )
    expected = [0.1]
    for loss in torch_losses:
        oracle.step(loss)
        expected.append(optimizer.param_groups[0]["lr"])
    assert got == pytest.approx(expected)


def test_steps_may_end_within_an_epoch(tmp_path: Path) -> None:
    made = program(LINEAR.replace("epochs     = 2", "steps = 25"))
    done = run(made, tmp_path / "run", Linear)
    assert done.steps == 25
    assert [entry["step"] for entry in done.history] == [18, 25]


def test_the_rule_about_softmax(tmp_path: Path) -> None:
    """With or without a final softmax the same weights come out, and large scores stay finite."""

    class Ending(Linear):
        def logits(self, image: torch.Tensor) -> torch.Tensor:
            return self.dense1(image.flatten(1)) * 1000

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.logits(image).softmax(1)

    class Bare(Ending):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.logits(image)

    ending = LINEAR.replace("Dense(10)", "Dense(10) -> Softmax")
    run(program(ending), tmp_path / "ending", Ending)
    run(program(LINEAR), tmp_path / "bare", Bare)
    for name, weight in weights(tmp_path / "ending").items():
        assert torch.equal(weight, weights(tmp_path / "bare")[name])


POINTS = """
model Points {{
  input x: float[3]
  Dense({units}){activation}
}}
data Table {{
  source = npz("table.npz")
  test   = 25%
}}
train Points on Table {{
  loss       = {loss}
  optimizer  = adam(lr=0.05)
  batch_size = 50
  epochs     = 60
  precision  = float32
  metrics    = [{metric}]
}}
"""


class Points(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense1 = nn.Linear(3, 1)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense1(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits(x).sigmoid()


def table(folder: Path, classes: bool, column: bool) -> None:
    chance = np.random.default_rng(0)
    x = chance.normal(size=(400, 3)).astype("float32")
    y = x @ np.array([2.0, -1.0, 0.5]) + 0.3
    target = (y > 0).astype("int64") if classes else y.astype("float32")
    name = "label" if classes else "target"
    np.savez(folder / "table.npz", x=x, **{name: target[:, None] if column else target})


def test_yes_or_no_by_one_sigmoid(tmp_path: Path) -> None:
    table(tmp_path, classes=True, column=False)
    made = program(
        POINTS.format(
            units=1, activation=" -> Sigmoid", loss="binary_cross_entropy", metric="accuracy"
        )
    )
    done = run(made, tmp_path / "run", Points, data_root=tmp_path)
    assert done.test is not None and done.test.figures["accuracy"] > 0.95


def test_a_column_of_targets_is_not_broadcast(tmp_path: Path) -> None:
    """[B] beside [B, 1] would train towards the mean; the right answer is nearly exact."""

    class Plain(Points):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.dense1(x)

    table(tmp_path, classes=False, column=False)
    made = program(POINTS.format(units=1, activation="", loss="mse", metric="mae"))
    done = run(made, tmp_path / "run", Plain, data_root=tmp_path)
    assert done.test is not None and done.test.figures["mae"] < 0.02


def test_promises(tmp_path: Path) -> None:
    kept = SMALL.replace(
        "precision  = float32",
        "precision = float32\n  require accuracy > 20%\n  require loss < 0.0001",
    )
    done = run(program(kept), tmp_path / "run")
    assert done.test is not None and not done.test.good
    assert [held.holds for held in done.test.held] == [True, False]
    assert "`require loss < 0.0001` does not hold" in str(done.test.held[1])


def test_files_that_do_not_fit_are_told_before_training(tmp_path: Path) -> None:
    np.savez(tmp_path / "table.npz", x=np.zeros((40, 4), "float32"), label=np.zeros(40, "int64"))
    made = program(
        POINTS.format(
            units=1, activation=" -> Sigmoid", loss="binary_cross_entropy", metric="accuracy"
        )
    )
    with pytest.raises(SpecProblem, match=r"float\[3\].*float\[4\]"):
        run(made, tmp_path / "run", Points, data_root=tmp_path)
    assert not (tmp_path / "run").exists()


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    run(program(LINEAR), tmp_path / "run", Linear)
    before = (tmp_path / "run" / "run.json").read_bytes()
    with pytest.raises(SpecProblem, match="holds a run already"):
        run(program(LINEAR), tmp_path / "run", Linear)
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_the_compiled_module_is_the_one_by_hand(tmp_path: Path) -> None:
    """The same weights come out, to the last bit, with rewrites and without."""
    made = program()
    run(made, tmp_path / "hand", Small)
    run(made, tmp_path / "compiled", None, rewrites=False)
    run(made, tmp_path / "rewritten", None)
    expected = weights(tmp_path / "hand")
    for folder in ("compiled", "rewritten"):
        found = weights(tmp_path / folder)
        assert found.keys() == expected.keys()
        for name, weight in expected.items():
            assert torch.equal(found[name], weight), (folder, name)


# --- values that are not finite ------------------------------------------------------------------


class Breaking(Small):
    """Gives an infinity in `conv1` at the 30th batch."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.conv1.register_forward_hook(self._break)

    def _break(self, module: nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
        self.calls += self.training
        return output / 0 if self.calls >= 30 else output


def test_the_first_layer_that_is_not_finite_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecProblem, match=r"not finite at step 30: `conv1` gave the first"):
        run(program(), tmp_path / "run", Breaking)
    assert weights(tmp_path / "run")["model.dense1.weight"].isfinite().all()
    assert (tmp_path / "run" / "best.safetensors").exists()


def test_an_update_that_overflows_is_named(tmp_path: Path) -> None:
    made = program(LINEAR, train__optimizer="sgd(lr=3e38, weight_decay=100.0)")
    with pytest.raises(SpecProblem, match=r"step 2: the weight `dense1\.weight` stopped being"):
        run(made, tmp_path / "run", Linear)
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


def test_the_first_that_is_not_finite_among_many() -> None:
    made = program()
    objective, step = Objective(made, made.trains[0]), made.trains[0].each_batch[0]
    images = torch.rand(8, 1, 8, 8)
    batch = {"image": images, "label": torch.zeros(8, dtype=torch.int64)}
    assert "every layer was finite" in explain((Small(),), objective, step, batch)
    broken = {**batch, "image": images / 0}
    assert "the data's field `image`" in explain((Small(),), objective, step, broken)
    model = Small()
    with torch.no_grad():
        model.batch_norm1.bias[2] = torch.nan
    assert "the weight `batch_norm1.bias`" in explain((model,), objective, step, broken | batch)

    class Dividing(Small):
        def logits(self, image: torch.Tensor) -> torch.Tensor:
            return self.dense1(self.conv1(image)[:, :, :4, :4].flatten(1) / 0)

    assert "flows into `dense1`" in explain((Dividing(),), objective, step, batch)


def test_where_steps_are_not_looked_at_they_are_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU: the figures are read late, and the way from the last checkpoint gone again."""
    prepare = preparing.prepare_training

    def unchecked(*arguments: object) -> Training:
        training = prepare(*arguments)  # type: ignore[arg-type]
        training.checked = False
        return training

    class BrokenByData(Small):
        """Breaks on the sums of one batch, whenever it comes."""

        def logits(self, image: torch.Tensor) -> torch.Tensor:
            broken = torch.where(image.sum() == wanted, torch.inf, 0.0)
            return super().logits(image) + self.dropout1(broken) * (1 if self.training else 0)

    wanted = _sum_of_batch(30)
    monkeypatch.setattr("dlspec.training.loop.prepare_training", unchecked)
    with pytest.raises(SpecProblem, match=r"not finite at step 31: "):
        run(program(), tmp_path / "run", BrokenByData)


def _sum_of_batch(step: int) -> torch.Tensor:
    made = program()
    dataset = load(made.data["Digits"], Path())
    prepare, _ = prepare_data(dataset.plan)
    per_epoch = batches_per_epoch(len(dataset.train), 64)
    epoch, position = divmod(step, per_epoch)
    numbers = epoch_order(len(dataset.train), 0, epoch)[position * 64 :][:64]
    batch = {"image": torch.from_numpy(dataset.train.fields["image"])[numbers]}
    return (
        prepare(batch, step_generator(0, step))["image"]
        .contiguous(memory_format=torch.channels_last)
        .sum()
    )


# --- devices -------------------------------------------------------------------------------------


def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MachineProblem, match="no GPU") as caught:
        choose_device("cuda")
    assert caught.value.exit_code == 3
    for name in ("tpu", "cuda:x", "meta", "xpu"):
        with pytest.raises(MachineProblem):
            choose_device(name)
    assert choose_device("cpu").type == "cpu"


def test_bf16_and_float32_reach_about_the_same(tmp_path: Path) -> None:
    exact = run(program(train__precision="float32"), tmp_path / "exact")
    half = run(program(train__precision="bf16"), tmp_path / "half")
    facts = json.loads((tmp_path / "half" / "run.json").read_text())
    assert facts["machine"]["precision"] == "bf16"
    assert half.history[-1]["loss"] == pytest.approx(exact.history[-1]["loss"], rel=0.1)
    assert half.history[-1]["loss"] != exact.history[-1]["loss"]
    assert isinstance(computes_bf16(torch.device("cpu")), bool)


# --- going on ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "precision"),
    [
        ("adam(lr=1e-2)", "float32"),
        ("sgd(lr=0.05, momentum=0.9)", "float32"),
        ("rmsprop(lr=1e-3)", "float32"),
        ("adamw(lr=1e-2)", "bf16"),
    ],
)
def test_a_run_in_parts_ends_in_the_same_bits(
    optimizer: str, precision: str, tmp_path: Path
) -> None:
    made = program(train__optimizer=optimizer, train__precision=precision)
    whole = run(made, tmp_path / "whole")
    parts = run_in_parts(made, tmp_path / "parts", [3, 20, 5, 1])
    same, expected = weights(tmp_path / "parts"), weights(tmp_path / "whole")
    assert same.keys() == expected.keys() and len(same) == 8
    for name, weight in expected.items():
        assert torch.equal(same[name], weight), name
    for one, other in zip(whole.history, parts.history, strict=True):
        for key in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "step"):
            assert one[key] == other[key], key
    assert whole.test == parts.test
    best = "best.safetensors"
    assert (tmp_path / "whole" / best).read_bytes() == (tmp_path / "parts" / best).read_bytes()
    lines = log(tmp_path / "parts")
    assert [line["step"] for line in lines if line["kind"] == "epoch"] == [20, 40, 60]


def test_a_damaged_checkpoint_is_told_and_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = program()
    run(made, tmp_path / "whole")
    stopped_run(made, tmp_path / "run", 10)
    stopped_run(made, tmp_path / "run", 5, resume=True)
    newest = sorted((tmp_path / "run" / "checkpoints").glob("*.safetensors"))[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    run(made, tmp_path / "run", resume=True, show="auto")
    told = capsys.readouterr().err
    assert f"`{newest.name}` is damaged" in told and "going back to `step-000000000010`" in told
    for name, weight in weights(tmp_path / "whole").items():
        assert torch.equal(weights(tmp_path / "run")[name], weight), name


def test_a_changed_machine_is_told() -> None:
    before = {"torch": "2.0", "threads": 1, "device": "CPU"}
    now = {"torch": "2.1", "threads": 2, "device": "CPU"}
    (sentence,) = resuming.machine_differences(before, now)
    assert "threads was 1 and is 2" in sentence and "torch was 2.0 and is 2.1" in sentence
    assert resuming.machine_differences(before, before) == []


def test_another_spec_or_other_data_is_refused(tmp_path: Path) -> None:
    run(program(LINEAR), tmp_path / "run", Linear)
    with pytest.raises(SpecProblem, match="another spec"):
        run(program(LINEAR, train__epochs="3"), tmp_path / "run", Linear, resume=True)


def test_a_finished_run_is_only_measured_again(tmp_path: Path) -> None:
    first = run(program(), tmp_path / "run")
    again = run(program(), tmp_path / "run", resume=True)
    assert again.steps == first.steps and again.test == first.test
    assert math.isfinite(again.samples_per_second)

"""Metrics are those of torchmetrics, in a run, in `evaluate` and in the emitted program."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchmetrics")

import torch.nn.functional as F  # noqa: E402
from click.testing import CliRunner  # noqa: E402
from test_torch_programs import loaded, written  # noqa: E402
from torchmetrics.functional import classification as peer  # noqa: E402
from training_setup import SMALL, log, program, run  # noqa: E402

from dlspec.backends.torch import emit_module, load_module  # noqa: E402
from dlspec.cli.app import dlspec  # noqa: E402
from dlspec.data import load  # noqa: E402
from dlspec.pipeline import compile_text  # noqa: E402
from dlspec.training import metrics  # noqa: E402
from dlspec.training.reopening import evaluate, reopen, trained_models  # noqa: E402


class Kind(NamedTuple):
    """A task: its model, its loss, its metrics, its data and what torchmetrics says of it."""

    model: str
    loss: str
    metrics: str
    data: Callable[[np.random.Generator], dict[str, Any]]
    expected: Callable[[Any, Any], dict[str, Any]]


def rows(random: np.random.Generator) -> Any:
    return random.normal(size=(61, 6)).astype(np.float32)


def of_classes(average: str = "macro") -> Callable[[Any, Any], dict[str, Any]]:
    def expected(logits: Any, target: Any) -> dict[str, Any]:
        logits = logits.movedim(-1, 1)
        count, chances = logits.shape[1], logits.softmax(1)
        given = (chances, target, count)
        return {
            "accuracy": peer.multiclass_accuracy(*given, average="micro"),
            "top_k": peer.multiclass_accuracy(*given, average="micro", top_k=2),
            "precision": peer.multiclass_precision(*given, average=average),
            "recall": peer.multiclass_recall(*given, average=average),
            "f1": peer.multiclass_f1_score(*given, average=average),
            "auroc": peer.multiclass_auroc(
                *given, average="weighted" if average == "weighted" else "macro"
            ),
            "perplexity": F.cross_entropy(logits, target).exp(),
        }

    return expected


def of_labels(logits: Any, target: Any) -> dict[str, Any]:
    logits, target = logits.view(len(target), -1), target.view(len(target), -1).long()
    given = (logits.sigmoid(), target, target.shape[1])
    return {
        "accuracy": ((logits > 0) == (target > 0)).double().mean(),
        "precision": peer.multilabel_precision(*given, average="macro"),
        "recall": peer.multilabel_recall(*given, average="micro"),
        "f1": peer.multilabel_f1_score(*given, average="weighted"),
        "auroc": peer.multilabel_auroc(*given, average="macro"),
    }


def of_yes_and_no(logits: Any, target: Any) -> dict[str, Any]:
    given = (logits.flatten().sigmoid(), target.flatten().long())
    return {
        "accuracy": peer.binary_accuracy(*given),
        "precision": peer.binary_precision(*given),
        "recall": peer.binary_recall(*given),
        "f1": peer.binary_f1_score(*given),
        "auroc": peer.binary_auroc(*given),
    }


ALL = "accuracy, top_k(2), precision, recall, f1, auroc, confusion, perplexity"
YES = "accuracy, precision, recall(average=micro), f1(average=weighted), auroc"
KINDS = {
    "classes": Kind(
        "input x: float[6]\n Dense(4, activation=softmax)", "cross_entropy", ALL,
        lambda r: {"x": rows(r), "label": r.integers(0, 4, 61)}, of_classes(),
    ),
    "weighted": Kind(
        "input x: float[6]\n Dense(4)", "cross_entropy",
        "accuracy, top_k(2), precision(average=weighted), recall(average=weighted), "
        "f1(average=weighted), auroc(average=weighted), perplexity",
        lambda r: {"x": rows(r), "label": r.choice(4, 61, p=[0.4, 0.3, 0.2, 0.1])},
        of_classes("weighted"),
    ),
    "micro": Kind(
        "input x: float[6]\n Dense(4)", "cross_entropy",
        "accuracy, top_k(2), precision(micro), recall(micro), f1(micro), auroc, perplexity",
        lambda r: {"x": rows(r), "label": r.integers(0, 4, 61)}, of_classes("micro"),
    ),
    "sequence": Kind(
        "input tokens: int[5]\n Embedding(7, 8) -> Dense(7)", "cross_entropy", ALL,
        lambda r: {"tokens": r.integers(0, 7, (61, 5)), "label": r.integers(0, 7, (61, 5))},
        of_classes(),
    ),
    "labels": Kind(
        "input x: float[6]\n Dense(3, activation=sigmoid)", "binary_cross_entropy", YES,
        lambda r: {"x": rows(r), "label": r.integers(0, 2, (61, 3)).astype(np.float32)}, of_labels,
    ),
    "yes or no": Kind(
        "input x: float[6]\n Dense(1, activation=sigmoid)", "binary_cross_entropy",
        "accuracy, precision, recall, f1, auroc, confusion",
        lambda r: {"x": rows(r), "label": r.integers(0, 2, 61)}, of_yes_and_no,
    ),
}  # fmt: skip


def spec(kind: Kind, more: str = "") -> str:
    return (
        f"model Net {{ {kind.model} }}\n"
        'data Table { source = npz("t.npz")\n test = 60%\n validation = 20% }\n'
        f"train Net on Table {{\n loss = {kind.loss}\n optimizer = sgd(lr=0.3)\n batch_size = 7\n"
        f" epochs = 2\n precision = float32\n metrics = [{kind.metrics}]\n {more}\n}}\n"
    )


def scores(folder: Path, made: Any, split: dict[str, Any], output: str) -> Any:
    """What the model of a run gives before its last activation."""
    (model,) = trained_models(reopen(folder, made)).values()
    given = torch.from_numpy(split[output])
    with torch.no_grad():
        return model.eval().logits(given) if hasattr(model, "logits") else model.eval()(given)


@pytest.mark.parametrize("name", KINDS)
def test_figures_are_torchmetrics(name: str, tmp_path: Path) -> None:
    """37 examples in batches of 7: the last one is smaller, and must not count for more."""
    kind = KINDS[name]
    np.savez(tmp_path / "t.npz", **kind.data(np.random.default_rng(1)))
    made = program(spec(kind))
    done = run(made, tmp_path / "run", None, data_root=tmp_path)
    split = load(made.data["Table"], tmp_path).test.fields
    field = next(iter(made.graphs["Net"].inputs)).name
    logits = scores(tmp_path / "run", made, split, field)
    expected = kind.expected(logits, torch.from_numpy(split["label"]))
    assert done.test is not None
    figures = dict(done.test.figures)
    assert figures.pop("loss") > 0
    assert figures == pytest.approx({n: float(f) for n, f in expected.items()}, rel=1e-5)
    counted = {"accuracy", "precision", "recall", "f1"}
    assert counted <= done.history[0].keys() and "auroc" not in done.history[0]
    again = evaluate(reopen(tmp_path / "run", made), data_root=tmp_path)
    assert again.figures == done.test.figures


@pytest.mark.parametrize("name", KINDS)
def test_the_emitted_program_prints_the_same(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    np.savez(tmp_path / "t.npz", **kind.data(np.random.default_rng(2)))
    made = program(spec(kind))
    done = run(made, tmp_path / "run", None, data_root=tmp_path)
    module = loaded(written(made, tmp_path))
    splits = module.load_data(tmp_path)
    (model,) = trained_models(reopen(tmp_path / "run", made)).values()
    theirs = module.Net()
    theirs.load_state_dict(model.state_dict())
    assert done.test is not None
    assert module.measure(theirs, splits["test"]) == pytest.approx(done.test.figures, rel=1e-5)
    if "confusion" in kind.metrics:
        assert done.test.classes is not None and done.test.classes.matrix is not None
        matrix = module.confusion_matrix(theirs, splits["test"]).tolist()
        assert matrix == [list(row) for row in done.test.classes.matrix]


def test_classes_that_nobody_has_do_not_count() -> None:
    """As in torchmetrics for one class of many; an area needs some of the class and some not."""
    chances, target = torch.rand(40, 6).softmax(1), torch.randint(0, 3, (40,))
    chances[:, 5] = 0
    hits = metrics.class_hits(chances, target)
    given = (chances, target, 6)
    for average in ("macro", "micro", "weighted"):
        for own, its in (
            (metrics.precision, peer.multiclass_precision),
            (metrics.recall, peer.multiclass_recall),
            (metrics.f1, peer.multiclass_f1_score),
        ):
            assert float(own(hits, average)) == pytest.approx(float(its(*given, average=average)))
    assert math.isnan(metrics.auroc([chances], [torch.zeros(40)], "macro").item())


def test_figures_in_training_are_those_of_the_epoch(tmp_path: Path) -> None:
    """They are sums over batches, here of a model that does not change."""
    kind = KINDS["classes"]
    np.savez(tmp_path / "t.npz", **kind.data(np.random.default_rng(3)))
    made = program(spec(kind).replace("lr=0.3", "lr=1e-30").replace("60%", "20%"))
    done = run(made, tmp_path / "run", None, data_root=tmp_path)
    whole = evaluate(reopen(tmp_path / "run", made), data_root=tmp_path, split="train")
    assert whole.split == "train" and whole.held == ()
    for name in ("loss", "accuracy", "top_k", "precision", "recall", "f1", "perplexity"):
        assert done.history[0][name] == pytest.approx(whole.figures[name], rel=1e-5), name


def test_the_resolved_spec_measures_the_same() -> None:
    for kind in KINDS.values():
        compiled = compile_text(spec(kind, "require f1 >= 10%"))
        (text,) = compiled.resolved_files().values()
        again = compile_text(text).checked()
        assert again.trains == compiled.checked().trains
    assert program(STEPS).trains[0].requires[1].metric == "paint"


# --- promises and the command line -------------------------------------------------------


def call(*arguments: str) -> Any:
    return CliRunner().invoke(dlspec, arguments)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    text = SMALL.replace("[accuracy, top_k(2)]", f"[{ALL}]").replace("epochs     = 3", "epochs = 1")
    (folder / "small.dlnet").write_text(text)
    done = call("train", str(folder / "small.dlnet"), "--out", str(folder / "run"), "--quiet")
    assert done.exit_code == 0, done.output
    return folder


def test_evaluate_tells_classes_apart(digits: Path) -> None:
    place = digits / "run"
    said = json.loads(call("evaluate", str(place), "--format", "json").stdout)
    made = program((digits / "small.dlnet").read_text())
    split = load(made.data["Digits"], digits).test.fields
    logits = scores(place, made, {"image": split["image"].astype(np.float32) / 255}, "image")
    target = torch.from_numpy(split["label"]).long()
    matrix = peer.multiclass_confusion_matrix(logits, target, 10)
    assert said["confusion"] == matrix.tolist()
    for number, row in enumerate(said["classes"]):
        assert row["name"] == str(number)
        assert row["support"] == int((target == number).sum())
        for name, function in (
            ("precision", peer.multiclass_precision),
            ("recall", peer.multiclass_recall),
            ("f1", peer.multiclass_f1_score),
        ):
            expected = float(function(logits, target, 10, average="none")[number])
            assert row[name] == pytest.approx(expected, rel=1e-5)
    picture = Path(said["picture"])
    assert picture == place / "confusion.png" and picture.read_bytes()[:4] == b"\x89PNG"
    text = call("evaluate", str(place)).stdout
    assert "precision" in text and "support" in text and "is \\ called" in text
    assert str(picture) in text


def test_evaluate_measures_any_split(digits: Path) -> None:
    counts = {}
    for split in ("train", "validation", "test"):
        done = call("evaluate", str(digits / "run"), "--split", split, "--format", "json")
        said = json.loads(done.stdout)
        counts[said["split"]] = said["examples"]
        assert Path(said["picture"]).exists()
    assert counts == {"train": 1258, "validation": 180, "test": 359}
    assert call("evaluate", str(digits / "run"), "--split", "other").exit_code == 2


@pytest.mark.parametrize(
    ("promises", "code"),
    [
        (
            "precision >= 99.9%; recall >= 99.9%; f1 > 99.9%; auroc > 0.99999; perplexity < 1; "
            "top_k >= 99.9%; accuracy >= 99.9%; loss < 0",
            1,
        ),
        ("precision > 1%; recall > 1%; f1 > 1%; auroc >= 0.3; perplexity < 100", 0),
    ],
)
def test_every_metric_can_be_promised(promises: str, code: int, digits: Path) -> None:
    said = "\n  ".join(f"require {promise}" for promise in promises.split("; "))
    text = (digits / "small.dlnet").read_text()
    spec = digits / f"promises{code}.dlnet"
    spec.write_text(text.replace("precision  =", f"{said}\n  precision  ="))
    folder = digits / f"promises{code}"
    done = call("train", str(spec), "--out", str(folder), "--quiet")
    assert done.exit_code == code, done.output
    assert done.stderr.count("does not hold") == (said.count("require") if code else 0)
    assert call("evaluate", str(folder)).exit_code == code


# --- steps -------------------------------------------------------------------------------

STEPS = """
model Reader {
  input image: float[1, 8, 8]
  Flatten -> Dense(24, activation=relu) -> Dense(10, activation=softmax)
}
model Painter {
  input noise: float[4]
  Dense(64, activation=sigmoid) -> Reshape((1, 8, 8))
}
data Digits { source = digits()
  validation = 10%
  test = 20% }
train Reader, Painter on Digits {
  optimizer = adam(lr=1e-2)
  epochs    = 2
  precision = float32
  metrics   = [accuracy, auroc, f1]
  require accuracy >= 60%
  require paint < 5
  step read updates Reader {
    minimize cross_entropy(image -> Reader, label)
  }
  step paint updates Painter {
    minimize mse(normal(4) -> Painter, image)
  }
}
"""


def test_steps_are_measured_by_their_losses_and_metrics(tmp_path: Path) -> None:
    made = program(STEPS)
    done = run(made, tmp_path / "run", None)
    assert done.test is not None and done.test.good
    assert list(done.test.figures) == ["read", "paint", "accuracy", "auroc", "f1"]
    assert {"val_read", "val_paint", "val_accuracy", "val_auroc"} <= done.history[0].keys()
    models = trained_models(reopen(tmp_path / "run", made))
    split = load(made.data["Digits"], tmp_path).test.fields
    with torch.no_grad():
        logits = models["Reader"].eval().logits(torch.from_numpy(split["image"]) / 255.0)
    target = torch.from_numpy(split["label"]).long()
    given = (logits.softmax(1), target, 10)
    figures = done.test.figures
    assert figures["read"] == pytest.approx(float(F.cross_entropy(logits, target)), rel=1e-5)
    assert figures["accuracy"] == pytest.approx(
        float(peer.multiclass_accuracy(*given, average="micro"))
    )
    assert figures["auroc"] == pytest.approx(float(peer.multiclass_auroc(*given)), rel=1e-5)
    assert figures["f1"] == pytest.approx(float(peer.multiclass_f1_score(*given)), rel=1e-5)
    assert log(tmp_path / "run")[-1]["val_accuracy"] == done.history[-1]["val_accuracy"]


def test_the_emitted_program_measures_steps_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = program(STEPS)
    run(made, tmp_path / "run", None)
    evaluation = evaluate(reopen(tmp_path / "run", made))
    module = loaded(written(made, tmp_path))
    models = trained_models(reopen(tmp_path / "run", made))
    theirs = [module.Reader(), module.Painter()]
    for one, own in zip(theirs, models.values(), strict=True):
        one.load_state_dict(own.state_dict())
    before = torch.get_rng_state()
    figures = module.measure(*theirs, module.load_data()["test"])
    assert torch.equal(torch.get_rng_state(), before), "measuring draws none of training's numbers"
    assert figures == pytest.approx(evaluation.figures, rel=1e-5)
    monkeypatch.setattr(sys, "argv", ["emitted.py"])
    module.main()
    out = capsys.readouterr().out
    assert "val_accuracy" in out and "test  read" in out


def test_a_broken_promise_of_steps_is_exit_1(tmp_path: Path) -> None:
    spec = tmp_path / "steps.dlnet"
    spec.write_text(STEPS.replace("paint < 5", "paint < 1e-6").replace("= 2\n", "= 1\n", 1))
    done = call("train", str(spec), "--out", str(tmp_path / "run"), "--quiet")
    assert done.exit_code == 1 and "`require paint < 1e-06` does not hold" in done.stderr
    evaluated = call("evaluate", str(tmp_path / "run"))
    assert evaluated.exit_code == 1 and "class  precision" in evaluated.stdout


def test_a_penalty_is_measured_with_gradients(tmp_path: Path) -> None:
    """WGAN-GP's penalty differentiates the critic, on the validation split too."""
    text = """
model Critic { input image: float[1, 8, 8]
  Flatten -> Dense(1) }
data Digits { source = digits()
  validation = 10% }
train Critic on Digits {
  optimizer = sgd(lr=1e-2)
  steps = 3
  precision = float32
  step one updates Critic {
    minimize gradient_penalty(Critic, image, shuffle(image))
  }
  step two updates Critic { minimize mean(abs(image -> Critic)) }
}
"""
    made = program(text)
    done = run(made, tmp_path / "run", None)
    assert done.history[-1]["val_one"] > 0
    model = load_module(emit_module(made, "Critic"))()
    assert model is not None
    module = loaded(written(made, tmp_path))
    figures = module.measure(module.Critic(), module.load_data()["validation"])
    assert set(figures) == {"one", "two"}


def test_more_cells_than_float32_counts() -> None:
    """A batch of large images has more than 2²⁴ cells, from where float32 counts no further."""
    count = 2**24 + 3
    scores, target = torch.zeros(count, 1), torch.zeros(count, dtype=torch.uint8)
    assert metrics.class_hits(scores, target).tolist() == [[count]] * 3
    assert metrics.confusion(scores, target).tolist() == [[count]]

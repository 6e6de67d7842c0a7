"""Emitted training programs: they run by themselves and train as `dlspec train` does."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from data_files import idx_bytes, npz_bytes, png
from random_specs import evaluate
from test_torch_backend import ATTACKS, assert_clean

from dlspec.backends.torch import companions, emit
from dlspec.ir.graph import Program
from dlspec.passes.fit import retargeted
from dlspec.pipeline import compile_text
from dlspec.training.loop import take_step
from dlspec.training.preparing import prepare_training
from dlspec.training.settings import TrainOptions

MODEL = """
# Reads digits.
model Small(classes=10) {
  input image: float[1, 8, 8]
  Conv(6, 3, padding=1, bias=false) -> BatchNorm -> ReLU -> MaxPool(2)
  Flatten -> Dropout(0.1) -> Dense(classes, activation=softmax)
}
"""
DIGITS = "data D { source = digits()\n validation = 10%\n test = 20% }\n"


def spec(settings: str = "", data: str = DIGITS, model: str = MODEL) -> Program:
    """A spec with a `train` of the settings; its loss is cross entropy unless they say."""
    loss = "" if "loss" in settings else "  loss = cross_entropy\n"
    rate = "" if "optimizer" in settings else "  optimizer = adam(lr=1e-2)\n"
    length = "" if "epochs" in settings or "steps" in settings else "  epochs = 2\n"
    name = model.split("model ")[1].split("(")[0].split(" ")[0]
    text = f"{model}{data}train {name} on D {{\n{loss}{rate}{length}{settings}\n}}\n"
    return compile_text(text).checked()


def written(made: Program, folder: Path) -> Path:
    """The program of the first plan in a folder, with what it needs beside it."""
    plan = made.trains[0]
    for name, content in companions(made, plan).items():
        (folder / name).write_bytes(content)
    file = folder / "emitted.py"
    file.write_text(emit(made, plan.model, plan), encoding="utf-8")
    return file


def loaded(file: Path) -> ModuleType:
    definition = importlib.util.spec_from_file_location("emitted", file)
    assert definition is not None and definition.loader is not None
    module = importlib.util.module_from_spec(definition)
    definition.loader.exec_module(module)
    return module


def emitted_losses(module: ModuleType, made: Program, *root: Path) -> list[float]:
    splits = module.load_data(*root)
    torch.manual_seed(made.trains[0].seed)
    model = getattr(module, made.graphs[made.trains[0].model].name)()
    return module.train(model, splits)


def loop_losses(made: Program, folder: Path, steps: int, root: Path = Path()) -> list[float]:
    """The losses of dlspec's own loop, step by step, in plain settings."""
    options = TrainOptions(
        folder, device="cpu", data_root=root, channels_last=False, show="nothing"
    )
    training = prepare_training(made, made.trains[0], options)
    losses = []
    for _ in range(steps):
        before, seen = training.state.totals[0].item(), training.state.seen
        take_step(training)
        count = training.state.seen - seen
        losses.append((training.state.totals[0].item() - before) / count)
    return losses


@pytest.mark.parametrize(
    ("settings", "augment"),
    [
        ("precision = float32", ""),
        (
            "schedule = one_cycle\n gradient_clip = 0.5\n precision = float32",
            "augment = RandomCrop(8, padding=1)\n",
        ),
        (
            "steps = 40\n schedule = cosine(warmup=10%)\n batch_size = 50\n seed = 7\n"
            " precision = float32",
            "transform = Normalize(0.3, 0.4)\n augment = RandomFlip\n",
        ),
        (
            "optimizer = sgd(lr=0.1, momentum=0.9, nesterov=true)\n schedule = step_decay(1, 0.5)\n"
            " precision = float32",
            "transform = Resize(10) -> CenterCrop(8)\n",
        ),
        ("optimizer = rmsprop(lr=1e-3)\n precision = float32", ""),
        (
            "loss = cross_entropy(label_smoothing=0.1)\n precision = float32\n epochs = 1",
            "augment = RandomRotation(15) -> RandomErasing(0.3) -> MixUp(0.4)\n",
        ),
        (
            "precision = float32\n epochs = 1\n metrics = [accuracy]",
            "transform = Resize(8) -> Normalize(0.3, 0.4)\n augment = CutMix(probability=0.5)\n"
            " train_transform = RandomResizedCrop(8, scale=(0.4, 1)) -> ColorJitter(0.3, 0.2) ->"
            " Normalize(0.3, 0.4) -> RandomFlip\n",
        ),
        (
            "precision = float32\n epochs = 1",
            "transform = Grayscale -> Resize(8)\n"
            " train_transform = Grayscale -> Resize(10) -> CenterCrop(8)\n",
        ),
        ("precision = float32\n epochs = 1", "train_transform = Resize(10) -> CenterCrop(8)\n"),
    ],
)
def test_the_losses_are_those_of_dlspecs_own_loop(
    settings: str, augment: str, tmp_path: Path
) -> None:
    made = spec(settings, DIGITS.replace("validation", f"{augment} validation"))
    losses = emitted_losses(loaded(written(made, tmp_path)), made)
    steps = min(len(losses), 45)
    expected = loop_losses(made, tmp_path / "run", steps)
    np.testing.assert_allclose(losses[:steps], expected, rtol=2e-5, atol=1e-6)
    assert_clean(tmp_path)


def test_a_program_runs_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = spec(
        "metrics = [accuracy, top_k(3)]\n require accuracy >= 50%\n"
        " require top_k < 2\n precision = float32"
    )
    module = loaded(written(made, tmp_path))
    monkeypatch.setattr(sys, "argv", ["emitted.py"])
    module.main()
    output = capsys.readouterr().out.splitlines()
    assert output[0].startswith("epoch 1/2  loss ") and "val_accuracy" in output[0]
    assert output[-1].startswith("test  loss ") and "top_k" in output[-1]
    with np.load(tmp_path / "emitted_weights.npz", allow_pickle=False) as weights:
        assert set(weights) >= {"conv1.weight", "batch_norm1.running_var", "dense1.bias"}
        state = {name: torch.from_numpy(weights[name]) for name in weights}
    model = module.Small()
    model.load_state_dict(state)
    x = torch.rand(2, 1, 8, 8)
    values = evaluate(made, made.model("Small"), state, [x])
    torch.testing.assert_close(model.eval()(x), values["softmax1"])


def test_a_promise_that_does_not_hold_ends_a_program_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = spec("metrics = [accuracy]\n require accuracy >= 100%\n epochs = 1")
    module = loaded(written(made, tmp_path))
    monkeypatch.setattr(sys, "argv", ["emitted.py"])
    with pytest.raises(SystemExit, match="`require accuracy >= 1` does not hold"):
        module.main()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gpu_without_a_gpu_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = loaded(written(spec(), tmp_path))
    monkeypatch.setattr(sys, "argv", ["emitted.py", "--gpu"])
    with pytest.raises(SystemExit, match="no GPU"):
        module.main()


# --- every source


def _pixels(count: int, size: int = 8) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, count).astype(np.uint8)
    return random.integers(0, 256, (count, size, size)).astype(np.uint8), labels


def same_as_the_loop(made: Program, root: Path | None, folder: Path) -> list[float]:
    """The losses of the emitted program, held to those of the loop. root: None reads no file."""
    module = loaded(written(made, folder))
    losses = emitted_losses(module, made, *([root] if root is not None else []))
    expected = loop_losses(made, folder / "run", len(losses), root or Path())
    np.testing.assert_allclose(losses, expected, rtol=2e-5, atol=1e-6)
    assert_clean(folder)
    return losses


QUICK = "epochs = 1\n batch_size = 16\n precision = float32"


def test_idx_files(tmp_path: Path) -> None:
    images, labels = _pixels(50)
    (tmp_path / "images").write_bytes(idx_bytes(images))
    (tmp_path / "labels").write_bytes(idx_bytes(labels))
    data = 'data D { source = idx("images", "labels")\n validation = 20% }\n'
    same_as_the_loop(spec(QUICK, data), tmp_path, below(tmp_path))


@pytest.mark.parametrize("validation", ["", "\n validation = 10%"])
def test_mnist(validation: str, tmp_path: Path) -> None:
    root = tmp_path / "mnist"
    root.mkdir()
    for part, count in (("train", 60), ("t10k", 20)):
        images, labels = _pixels(count, 28)
        (root / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (root / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    data = f'data D {{ source = mnist("mnist")\n transform = Normalize(0.13, 0.3){validation} }}\n'
    model = MODEL.replace("[1, 8, 8]", "[1, 28, 28]")
    same_as_the_loop(spec(QUICK, data, model), tmp_path, below(tmp_path))


def test_npz_arrays_and_a_loss_of_numbers(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "a.npz").write_bytes(
        npz_bytes(
            x=random.random((40, 3)),
            z=random.random((40, 2)).astype(np.float32),
            y=random.random(40),
            unused=np.zeros(40),
        )
    )
    model = """model Sum { input x: float[3]
  input z: float[2]
  (x, z) -> Concat -> Dense(1) }
"""
    data = 'data D { source = npz("a.npz")\n test = 10% }\n'
    made = spec(f"{QUICK}\n loss = mse\n metrics = [mae, mse]", data, model)
    made, _ = retargeted(made, made.trains[0], "y")
    same_as_the_loop(made, tmp_path, below(tmp_path))


@pytest.mark.parametrize(
    "chains",
    [
        "transform = Resize(8)\n augment = RandomFlip",
        "transform = Resize(10) -> CenterCrop(8)\n train_transform = RandomResizedCrop(8)",
        "transform = Resize(8)\n train_transform = Resize(8) -> RandomFlip\n augment = MixUp",
    ],
)
@pytest.mark.parametrize("divided", [False, True])
def test_image_folders(divided: bool, chains: str, tmp_path: Path) -> None:
    images, _ = _pixels(24, 12)
    for number, pixels in enumerate(images):
        part = ("train", "validation", "test")[number // 2 % 3] if divided else ""
        folder = tmp_path / "photos" / part / f"class{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        png(folder / f"{number}.png", pixels)
    data = f'data D {{ source = image_folder("photos")\n {chains}\n validation = 20% }}\n'
    same_as_the_loop(spec(QUICK, data), tmp_path, below(tmp_path))


def below(folder: Path) -> Path:
    place = folder / "program"
    place.mkdir()
    return place


def test_a_sigmoid_at_the_end_trains_on_logits(tmp_path: Path) -> None:
    model = "model S { input image: float[1, 8, 8]\n Flatten -> Dense(1) -> Sigmoid }\n"
    made = spec(f"{QUICK}\n loss = binary_cross_entropy\n metrics = [mae]", DIGITS, model)
    text = written(made, tmp_path).read_text()
    assert "scores = model.logits(image)" in text
    assert "F.binary_cross_entropy_with_logits(" in text
    assert "mae(torch.sigmoid(scores), target)" in text or "mae(F.sigmoid(scores), target)" in text
    _same_as_the_loop_digits(made, tmp_path)


def _same_as_the_loop_digits(made: Program, folder: Path) -> None:
    losses = emitted_losses(loaded(folder / "emitted.py"), made)[:10]
    np.testing.assert_allclose(losses, loop_losses(made, folder / "run", 10), rtol=2e-5)
    assert_clean(folder)


# --- text that wants out


def test_no_text_of_a_spec_becomes_code(tmp_path: Path) -> None:
    plain = _skeleton(_documented("plain"))
    for number, attack in enumerate(ATTACKS):
        source = _documented(attack)
        assert _skeleton(source) == plain
        (tmp_path / f"attack{number}.py").write_text(source, encoding="utf-8")
    assert_clean(tmp_path)


def _documented(text: str) -> str:
    """A program with a text in every place where a spec has one."""
    made = spec()
    plan = made.trains[0].model_copy(update={"documentation": text, "target": text})
    data = made.data["D"].model_copy(update={"documentation": text})
    made = made.model_copy(update={"documentation": text, "trains": (plan,), "data": {"D": data}})
    return emit(made, "Small", plan)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("source", ["mnist", "idx", "image_folder", "npz"])
def test_no_path_of_a_spec_becomes_code(attack: str, source: str, tmp_path: Path) -> None:
    texts = {
        "mnist": 'mnist("PATH")',
        "idx": 'idx("PATH", "PATH")',
        "image_folder": 'image_folder("PATH")',
        "npz": 'npz("PATH")',
    }
    data = f"data D {{ source = {texts[source]}\n transform = Resize(8) }}\n"
    made = spec("", data)
    plain = made.data["D"].source
    hostile = plain.model_copy(update=dict.fromkeys(plain.path_arguments, attack))
    changed = made.model_copy(
        update={"data": {"D": made.data["D"].model_copy(update={"source": hostile})}}
    )
    text = emit(changed, "Small", changed.trains[0])
    assert _skeleton(text) == _skeleton(emit(made, "Small", made.trains[0]))


def _skeleton(source: str) -> list[str]:
    """What a source is made of, the contents of its strings left out."""
    return [
        type(node).__name__
        for node in ast.walk(ast.parse(source))
        if not isinstance(node, ast.Constant)
    ]


# --- `dlspec compile`


def _compile(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dlspec", "compile", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_compile_writes_the_digits_beside_a_program_and_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "small.dlnet").write_text(
        f"{MODEL}{DIGITS}train Small on D {{ loss = cross_entropy\n optimizer = adam(1e-2)\n"
        " epochs = 1 }\n"
    )
    assert _compile(tmp_path, "small.dlnet", "--no-train").returncode == 0
    assert not (tmp_path / "digits.npz").exists()
    assert _compile(tmp_path, "small.dlnet").returncode == 0
    assert emitted_losses(loaded(tmp_path / "small.py"), spec("epochs = 1"))[0] > 0
    assert _compile(tmp_path, "small.dlnet").returncode == 0
    (tmp_path / "digits.npz").write_bytes(b"mine")
    before = (tmp_path / "small.py").read_bytes()
    done = _compile(tmp_path, "small.dlnet", "--set", "train.epochs=7")
    assert done.returncode == 3 and "already with other content" in done.stderr
    assert (tmp_path / "digits.npz").read_bytes() == b"mine"
    assert (tmp_path / "small.py").read_bytes() == before
    assert (
        "EPOCHS = 7"
        in _compile(tmp_path, "small.dlnet", "-o", "-", "--set", "train.epochs=7").stdout
    )


def test_compile_names_the_place_of_a_name_that_pytorch_has(tmp_path: Path) -> None:
    (tmp_path / "m.dlnet").write_text(
        "model M { input x: float[4]\n eval = it -> Dense(2)\n eval -> ReLU }\n"
    )
    done = _compile(tmp_path, "m.dlnet")
    taken = done.returncode == 1 and "m.dlnet:2:" in done.stderr and "`eval_`" in done.stderr
    renamed = done.returncode == 0 and "self.eval_ = " in (tmp_path / "m.py").read_text()
    assert taken or renamed, done.stderr

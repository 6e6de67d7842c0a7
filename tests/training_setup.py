"""What the tests of training share: small specs, and modules written by hand for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dlspec.ir.graph import Program
from dlspec.pipeline import compile_text
from dlspec.training import loop
from dlspec.training.checkpoint import newest_checkpoint
from dlspec.training.problems import Interrupted
from dlspec.training.settings import Run, TrainOptions

SMALL = """
model Small(classes=10) {
  input image: float[1, 8, 8]
  Conv(6, 3, padding=1, bias=false) -> BatchNorm -> ReLU -> MaxPool(2)
  Flatten -> Dropout(0.1) -> Dense(classes, activation=softmax)
}
data Digits {
  source     = digits()
  augment    = RandomCrop(8, padding=1)
  validation = 10%
  test       = 20%
}
train Small on Digits {
  loss       = cross_entropy
  optimizer  = adam(lr=1e-2)
  schedule   = one_cycle
  batch_size = 64
  epochs     = 3
  metrics    = [accuracy, top_k(2)]
  precision  = float32
}
"""


class Small(nn.Module):
    """`SMALL` as a person writes it."""

    def __init__(self, ends_in_softmax: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, padding=1, bias=False)
        self.batch_norm1 = nn.BatchNorm2d(6)
        self.dropout1 = nn.Dropout(0.1)
        self.dense1 = nn.Linear(96, 10)

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.batch_norm1(self.conv1(image)))
        x = nn.functional.max_pool2d(x, 2).flatten(1)
        return self.dense1(self.dropout1(x))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.logits(image).softmax(1)


def program(text: str = SMALL, **overrides: str) -> Program:
    """The program of a spec; `train__epochs="2"` overrides `train.epochs`."""
    settings = {name.replace("__", "."): value for name, value in overrides.items()}
    return compile_text(text, overrides=settings).checked()


def run(
    made: Program, folder: Path, build: Callable[[], nn.Module] | None = Small, **options: Any
) -> Run:
    """Train the program's first plan without showing anything."""
    chosen = TrainOptions(folder, **{"show": "nothing", **options})
    return loop.train(made, made.trains[0], chosen, build)


class StopAfter:
    """Stands in for `Interruption`: asks to stop when it is looked at for the n-th time."""

    def __init__(self, looks: int) -> None:
        self.left = looks

    def __enter__(self) -> StopAfter:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def requested(self) -> bool:
        self.left -= 1
        return self.left <= 0


def stopped_run(
    made: Program,
    folder: Path,
    stop: int,
    build: Callable[[], nn.Module] | None = Small,
    **options: Any,
) -> None:
    """A run that is stopped after so many steps, as by Ctrl-C."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "Interruption", lambda: StopAfter(stop))
        with pytest.raises(Interrupted, match="--resume"):
            run(made, folder, build, **options)


def run_in_parts(
    made: Program,
    folder: Path,
    stops: list[int],
    build: Callable[[], nn.Module] | None = Small,
    **options: Any,
) -> Run:
    """The same, stopped after `stops` steps each time, and resumed until it is done."""
    for number, stop in enumerate(stops):
        stopped_run(made, folder, stop, build, resume=number > 0, **options)
    return run(made, folder, build, resume=True, **options)


def log(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl."""
    text = (folder / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of the newest checkpoint."""
    found = newest_checkpoint(folder / "checkpoints")
    assert found is not None
    return {
        name: tensor
        for name, tensor in found.checkpoint.tensors.items()
        if name.startswith("model.")
    }

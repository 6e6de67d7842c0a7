"""What a run begins with: the weights of a file (`start_from`), layers that stay (`freeze`)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from dlspec.data.places import Place
from dlspec.data.problem import DataProblem
from dlspec.ir.paths import within
from dlspec.ir.training import TrainPlan
from dlspec.ir.trainoptions import WeightsFile
from dlspec.training.checkpoint import read_checkpoint
from dlspec.training.freezing import freeze
from dlspec.training.problems import SpecProblem
from dlspec.training.weightsfile import model_weights, take_weights


class Begun(NamedTuple):
    """Where the weights came from: facts for run.json, and lines for people."""

    facts: dict[str, Any]
    notes: list[str]


def begin_with(whole: nn.Module, start: WeightsFile, root: Path) -> Begun:
    """Put the weights of a file into a model, or into several by their names.

    root: where the paths of the spec start. Raises SpecProblem where the file does not fit or is
    damaged, DataProblem where it is not there.
    """
    tensors, digest = read_weights(start.path, root)
    try:
        went = take_weights(whole, tensors, start.fresh, start.unused)
    except ValueError as problem:
        raise SpecProblem(
            f"`{start.path}` does not fit the model: {problem}; "
            '`start_from = weights("…", fresh=[head], unused=[old])` names the layers that start '
            "anew, and those of the file that have no place"
        ) from None
    facts = {"path": start.path, "sha256": digest, **went}
    return Begun(facts, _table(start.path, went))


def read_weights(path: str, root: Path) -> tuple[dict[str, torch.Tensor], str]:
    """The weights of a safetensors file or of a checkpoint, and the file's SHA-256."""
    place = Place(root, confined=True)
    file = place.file(path, "`start_from` names a file of weights")
    if file.suffix != ".safetensors":
        raise DataProblem(f"{file}: weights are read from safetensors files alone")
    content = file.read_bytes()
    try:
        tensors = load(content)
    except SafetensorError:
        raise SpecProblem(f"`{path}` is damaged, or no safetensors file") from None
    if "totals" in tensors:
        facts = file.with_suffix(".json")
        place.check_inside(facts)
        tensors = read_checkpoint(facts).tensors
    return model_weights(tensors), hashlib.sha256(content).hexdigest()


def _table(path: str, went: dict[str, list[str]]) -> list[str]:
    """A line for each place that weights came from or went to, with their layers."""
    words = {
        "taken": f"from `{path}`",
        "fresh": "starting anew",
        "unused": f"left in `{path}`",
    }
    return [
        f"{words[name]}: {len(names)} tensors of {_layers(names)}"
        for name, names in went.items()
        if names
    ]


def _layers(names: Iterable[str]) -> str:
    layers = list(dict.fromkeys(name.rpartition(".")[0] or name for name in names))
    shown = ", ".join(f"`{layer}`" for layer in layers[:6])
    return shown + (f" and {len(layers) - 6} more" if len(layers) > 6 else "")


def set_training(plan: TrainPlan, models: Iterable[nn.Module], paths: tuple[str, ...]) -> None:
    """Put models into training, except for what the plan freezes.

    paths: what the names of each model's weights begin with.
    """
    for path, model in zip(paths, models, strict=True):
        model.train()
        freeze(model, within(path if len(paths) > 1 else None, plan.freeze))

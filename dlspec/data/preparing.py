"""From batches as they are stored to batches as the model takes them, on the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F

from dlspec.data import augmenting, batches, colours
from dlspec.ir.data import DataPlan
from dlspec.ir.datacheck import training_order
from dlspec.ir.transforming import call_of
from dlspec.ir.transforms import AnyTransform

Batch: TypeAlias = dict[str, torch.Tensor]
TrainingFunction: TypeAlias = Callable[[Batch, torch.Generator], Batch]
EvaluationFunction: TypeAlias = Callable[[Batch], Batch]

_FILES = {"augmenting": augmenting, "batches": batches, "colours": colours}


def prepare(
    plan: DataPlan, mixed: Mapping[str, int] | None = None
) -> tuple[TrainingFunction, EvaluationFunction]:
    """The two functions that make the model's inputs of a stored batch.

    plan:  `Dataset.plan`, which leaves out what loading has done already.
    mixed: `mixed_classes` of what is trained: the fields that become shares of classes where
           the plan mixes examples.

    Both take fields by name, on any device, and give them anew; images in uint8 become
    float32 in 0 to 1. The first is for training: it takes a generator too and augments.
    The second is for validation, test and prediction.
    """
    training = [_Stage(transform) for transform in training_order(plan)]
    evaluation = [_Stage(transform) for transform in plan.transform]
    classes = dict(mixed or {})

    def for_training(batch: Batch, generator: torch.Generator) -> Batch:
        shares = {name: _shares(batch[name], count) for name, count in classes.items()}
        return _apply({**batch, **shares}, training, generator, tuple(shares))

    def for_evaluation(batch: Batch) -> Batch:
        return _apply(batch, evaluation, None, ())

    return for_training, for_evaluation


class _Stage:
    """A transform as a function of images and, where it is random, a generator."""

    def __init__(self, transform: AnyTransform) -> None:
        call = call_of(transform)
        function: Any = getattr(_FILES[call.file], call.function)
        self.function = partial(_called, function, call.arguments)
        self.random, self.mixes = transform.random, transform.mixes


def _called(
    function: Callable[..., Any], arguments: tuple[object, ...], images: torch.Tensor, *more: object
) -> Any:
    return function(images, *arguments, *more)


def _shares(classes: torch.Tensor, count: int) -> torch.Tensor:
    return F.one_hot(classes, count).float()


def _apply(
    batch: Batch,
    stages: list[_Stage],
    generator: torch.Generator | None,
    mixed: tuple[str, ...],
) -> Batch:
    """The batch behind the stages; `mixed` names its fields that are shares of classes."""
    batch = dict(batch)
    image = batch.get("image")
    if image is None:
        return batch
    if image.dtype == torch.uint8:
        image = image.float() / 255
    for stage in stages:
        if not stage.random:
            image = stage.function(image)
            continue
        assert generator is not None, "random transforms are for training alone"
        image = stage.function(image, generator)
        if stage.mixes:
            image, share = image
            for name in mixed:
                batch[name] = augmenting.mix_classes(batch[name], share)
    batch["image"] = image
    return batch

"""From batches as they are stored to batches as the model takes them, on the device."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch

from dlspec.data import batches
from dlspec.ir.data import (
    AnyTransform,
    CenterCrop,
    DataPlan,
    Normalize,
    RandomCrop,
    RandomFlip,
    Resize,
)
from dlspec.ir.datacheck import training_order

Batch: TypeAlias = dict[str, torch.Tensor]
TrainingFunction: TypeAlias = Callable[[Batch, torch.Generator], Batch]
EvaluationFunction: TypeAlias = Callable[[Batch], Batch]
_Stage: TypeAlias = Callable[[torch.Tensor, torch.Generator | None], torch.Tensor]


def prepare(plan: DataPlan) -> tuple[TrainingFunction, EvaluationFunction]:
    """The two functions that make the model's inputs of a stored batch.

    plan: `Dataset.plan`, which leaves out what loading has done already.

    Both take fields by name, on any device, and give them anew; images in uint8 become
    float32 in 0 to 1. The first is for training: it takes a generator too and augments.
    The second is for validation, test and prediction.
    """
    training = [_stage(transform) for transform in training_order(plan)]
    evaluation = [_stage(transform) for transform in plan.transform]

    def for_training(batch: Batch, generator: torch.Generator) -> Batch:
        return _apply(batch, training, generator)

    def for_evaluation(batch: Batch) -> Batch:
        return _apply(batch, evaluation, None)

    return for_training, for_evaluation


def _apply(batch: Batch, stages: list[_Stage], generator: torch.Generator | None) -> Batch:
    batch = dict(batch)
    image = batch.get("image")
    if image is None:
        return batch
    if image.dtype == torch.uint8:
        image = image.float() / 255
    for stage in stages:
        image = stage(image, generator)
    batch["image"] = image
    return batch


def _stage(transform: AnyTransform) -> _Stage:
    match transform:
        case Resize():
            return partial(_fixed, batches.resize, _pair(transform.size))
        case CenterCrop():
            return partial(_fixed, batches.center_crop, _pair(transform.size))
        case Normalize():
            return partial(_fixed, batches.normalize, (transform.mean, transform.std))
        case RandomCrop():
            arguments = (*_pair(transform.size), transform.padding)
            return partial(_random, batches.random_crop, arguments)
        case RandomFlip():
            return partial(_random, batches.random_flip, (transform.probability,))


def _fixed(
    function: Callable[..., torch.Tensor],
    arguments: tuple[object, ...],
    images: torch.Tensor,
    generator: torch.Generator | None,
) -> torch.Tensor:
    return function(images, *arguments)


def _random(
    function: Callable[..., torch.Tensor],
    arguments: tuple[object, ...],
    images: torch.Tensor,
    generator: torch.Generator | None,
) -> torch.Tensor:
    assert generator is not None, "random transforms are for training alone"
    return function(images, *arguments, generator)


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)

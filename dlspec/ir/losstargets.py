"""Whether an output and a target fit a loss or a metric."""

from __future__ import annotations

from dlspec.ir.dims import Dim
from dlspec.ir.losses import Loss
from dlspec.ir.metrics import Metric
from dlspec.ir.types import TensorType


def target_problem(
    compares: Loss | Metric,
    output: TensorType,
    target: TensorType,
    classes: tuple[str, ...] | None = None,
) -> str | None:
    """Why output and target do not fit, to stand behind the name of the loss, or None.

    classes: the names of the data's classes, where they are known.
    """
    if output.dtype != "float":
        return f"needs a float output; the model gives {output}"
    if compares.kind_name() == "ctc":
        return _sequence_problem(output, target)
    if compares.target == "classes":
        return _classes_problem(output, target, classes)
    if output.shape != target.shape and output.shape != (*target.shape, 1):
        return f"compares output and target one by one; they are {output} and {target}"
    return None


def class_axis(output: TensorType, target: TensorType) -> int | None:
    """The axis of the scores, or None where the target has no number for each row of them.

    The last axis of [features] and [length, features], the channels of an image.
    """
    if output.rank and output.shape[:-1] == target.shape:
        return output.rank - 1
    if output.rank and output.shape[1:] == target.shape:
        return 0
    return output.rank - 1 if output.rank == 1 and target.shape == (1,) else None


def _classes_problem(
    output: TensorType, target: TensorType, classes: tuple[str, ...] | None
) -> str | None:
    if target.dtype != "int":
        return f"compares with class numbers; the target is {target}"
    axis = class_axis(output, target)
    if axis is None:
        return (
            f"compares scores {output.shape_text()} with a class number for each; the "
            f"target is {target}"
        )
    scores: Dim = output.shape[axis]
    if classes is not None and isinstance(scores, int) and scores < len(classes):
        return f"has {scores} scores for the {len(classes)} classes of the data"
    return None


def _sequence_problem(output: TensorType, target: TensorType) -> str | None:
    if output.rank != 2 or target.rank != 1 or target.dtype != "int":
        return (
            "compares scores [length, classes] with class numbers [symbols]; they are "
            f"{output} and {target}"
        )
    return None

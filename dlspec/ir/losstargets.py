"""Whether an output and a target fit a loss or a metric."""

from __future__ import annotations

from typing import Literal, NamedTuple

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


class Comparison(NamedTuple):
    """What metrics compare.

    kind:  scores of `classes` with a class number for each row of them, `labels` with yes or no
           for each, or `values`.
    size:  how many classes or labels, 1 of values.
    axis:  where the classes stand, counted from the last axis; None but for classes.
    rows:  whether an example has several rows of scores.
    """

    kind: Literal["classes", "labels", "values"]
    size: int = 1
    axis: int | None = None
    rows: bool = False


def comparison(loss: Loss | None, output: TensorType, target: TensorType) -> Comparison:
    """How metrics compare an output, whose loss is given where there is one, with a target."""
    if yes_or_no(loss, output, target):
        size = output.shape[0] if output.rank == 1 else 1
        return Comparison("labels", size if isinstance(size, int) else 1)
    of_values = loss is not None and loss.target == "values"
    axis = None if of_values else class_axis(output, target)
    size = output.shape[axis] if axis is not None else None
    if target.dtype != "int" or axis is None or not isinstance(size, int):
        return Comparison("values")
    return Comparison("classes", size, axis - output.rank, output.rank > 1)


def yes_or_no(loss: Loss | None, output: TensorType, target: TensorType) -> bool:
    """Whether scores are for yes or no to a question each.

    Some losses say so; of `minimize`, whose losses may compare anything, the shapes do.
    """
    if loss is not None:
        return loss.target == "values" and loss.from_logits is not None
    alike = output.shape in (target.shape, (*target.shape, 1))
    return alike and (output.shape == (1,) or class_axis(output, target) is None)


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

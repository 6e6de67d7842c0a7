"""The metrics: figures of a whole split."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from dlspec.ir.arguments import PositiveInt
from dlspec.ir.frozen import Field
from dlspec.ir.losses import Target
from dlspec.ir.option import Option


class Metric(Option):
    """A figure of a whole split. `higher_is_better` says which end is good."""

    higher_is_better: ClassVar[bool] = False
    target: ClassVar[Target] = "values"
    yes_or_no: ClassVar[bool] = False
    """True where it also takes scores of the target's own size, each for yes or no."""


class Accuracy(Metric):
    summary = "share of examples whose likeliest class is the right one"
    higher_is_better = True
    target = "classes"
    yes_or_no = True
    kind: Literal["accuracy"] = "accuracy"


class TopK(Metric):
    summary = "share of examples with the right class among the k likeliest"
    higher_is_better = True
    target = "classes"
    kind: Literal["top_k"] = "top_k"
    k: PositiveInt = Field(5, description="how many of the likeliest classes count")


class MeanAbsoluteErrorMetric(Metric):
    summary = "mean absolute error"
    kind: Literal["mae"] = "mae"


class MeanSquaredErrorMetric(Metric):
    summary = "mean squared error"
    kind: Literal["mse"] = "mse"


AnyMetric: TypeAlias = Annotated[
    Accuracy | TopK | MeanAbsoluteErrorMetric | MeanSquaredErrorMetric,
    Field(discriminator="kind"),
]

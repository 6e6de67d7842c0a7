"""The metrics: figures of a whole split."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias, get_args

from dlspec.ir.arguments import PositiveInt
from dlspec.ir.frozen import Field
from dlspec.ir.losses import Target
from dlspec.ir.option import Option

Average: TypeAlias = Literal["macro", "micro", "weighted"]


class Metric(Option):
    """A figure of a whole split.

    higher_is_better: which end is good.
    yes_or_no:        it also takes scores of the target's own size, each for yes or no.
    share:            it is shown as a percentage.
    number:           it is one number, so that it can be promised and can choose the best weights.
    running:          it is counted in training too, where a step must not wait for the device.
    """

    higher_is_better: ClassVar[bool] = False
    target: ClassVar[Target] = "values"
    yes_or_no: ClassVar[bool] = False
    share: ClassVar[bool] = False
    number: ClassVar[bool] = True
    running: ClassVar[bool] = True


class OfClasses(Metric):
    """What compares the scores of classes, or of yes and no, with what is right."""

    higher_is_better = True
    target = "classes"
    yes_or_no = True


class Accuracy(OfClasses):
    summary = "share of examples whose likeliest class is the right one"
    share = True
    kind: Literal["accuracy"] = "accuracy"


class TopK(OfClasses):
    summary = "share of examples with the right class among the k likeliest"
    yes_or_no = False
    share = True
    kind: Literal["top_k"] = "top_k"
    k: PositiveInt = Field(5, description="how many of the likeliest classes count")


class Averaged(OfClasses):
    """A figure of each class, and one number for all of them."""

    average: Average = Field(
        "macro",
        description="the mean over classes (`macro`), the figure of all examples together (`micro`)"
        " or the mean with each class as heavy as it is frequent (`weighted`)",
    )


class Precision(Averaged):
    summary = "share of those called a class that are of it"
    share = True
    kind: Literal["precision"] = "precision"


class Recall(Averaged):
    summary = "share of those of a class that are called it"
    share = True
    kind: Literal["recall"] = "recall"


class F1(Averaged):
    summary = "harmonic mean of precision and recall"
    aliases = ("f1_score", "F1Score")
    share = True
    kind: Literal["f1"] = "f1"


class Auroc(OfClasses):
    summary = "chance that one of a class gets a higher score than one of another"
    aliases = ("auc", "roc_auc", "ROCAUC")
    running = False
    kind: Literal["auroc"] = "auroc"
    average: Literal["macro", "weighted"] = Field(
        "macro",
        description="the mean over classes, each against the rest, all alike (`macro`) or each "
        "as heavy as it is frequent (`weighted`)",
    )


class Confusion(OfClasses):
    summary = "how many examples of each class are called what"
    aliases = ("confusion_matrix",)
    number = False
    running = False
    kind: Literal["confusion"] = "confusion"


class Perplexity(Metric):
    summary = "e to the mean cross entropy: among how many equally likely classes it hesitates"
    target = "classes"
    kind: Literal["perplexity"] = "perplexity"


class MeanAbsoluteErrorMetric(Metric):
    summary = "mean absolute error"
    kind: Literal["mae"] = "mae"


class MeanSquaredErrorMetric(Metric):
    summary = "mean squared error"
    kind: Literal["mse"] = "mse"


AnyMetric: TypeAlias = Annotated[
    Accuracy
    | TopK
    | Precision
    | Recall
    | F1
    | Auroc
    | Confusion
    | Perplexity
    | MeanAbsoluteErrorMetric
    | MeanSquaredErrorMetric,
    Field(discriminator="kind"),
]

MOST_CLASSES = 1000
"""In a confusion matrix: its cells are counted for every batch."""
METRICS: tuple[type[Metric], ...] = get_args(get_args(AnyMetric)[0])
SHARES = tuple(metric.kind_name() for metric in METRICS if metric.share)
"""Metrics that are shown as percentages."""

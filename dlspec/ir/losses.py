"""The losses: what each compares, and how PyTorch computes it, averaged over the batch."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from dlspec.ir.arguments import (
    Expected,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    Share,
)
from dlspec.ir.forms import Argument
from dlspec.ir.frozen import Field
from dlspec.ir.option import Option

Target: TypeAlias = Literal["classes", "values"]
"""What stands beside the output: a class number for a row of scores, or values like its own."""

ClassWeights: TypeAlias = Annotated[
    tuple[PositiveFloat, ...] | None, Expected("a list with a number for each class, or `none`")
]


class Loss(Option):
    """A loss of the model's output and a target, averaged over the batch.

    from_logits: the final activation that the loss computes itself, stably: a model that
                 ends in it trains on what stands before it.
    function:    what computes it, over scores and target; `dlspec.training.losses` has those
                 that PyTorch lacks.
    by_element:  the loss is a mean over elements of one tensor, not over classes.
    """

    from_logits: ClassVar[str | None] = None
    target: ClassVar[Target] = "values"
    function: ClassVar[str]

    def arguments(self) -> dict[str, Argument]:
        """The keywords of the call that are not PyTorch's defaults."""
        return {}

    @property
    def own(self) -> bool:
        """Whether dlspec brings the function."""
        return not self.function.startswith("F.")


class CrossEntropy(Loss):
    summary = "cross entropy of class scores and a class number"
    from_logits = "Softmax"
    target = "classes"
    function = "F.cross_entropy"
    aliases = (
        "categorical_crossentropy",
        "sparse_categorical_crossentropy",
        "crossentropy",
        "CrossEntropyLoss",
    )
    kind: Literal["cross_entropy"] = "cross_entropy"
    label_smoothing: Share = Field(0.0, description="share of each target spread over all classes")
    class_weights: ClassWeights = Field(None, description="a weight for each class")

    def arguments(self) -> dict[str, Argument]:
        found: dict[str, Argument] = {}
        if self.class_weights is not None:
            found["weight"] = self.class_weights
        if self.label_smoothing:
            found["label_smoothing"] = self.label_smoothing
        return found


class BinaryCrossEntropy(Loss):
    summary = "cross entropy of independent yes-or-no scores and 0 or 1"
    from_logits = "Sigmoid"
    function = "F.binary_cross_entropy_with_logits"
    aliases = ("binary_crossentropy", "bce", "BCELoss", "BCEWithLogitsLoss")
    kind: Literal["binary_cross_entropy"] = "binary_cross_entropy"


class MeanSquaredError(Loss):
    summary = "mean squared error"
    function = "F.mse_loss"
    aliases = ("mean_squared_error", "MSELoss", "l2")
    kind: Literal["mse"] = "mse"


class MeanAbsoluteError(Loss):
    summary = "mean absolute error"
    function = "F.l1_loss"
    aliases = ("mean_absolute_error", "L1Loss", "l1")
    kind: Literal["mae"] = "mae"


class Huber(Loss):
    summary = "squared below `delta`, linear with slope `delta` above (Huber 1964)"
    function = "F.huber_loss"
    aliases = ("HuberLoss",)
    kind: Literal["huber"] = "huber"
    delta: PositiveFloat = Field(1.0, description="where it becomes linear")

    def arguments(self) -> dict[str, Argument]:
        return {"delta": self.delta} if self.delta != 1 else {}


class SmoothL1(Loss):
    summary = "squared below `beta`, linear with slope 1 above (Girshick 2015)"
    function = "F.smooth_l1_loss"
    aliases = ("SmoothL1Loss",)
    kind: Literal["smooth_l1"] = "smooth_l1"
    beta: NonNegativeFloat = Field(1.0, description="where it becomes linear")

    def arguments(self) -> dict[str, Argument]:
        return {"beta": self.beta} if self.beta != 1 else {}


class NegativeLogLikelihood(Loss):
    summary = "negative log likelihood of log probabilities, as `LogSoftmax` gives them"
    target = "classes"
    function = "F.nll_loss"
    aliases = ("NLLLoss", "negative_log_likelihood")
    kind: Literal["nll"] = "nll"
    class_weights: ClassWeights = Field(None, description="a weight for each class")

    def arguments(self) -> dict[str, Argument]:
        return {"weight": self.class_weights} if self.class_weights is not None else {}


class KlDivergence(Loss):
    summary = "divergence of probabilities (the target) from log probabilities (the output)"
    function = "F.kl_div"
    aliases = ("KLDivLoss", "kld", "kl_div")
    kind: Literal["kl_divergence"] = "kl_divergence"

    def arguments(self) -> dict[str, Argument]:
        return {"reduction": "batchmean"}


class Hinge(Loss):
    summary = "how far right and wrong scores are from a margin of 1; targets are 0 or 1"
    function = "hinge"
    aliases = ("HingeLoss", "hinge_loss")
    kind: Literal["hinge"] = "hinge"


class Focal(Loss):
    summary = "cross entropy that counts easy examples less (Lin et al. 2017)"
    from_logits = "Softmax"
    target = "classes"
    function = "focal"
    aliases = ("focal_loss", "FocalLoss")
    kind: Literal["focal"] = "focal"
    gamma: NonNegativeFloat = Field(2.0, description="how much less; 0 is cross entropy")

    def arguments(self) -> dict[str, Argument]:
        return {"gamma": self.gamma}


class CosineSimilarity(Loss):
    summary = "1 minus the cosine of the angle between output and target, over the last axis"
    function = "cosine_distance"
    aliases = ("CosineEmbeddingLoss", "CosineSimilarityLoss")
    kind: Literal["cosine_similarity"] = "cosine_similarity"


class Ctc(Loss):
    summary = "of all ways to spread a shorter target along the output's steps (Graves 2006)"
    function = "ctc"
    aliases = ("CTCLoss", "ctc_loss")
    kind: Literal["ctc"] = "ctc"
    blank: NonNegativeInt = Field(0, description="the class that stands for no symbol, and pads")

    def arguments(self) -> dict[str, Argument]:
        return {"blank": self.blank}


AnyLoss: TypeAlias = Annotated[
    CrossEntropy
    | BinaryCrossEntropy
    | MeanSquaredError
    | MeanAbsoluteError
    | Huber
    | SmoothL1
    | NegativeLogLikelihood
    | KlDivergence
    | Hinge
    | Focal
    | CosineSimilarity
    | Ctc,
    Field(discriminator="kind"),
]

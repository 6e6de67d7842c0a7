"""How a model is fitted: losses, optimizers, schedules, metrics, and the plan of a `train`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from dlspec.ir.arguments import (
    Float,
    Fraction,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Seed,
    Share,
)
from dlspec.ir.forms import Call
from dlspec.ir.frozen import Field, Frozen
from dlspec.ir.option import Option

# --- losses ----------------------------------------------------------------


Target: TypeAlias = Literal["classes", "values"]
"""What stands beside the output: a class number for a row of scores, or values like its own."""


class Loss(Option):
    """A loss of the model's output and a target, averaged over the batch.

    from_logits: the final activation that the loss computes itself, stably: a model that
                 ends in it trains on what stands before it.
    """

    from_logits: ClassVar[str | None] = None
    target: ClassVar[Target] = "values"

    def torch(self) -> Call:
        """The call without its first two arguments, output and target."""
        raise NotImplementedError


class CrossEntropy(Loss):
    summary = "cross entropy of class scores and a class number"
    from_logits = "Softmax"
    target = "classes"
    aliases = (
        "categorical_crossentropy",
        "sparse_categorical_crossentropy",
        "crossentropy",
        "CrossEntropyLoss",
    )
    kind: Literal["cross_entropy"] = "cross_entropy"
    label_smoothing: Share = Field(0.0, description="share of each target spread over all classes")

    def torch(self) -> Call:
        kwargs = {"label_smoothing": self.label_smoothing} if self.label_smoothing else {}
        return Call("F.cross_entropy", (), kwargs)


class BinaryCrossEntropy(Loss):
    summary = "cross entropy of independent yes-or-no scores and 0 or 1"
    from_logits = "Sigmoid"
    aliases = (
        "binary_crossentropy",
        "bce",
        "BCELoss",
        "BCEWithLogitsLoss",
    )
    kind: Literal["binary_cross_entropy"] = "binary_cross_entropy"

    def torch(self) -> Call:
        return Call("F.binary_cross_entropy_with_logits")


class MeanSquaredError(Loss):
    summary = "mean squared error"
    aliases = ("mean_squared_error", "MSELoss", "l2")
    kind: Literal["mse"] = "mse"

    def torch(self) -> Call:
        return Call("F.mse_loss")


AnyLoss: TypeAlias = Annotated[
    CrossEntropy | BinaryCrossEntropy | MeanSquaredError, Field(discriminator="kind")
]

# --- optimizers: PyTorch's, with its arguments -------------------------------


class Optimizer(Option):
    """An optimizer. `torch` gives the constructor without its first argument, the parameters."""

    function: ClassVar[str]

    def torch(self) -> Call:
        """`torch.optim.Adam(lr=0.001)`: the learning rate and what differs from the default."""
        kwargs = {
            name: getattr(self, name)
            for name, field in type(self).model_fields.items()
            if name != "kind" and (name == "lr" or getattr(self, name) != field.default)
        }
        return Call(self.function, (), kwargs)


_RATE = "learning rate"
_DECAY = "weight decay (L2)"
_EPS = "added to the denominator"
Betas: TypeAlias = tuple[Fraction, Fraction]


class Sgd(Optimizer):
    summary = "stochastic gradient descent"
    function = "torch.optim.SGD"
    kind: Literal["sgd"] = "sgd"
    lr: PositiveFloat = Field(description=_RATE)
    momentum: NonNegativeFloat = Field(0.0, description="momentum")
    nesterov: bool = Field(False, description="Nesterov's momentum")
    weight_decay: NonNegativeFloat = Field(0.0, description=_DECAY)


class Adagrad(Optimizer):
    summary = "Adagrad (Duchi et al. 2011)"
    function = "torch.optim.Adagrad"
    kind: Literal["adagrad"] = "adagrad"
    lr: PositiveFloat = Field(0.01, description=_RATE)
    lr_decay: NonNegativeFloat = Field(0.0, description="decay of the learning rate")
    weight_decay: NonNegativeFloat = Field(0.0, description=_DECAY)
    eps: PositiveFloat = Field(1e-10, description=_EPS)


class Adadelta(Optimizer):
    summary = "Adadelta (Zeiler 2012)"
    function = "torch.optim.Adadelta"
    kind: Literal["adadelta"] = "adadelta"
    lr: PositiveFloat = Field(1.0, description=_RATE)
    rho: Fraction = Field(0.9, description="decay of the running averages")
    eps: PositiveFloat = Field(1e-6, description=_EPS)
    weight_decay: NonNegativeFloat = Field(0.0, description=_DECAY)


class RmsProp(Optimizer):
    summary = "RMSprop (Hinton's lecture 6)"
    function = "torch.optim.RMSprop"
    kind: Literal["rmsprop"] = "rmsprop"
    lr: PositiveFloat = Field(0.01, description=_RATE)
    alpha: Fraction = Field(0.99, description="decay of the running average")
    eps: PositiveFloat = Field(1e-8, description=_EPS)
    weight_decay: NonNegativeFloat = Field(0.0, description=_DECAY)
    momentum: NonNegativeFloat = Field(0.0, description="momentum")
    centered: bool = Field(False, description="divide by the variance, not the second moment")


class Adam(Optimizer):
    summary = "Adam (Kingma, Ba 2015)"
    function = "torch.optim.Adam"
    kind: Literal["adam"] = "adam"
    lr: PositiveFloat = Field(1e-3, description=_RATE)
    betas: Betas = Field((0.9, 0.999), description="decay of the two moments")
    eps: PositiveFloat = Field(1e-8, description=_EPS)
    weight_decay: NonNegativeFloat = Field(0.0, description=_DECAY)
    amsgrad: bool = Field(False, description="AMSGrad's maximum of second moments")


class AdamW(Optimizer):
    summary = "Adam with decoupled weight decay (Loshchilov, Hutter 2019)"
    function = "torch.optim.AdamW"
    kind: Literal["adamw"] = "adamw"
    lr: PositiveFloat = Field(1e-3, description=_RATE)
    betas: Betas = Field((0.9, 0.999), description="decay of the two moments")
    eps: PositiveFloat = Field(1e-8, description=_EPS)
    weight_decay: NonNegativeFloat = Field(0.01, description="decoupled weight decay")
    amsgrad: bool = Field(False, description="AMSGrad's maximum of second moments")


AnyOptimizer: TypeAlias = Annotated[
    Sgd | Adagrad | Adadelta | RmsProp | Adam | AdamW, Field(discriminator="kind")
]

# --- schedules ---------------------------------------------------------------


class Schedule(Option):
    """How the learning rate goes, as a factor of the optimizer's at each step."""


class Constant(Schedule):
    summary = "the learning rate stays what it is"
    kind: Literal["constant"] = "constant"


class StepDecay(Schedule):
    summary = "multiplies the learning rate by `gamma` every `period` epochs"
    aliases = ("StepLR",)
    kind: Literal["step_decay"] = "step_decay"
    period: PositiveInt = Field(description="epochs between two decays")
    gamma: PositiveFloat = Field(0.1, description="factor of one decay")


class Cosine(Schedule):
    summary = "a linear warm-up, then half a cosine down to `final`"
    aliases = ("CosineAnnealingLR", "cosine_annealing")
    kind: Literal["cosine"] = "cosine"
    warmup: Fraction = Field(0.0, description="share of the steps for the warm-up")
    final: Share = Field(0.0, description="where it ends, as a share of the learning rate")


class OneCycle(Schedule):
    summary = "up from 1/25 to the learning rate and down to 1/250,000 (Smith 2018)"
    aliases = ("OneCycleLR",)
    kind: Literal["one_cycle"] = "one_cycle"
    warmup: Fraction = Field(0.3, description="share of the steps in which it rises")


AnySchedule: TypeAlias = Annotated[
    Constant | StepDecay | Cosine | OneCycle, Field(discriminator="kind")
]

# --- metrics -----------------------------------------------------------------


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

# --- the plan ----------------------------------------------------------------


class Requirement(Frozen):
    """`require accuracy >= 97%` in a `train`: checked on the test split."""

    metric: str
    """`loss`, or the name of one of the plan's metrics, `accuracy` or `top_k`."""
    operator: Literal["<", "<=", ">", ">=", "==", "!="]
    value: Float


class TrainSettings(Frozen):
    """The settings of a `train` that are plain values."""

    batch_size: PositiveInt = Field(64, description="examples in a batch")
    epochs: PositiveInt | None = Field(None, description="passes over the training split")
    steps: PositiveInt | None = Field(None, description="optimizer steps, instead of epochs")
    precision: Literal["auto", "float32", "bf16"] = Field(
        "auto", description="bf16 where the device computes it natively, else float32"
    )
    gradient_clip: PositiveFloat | None = Field(None, description="greatest norm of the gradient")
    seed: Seed = Field(0, description="seed of weights, order and augmentation")


class TrainPlan(TrainSettings):
    """One `train` declaration with every default filled in.

    `model` and `data` are keys of the program's graphs and data; `output` and `target` name
    the model's output and the data's field that the loss compares; `feeds` says which field of
    the data goes to which input of the model (input name to field name).
    """

    model: str
    data: str
    documentation: str = ""
    output: str
    target: str
    feeds: dict[str, str]
    loss: AnyLoss
    optimizer: AnyOptimizer
    schedule: AnySchedule = Field(default_factory=Constant)
    metrics: tuple[AnyMetric, ...] = ()
    requires: tuple[Requirement, ...] = ()

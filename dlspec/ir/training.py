"""How models are fitted: the plan of a `train`."""

from __future__ import annotations

from typing import Literal

from dlspec.ir.arguments import Float, OpenFraction, PositiveFloat, PositiveInt, Seed
from dlspec.ir.frozen import Field, Frozen
from dlspec.ir.losses import AnyLoss
from dlspec.ir.metrics import AnyMetric
from dlspec.ir.optimizers import AnyOptimizer
from dlspec.ir.schedules import AnySchedule, Constant
from dlspec.ir.starts import AnyStart
from dlspec.ir.trainoptions import AnyRegularization, LayerPaths, Patience, WeightsFile


class Requirement(Frozen):
    """`require accuracy >= 97%` in a `train`: checked on the test split."""

    metric: str
    """`loss`, one of several steps, or one of the plan's metrics, `accuracy` or `top_k`."""
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
    accumulate: PositiveInt = Field(1, description="batches whose gradients make one step")
    ema: OpenFraction | None = Field(None, description="decay of the averaged weights")
    seed: Seed = Field(0, description="seed of weights, order and augmentation")


class StepPlan(Frozen):
    """One optimizer's work on a batch: what it minimises, and which models it changes.

    name:      as the spec calls it; `loss` where the whole `train` is one step.
    updates:   the names of the models that it changes.
    objective: a key of `Program.objectives`, the graph of what is minimised.
    """

    name: str
    updates: tuple[str, ...]
    objective: str
    every: PositiveInt = 1
    optimizer: AnyOptimizer
    schedule: AnySchedule = Field(default_factory=Constant)
    gradient_clip: PositiveFloat | None = None


class TrainPlan(TrainSettings):
    """One `train` declaration with every default filled in.

    `models` and `data` are keys of the program's graphs and data; `output` and `target` name
    the output of the first model and the data's field that metrics compare; `feeds` says which
    field of the data goes to which input of that model (input name to field name).

    `loss` is that of the short form, `loss = cross_entropy`; the steps hold it too.
    """

    models: tuple[str, ...]
    data: str
    documentation: str = ""
    output: str
    target: str
    feeds: dict[str, str]
    init: AnyStart | None = None
    """How the models' weights start, but for those that say it themselves; their graphs say so."""
    loss: AnyLoss | None = None
    early_stopping: Patience | None = None
    regularization: AnyRegularization | None = None
    freeze: LayerPaths = ()
    """Paths of layers whose weights stay as they are; `*` stands for any part of a name."""
    start_from: WeightsFile | None = None
    each_batch: tuple[StepPlan, ...]
    metrics: tuple[AnyMetric, ...] = ()
    requires: tuple[Requirement, ...] = ()

    @property
    def losses(self) -> tuple[str, ...]:
        """The names of what is minimised, as logs have them: `loss`, or those of several steps."""
        if len(self.each_batch) == 1:
            return ("loss",)
        return tuple(step.name for step in self.each_batch)

    @property
    def examples_per_step(self) -> int:
        """The examples of one step of the optimizers, in one batch or in several."""
        return self.batch_size * self.accumulate

    @property
    def model(self) -> str:
        """The key of the first model, which metrics and exports are about."""
        return self.models[0]

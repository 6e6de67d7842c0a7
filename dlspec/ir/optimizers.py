"""The optimizers: PyTorch's, with its arguments."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from dlspec.ir.arguments import Expected, Fraction, NonNegativeFloat, PositiveFloat
from dlspec.ir.forms import Call
from dlspec.ir.frozen import Field
from dlspec.ir.option import Option


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


class NAdam(Optimizer):
    summary = "Adam with Nesterov's momentum (Dozat 2016)"
    function = "torch.optim.NAdam"
    kind: Literal["nadam"] = "nadam"
    lr: PositiveFloat = Field(2e-3, description=_RATE)
    betas: Betas = Field((0.9, 0.999), description="decay of the two moments")
    eps: PositiveFloat = Field(1e-8, description=_EPS)
    weight_decay: NonNegativeFloat = Field(0.0, description=_DECAY)
    momentum_decay: NonNegativeFloat = Field(4e-3, description="decay of the momentum")


class RAdam(Optimizer):
    summary = "Adam with a rectified warm-up (Liu et al. 2020)"
    function = "torch.optim.RAdam"
    kind: Literal["radam"] = "radam"
    lr: PositiveFloat = Field(1e-3, description=_RATE)
    betas: Betas = Field((0.9, 0.999), description="decay of the two moments")
    eps: PositiveFloat = Field(1e-8, description=_EPS)
    weight_decay: NonNegativeFloat = Field(0.0, description=_DECAY)


class Adamax(Optimizer):
    summary = "Adam with the greatest gradient in place of the second moment (Kingma, Ba 2015)"
    function = "torch.optim.Adamax"
    kind: Literal["adamax"] = "adamax"
    lr: PositiveFloat = Field(2e-3, description=_RATE)
    betas: Betas = Field((0.9, 0.999), description="decay of the two moments")
    eps: PositiveFloat = Field(1e-8, description=_EPS)
    weight_decay: NonNegativeFloat = Field(0.0, description=_DECAY)


class Muon(Optimizer):
    """PyTorch's `torch.optim.Muon`, and AdamW beside it for what is no hidden matrix."""

    summary = "orthogonalised momentum for hidden matrices, AdamW for the rest (Jordan 2024)"
    function = "Muon"
    kind: Literal["muon"] = "muon"
    lr: PositiveFloat = Field(1e-3, description=_RATE)
    weight_decay: NonNegativeFloat = Field(0.1, description="decoupled weight decay")
    momentum: Fraction = Field(0.95, description="momentum")
    nesterov: bool = Field(True, description="Nesterov's momentum")
    eps: PositiveFloat = Field(1e-7, description="least norm that a matrix is divided by")
    ns_steps: Annotated[int, Field(ge=1, lt=100), Expected("a whole number from 1 to 99")] = Field(
        5, description="Newton-Schulz iterations"
    )
    adjust_lr_fn: Literal["original", "match_rms_adamw"] = Field(
        "original", description="how the rate goes with the shape of a matrix"
    )
    adamw_lr: Annotated[PositiveFloat | None, Expected("a number greater than 0, or `none`")] = (
        Field(None, description="learning rate of AdamW, that of the matrices unless told")
    )
    adamw_betas: Betas = Field((0.9, 0.999), description="decay of AdamW's two moments")
    adamw_weight_decay: NonNegativeFloat = Field(0.01, description="AdamW's weight decay")

    def torch(self) -> Call:
        call = super().torch()
        own = {n: v for n, v in call.kwargs.items() if n not in ("adamw_lr", "adamw_weight_decay")}
        return Call(call.function, (), own)

    def of_others(self) -> dict[str, float]:
        """What the weights that are no hidden matrices have for themselves."""
        own = {"weight_decay": self.adamw_weight_decay}
        if self.adamw_lr is None:
            return own
        return {"lr": self.adamw_lr, "share": self.adamw_lr / self.lr, **own}


AnyOptimizer: TypeAlias = Annotated[
    Sgd | Adagrad | Adadelta | RmsProp | Adam | AdamW | NAdam | RAdam | Adamax | Muon,
    Field(discriminator="kind"),
]

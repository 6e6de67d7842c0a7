"""How weights start: `init=he_normal` of a layer or a `train`, `= normal(0.02)` of a parameter.

Fans are counted as `torch.nn.init` counts them, so that both backends draw from one distribution.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import Annotated, ClassVar, Literal, TypeAlias

from dlspec.ir.arguments import Float, PositiveFloat
from dlspec.ir.forms import Call
from dlspec.ir.frozen import Field
from dlspec.ir.layer import Initial, Layer
from dlspec.ir.option import Option
from dlspec.ir.types import TensorType

Shape: TypeAlias = tuple[int, ...]


class Start(Option):
    """A distribution that weights are drawn from, or a value that they have."""

    least_axes: ClassVar[int] = 0
    """How many axes a tensor must have to be started so."""

    def initial(self, shape: Shape) -> Initial:
        """The distribution for a tensor of that shape."""
        raise NotImplementedError(self.kind_name())

    def torch(self) -> Call:
        """The function of `nn.init` without its first argument, the tensor."""
        raise NotImplementedError(self.kind_name())


class Zeros(Start):
    summary = "zeros"
    aliases = ("zero",)
    kind: Literal["zeros"] = "zeros"

    def initial(self, shape: Shape) -> Initial:
        return "constant", 0.0

    def torch(self) -> Call:
        return Call("nn.init.zeros_")


class Ones(Start):
    summary = "ones"
    aliases = ("one",)
    kind: Literal["ones"] = "ones"

    def initial(self, shape: Shape) -> Initial:
        return "constant", 1.0

    def torch(self) -> Call:
        return Call("nn.init.ones_")


class Constant(Start):
    summary = "one value everywhere"
    aliases = ("fill", "full")
    kind: Literal["constant"] = "constant"
    value: Float = Field(description="the value")

    def initial(self, shape: Shape) -> Initial:
        return "constant", self.value

    def torch(self) -> Call:
        return Call("nn.init.constant_", (self.value,))


class Normal(Start):
    summary = "normal with mean 0"
    aliases = ("random_normal", "RandomNormal", "gaussian")
    kind: Literal["normal"] = "normal"
    std: PositiveFloat = Field(description="standard deviation")

    def initial(self, shape: Shape) -> Initial:
        return "normal", self.std

    def torch(self) -> Call:
        return Call("nn.init.normal_", (), {"std": self.std})


class TruncatedNormal(Start):
    summary = "normal with mean 0, drawn again beyond two standard deviations"
    aliases = ("trunc_normal", "TruncatedNormal")
    kind: Literal["truncated_normal"] = "truncated_normal"
    std: PositiveFloat = Field(description="standard deviation before the ends are cut off")

    def initial(self, shape: Shape) -> Initial:
        return "truncated_normal", self.std

    def torch(self) -> Call:
        ends = {"a": -2 * self.std, "b": 2 * self.std}
        return Call("nn.init.trunc_normal_", (), {"std": self.std, **ends})


class Uniform(Start):
    summary = "uniform from -bound to bound"
    aliases = ("random_uniform", "RandomUniform")
    kind: Literal["uniform"] = "uniform"
    bound: PositiveFloat = Field(description="greatest distance from 0")

    def initial(self, shape: Shape) -> Initial:
        return "uniform", self.bound

    def torch(self) -> Call:
        return Call("nn.init.uniform_", (-self.bound, self.bound))


class HeNormal(Start):
    summary = "normal with variance 2 / fan in (He et al. 2015)"
    aliases = ("kaiming_normal", "HeNormal", "kaiming", "he")
    least_axes = 2
    kind: Literal["he_normal"] = "he_normal"

    def initial(self, shape: Shape) -> Initial:
        return "normal", sqrt(2 / _fans(shape)[0])

    def torch(self) -> Call:
        return Call("nn.init.kaiming_normal_", (), {"nonlinearity": "relu"})


class HeUniform(Start):
    summary = "uniform with variance 2 / fan in (He et al. 2015)"
    aliases = ("kaiming_uniform", "HeUniform")
    least_axes = 2
    kind: Literal["he_uniform"] = "he_uniform"

    def initial(self, shape: Shape) -> Initial:
        return "uniform", sqrt(6 / _fans(shape)[0])

    def torch(self) -> Call:
        return Call("nn.init.kaiming_uniform_", (), {"nonlinearity": "relu"})


class XavierNormal(Start):
    summary = "normal with variance 2 / (fan in + fan out) (Glorot, Bengio 2010)"
    aliases = ("glorot_normal", "GlorotNormal", "xavier", "glorot")
    least_axes = 2
    kind: Literal["xavier_normal"] = "xavier_normal"

    def initial(self, shape: Shape) -> Initial:
        return "normal", sqrt(2 / sum(_fans(shape)))

    def torch(self) -> Call:
        return Call("nn.init.xavier_normal_")


class XavierUniform(Start):
    summary = "uniform with variance 2 / (fan in + fan out) (Glorot, Bengio 2010)"
    aliases = ("glorot_uniform", "GlorotUniform")
    least_axes = 2
    kind: Literal["xavier_uniform"] = "xavier_uniform"

    def initial(self, shape: Shape) -> Initial:
        return "uniform", sqrt(6 / sum(_fans(shape)))

    def torch(self) -> Call:
        return Call("nn.init.xavier_uniform_")


class LecunNormal(Start):
    summary = "normal with variance 1 / fan in (LeCun et al. 1998)"
    aliases = ("LecunNormal",)
    least_axes = 2
    kind: Literal["lecun_normal"] = "lecun_normal"

    def initial(self, shape: Shape) -> Initial:
        return "normal", sqrt(1 / _fans(shape)[0])

    def torch(self) -> Call:
        return Call("nn.init.kaiming_normal_", (), {"nonlinearity": "linear"})


class LecunUniform(Start):
    summary = "uniform with variance 1 / fan in (LeCun et al. 1998)"
    aliases = ("LecunUniform",)
    least_axes = 2
    kind: Literal["lecun_uniform"] = "lecun_uniform"

    def initial(self, shape: Shape) -> Initial:
        return "uniform", sqrt(3 / _fans(shape)[0])

    def torch(self) -> Call:
        return Call("nn.init.kaiming_uniform_", (), {"nonlinearity": "linear"})


class Orthogonal(Start):
    summary = "rows or columns at right angles (Saxe et al. 2013)"
    aliases = ("Orthogonal", "OrthogonalInitializer")
    least_axes = 2
    kind: Literal["orthogonal"] = "orthogonal"
    gain: PositiveFloat = Field(1.0, description="length of each row or column")

    def initial(self, shape: Shape) -> Initial:
        return "orthogonal", self.gain

    def torch(self) -> Call:
        return Call("nn.init.orthogonal_", (), {} if self.gain == 1 else {"gain": self.gain})


STARTS: tuple[type[Start], ...] = (
    HeNormal,
    HeUniform,
    XavierNormal,
    XavierUniform,
    LecunNormal,
    LecunUniform,
    Normal,
    TruncatedNormal,
    Uniform,
    Orthogonal,
    Constant,
    Zeros,
    Ones,
)
AnyStart: TypeAlias = Annotated[
    HeNormal
    | HeUniform
    | XavierNormal
    | XavierUniform
    | LecunNormal
    | LecunUniform
    | Normal
    | TruncatedNormal
    | Uniform
    | Orthogonal
    | Constant
    | Zeros
    | Ones,
    Field(discriminator="kind"),
]


def _fans(shape: Shape) -> tuple[int, int]:
    """Fan in and fan out of a tensor of two axes or more."""
    window = prod(shape[2:])
    return shape[1] * window, shape[0] * window


def matrices(layer: Layer, inputs: tuple[TensorType, ...]) -> tuple[str, ...]:
    """The weights of two axes or more: those that the `init` of a `train` is about."""
    return tuple(name for name, shape in layer.weights(inputs).items() if len(shape) > 1)


def chosen(layer: Layer, inputs: tuple[TensorType, ...]) -> tuple[str, ...]:
    """The weights that `init=` of the layer itself is about.

    A layer without any of two axes (a normalisation, a `PReLU`) gives all but its biases.
    """
    others = (name for name in layer.weights(inputs) if "bias" not in name)
    return matrices(layer, inputs) or tuple(others)


def started(
    layer: Layer, inputs: tuple[TensorType, ...], start: Start | None
) -> dict[str, Initial]:
    """How each weight and buffer of a layer starts: its own way, or as `init=` says.

    Where it says, the biases beside the weights start at 0.
    """
    own = layer.initial(inputs)
    if start is None:
        return own
    names = chosen(layer, inputs)
    for name, shape in layer.weights(inputs).items():
        own[name] = start.initial(shape) if name in names else ("constant", 0.0)
    return own


def start_problem(start: Start, what: str, shapes: tuple[Shape, ...]) -> str | None:
    """Why tensors of these shapes cannot start so, as a sentence; None where they can."""
    if not shapes:
        return f"`{what}` has no weights here for `{start.kind_name()}` to start"
    if any(len(shape) < start.least_axes for shape in shapes):
        return (
            f"`{start.kind_name()}` counts the inputs of a matrix, which `{what}` does not have: "
            "its weights have one axis"
        )
    return None

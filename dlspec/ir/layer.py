"""What a layer is to the rest of the house. The layers themselves live in `dlspec.layers`."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import prod, sqrt
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeAlias, cast

from dlspec.ir.dims import Dim, product
from dlspec.ir.fields import Json
from dlspec.ir.forms import OnnxForm, TorchForm, Unsupported
from dlspec.ir.frozen import Frozen
from dlspec.ir.types import TensorType

Initial: TypeAlias = tuple[
    Literal["uniform", "normal", "truncated_normal", "orthogonal", "constant"], float
]
"""Uniform within a bound of 0, normal with a standard deviation (whole, or cut off at two of
them), orthogonal with a gain, or one value."""


class Reach(NamedTuple):
    """A window along one axis: it spans `cells`, padded ones among them, of which `size` exist."""

    axis: str
    cells: int
    size: Dim


class ShapeProblem(Exception):
    """A layer refuses the types of its inputs.

    code:    a diagnostic code of the E04 family (E03 where an argument is at fault)
    message: one sentence with axes and sizes, layer named in backticks
    label:   what to write under the layer's place, a few words
    help:    how to mend it, where that is known
    culprit: the number of the input that is at fault, where one is, so that the
             place that made it can be shown too
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        label: str = "",
        help: str | None = None,
        culprit: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.label = label
        self.help = help
        self.culprit = culprit


class Layer(Frozen):
    """A layer: its arguments as fields, in their positional order, and its rules as methods.

    Every field has a `Field(description=…)` of one line.
    """

    kind: ClassVar[str]
    """The name in a spec, `Conv`."""
    summary: ClassVar[str]
    """One sentence for the layer reference, with the paper where there is one."""
    example: ClassVar[str]
    """What a spec says that uses it, `Conv(64, 3, padding=1) -> ReLU`; lines indented by two."""
    example_input: ClassVar[str] = "float[3, 32, 32]"
    """The type of what flows into the example."""
    shape_rule: ClassVar[str]
    """The shape rule in words."""
    counts: ClassVar[str | None] = None
    """The argument that says how many whole numbers, from 0 on, it has a place for."""
    inputs: ClassVar[tuple[int, int | None]] = (1, 1)
    """The least and the greatest number of inputs (None: any number)."""
    ranks: ClassVar[tuple[int, ...]] = ()
    """Spatial ranks for which `Kind1D`, `Kind2D`, `Kind3D` are names too, (1, 2, 3) or none."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """Spellings of other frameworks that the diagnostics answer with this layer."""
    takes_activation: ClassVar[bool] = False
    """True for layers with weights: `activation=relu` is the stage `ReLU` behind it. It is not a
    field: elaboration makes the second layer."""
    bias_axis: ClassVar[int | None] = None
    """The axis along which a layer with `bias` adds it to the result, where it does."""
    cancels_bias: ClassVar[bool] = False
    """True where a bias added just before along the channels changes nothing (it subtracts their
    means)."""
    on_last_axis: ClassVar[bool] = False
    """True where an image in front of it is hardly meant (`Dense`)."""
    idempotent: ClassVar[bool] = False
    """True where twice in a row is the same as once (`ReLU`)."""
    normalizes_scores: ClassVar[bool] = False
    """True for what belongs at the end of a classifier (`Softmax`)."""
    tied: ClassVar[str | None] = None
    """The argument that names the `layer` whose weights it uses (`Unembed`), else None."""
    gives_chances: ClassVar[bool] = False
    """True where the results are shares or chances, or their logarithms, and no scores any more:
    a loss that makes chances of scores itself is not for them."""
    training_only: ClassVar[bool] = False
    """True where values pass unchanged at inference (`Dropout`)."""
    keeps_values: ClassVar[bool] = False
    """True where the results are the input's values, at most in another shape (`Flatten`)."""
    rearranges: ClassVar[bool] = False
    """True where values may stand along other axes behind it, though the shape be the same."""
    linear: ClassVar[bool] = False
    """True where means go through it: the result of means is the mean of the results (`a + b`)."""
    operator: ClassVar[bool] = False
    """True for what expressions make (`a + b`, `x[0]`); such a layer has no name in a spec."""

    takes_maximum: ClassVar[bool] = False
    """True for pooling by the maximum, which a non-decreasing layer may stand behind."""
    non_decreasing: ClassVar[bool] = False
    """True for elementwise layers whose computed result never falls where the input rises: max
    pooling in front of one gives the very values that it gives behind, to the last bit. Sigmoid
    or ELU rise too, but their last bit depends on whether an element meets vector or scalar
    code, so they are not among them."""

    def infer(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        """The types of the results. Raises ShapeProblem where the inputs do not fit."""
        raise NotImplementedError(self.kind)

    def weights(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        """The learned tensors by the name PyTorch gives them, with their shapes."""
        return {}

    def buffers(self, inputs: tuple[TensorType, ...]) -> dict[str, tuple[int, ...]]:
        """Tensors that are saved but not learned, such as BatchNorm's running mean."""
        return {}

    def initial(self, inputs: tuple[TensorType, ...]) -> dict[str, Initial]:
        """How each weight and buffer starts, as PyTorch's layer starts its own.

        The default is that of PyTorch's linear and convolution layers: uniform within
        1/sqrt(fan in) of 0, the fan in being the size of `weight` without its first axis;
        buffers start at zero.
        """
        shapes = self.weights(inputs)
        fan_in = prod(shapes["weight"][1:]) if "weight" in shapes else 1
        start: dict[str, Initial] = {name: ("uniform", 1 / sqrt(fan_in)) for name in shapes}
        return start | dict.fromkeys(self.buffers(inputs), ("constant", 0.0))

    def cost(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Multiply-adds for one example: 0 unless the layer multiplies by weights.

        Follows `networks.md`: convolutions, dense and recurrent layers, attention products;
        biases, normalisation, pooling and activations count nothing.
        """
        return 0

    def reaches(self, inputs: tuple[TensorType, ...]) -> tuple[Reach, ...]:
        """What one window spans along each axis that it slides along; nothing for most layers."""
        return ()

    def torch(
        self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]
    ) -> TorchForm | Unsupported:
        """How PyTorch says it."""
        raise NotImplementedError(self.kind)

    def onnx(
        self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]
    ) -> OnnxForm | Unsupported:
        """The ONNX nodes it becomes, for inference."""
        raise NotImplementedError(self.kind)

    @classmethod
    def has_weights(cls) -> bool:
        """Whether layers of this kind learn anything of their own."""
        return cls.weights is not Layer.weights and cls.tied is None

    @property
    def owner(self) -> Layer:
        """The layer whose weights these are: itself, unless it is `tied` to another."""
        return self if self.tied is None else getattr(self, self.tied)

    @property
    def has_bias(self) -> bool:
        """Whether it adds a learned bias to its result."""
        return self.bias_axis is not None and getattr(self, "bias", False) is True

    def parameters(self, inputs: tuple[TensorType, ...]) -> Dim:
        """The number of learned values, from `weights`."""
        return sum((product(shape) for shape in self.weights(inputs).values()), 0)


def _dump(layer: Layer) -> dict[str, Any]:
    return {"kind": layer.kind, **layer.model_dump(mode="json")}


def _none(kind: str) -> None:
    """Knows no layer."""


def _load(value: object, context: dict[str, Any]) -> Layer:
    """A layer as it is, or from its JSON form: `layers` in the context finds its class by kind."""
    if isinstance(value, Layer):
        return value
    find = cast("Callable[[str], type[Layer] | None]", context.get("layers", _none))
    fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    kind = str(fields.get("kind"))
    cls = find(kind)
    if cls is None:
        raise ValueError(f"the layer `{kind[:80]}` is not built in, nor in an installed package")
    arguments = {name: argument for name, argument in fields.items() if name != "kind"}
    return cls.model_validate_json(json.dumps(arguments))


AnyLayer = Annotated[Layer, Json(_dump, _load)]

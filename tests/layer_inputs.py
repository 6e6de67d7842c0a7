"""What every layer is fed in `test_layers`: inputs that fit it, arguments from its schema.

`CASES` has an entry for each layer; a layer without one fails the tests. Arguments
are drawn from the types of the layer's fields; an entry says only what a type can't.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.ir.types import DType, TensorType, tensor
from dlspec.layers import find

Types = tuple[TensorType, ...]
FLOATS = (0.0, 1e-3, 0.1, 0.25, 0.5, 0.9, 1.0, 1.5, 2.0)


class Case(NamedTuple):
    """How a layer is fed.

    inputs:    draws the types of its inputs
    arguments: draws an argument whose values its type does not tell, given the inputs
    positive:  the values of the inputs are positive (a logarithm, a divisor)
    below:     whole numbers among the inputs are from 0 to below this, given the layer
    """

    inputs: Callable[[Random], Types]
    arguments: Mapping[str, Callable[[Random, Types], object]] = {}
    positive: bool = False
    below: Callable[[Any], int] = lambda layer: 4


class Draw(NamedTuple):
    """A layer, the types that it is fed, and the types of its results."""

    layer: Layer
    inputs: Types
    outputs: Types


def image(*ranks: int, channels: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 12)
          ) -> Callable[[Random], Types]:
    """One tensor with channels and as many spatial axes as one of `ranks`."""

    def draw(random: Random) -> Types:
        rank = random.choice(ranks)
        most = {0: 1, 1: 17, 2: 11, 3: 7}[rank]
        sizes = (random.randint(1, most) for _ in range(rank))
        return (tensor(random.choice(channels), *sizes),)

    return draw


def any_shape(least: int = 1, most: int = 3, dtype: DType = "float") -> Callable[[Random], Types]:
    """One tensor with `least` to `most` axes."""
    return lambda random: (tensor(*_sizes(random, random.randint(least, most)), dtype=dtype),)


def alike(least: int = 2, most: int = 4) -> Callable[[Random], Types]:
    """Several tensors of one shape."""

    def draw(random: Random) -> Types:
        shape = _sizes(random, random.randint(1, 3))
        return (tensor(*shape),) * random.randint(least, most)

    return draw


def broadcast(least: int = 2, most: int = 4) -> Callable[[Random], Types]:
    """Several tensors that broadcast: some axes are 1, some in front are missing."""

    def draw(random: Random) -> Types:
        shape = _sizes(random, random.randint(1, 3))
        drawn: list[TensorType] = []
        for _ in range(random.randint(least, most)):
            sizes = [size if random.random() < 0.7 else 1 for size in shape]
            drawn.append(tensor(*sizes[random.randint(0, len(sizes) - 1):]))
        return tuple(drawn)

    return draw


def axis(random: Random, inputs: Types) -> int:
    """An axis of the first input, counted from either end."""
    rank = inputs[0].rank
    return random.randint(-rank, rank - 1)


def new_axis(random: Random, inputs: Types) -> int:
    """A place for one more axis."""
    rank = inputs[0].rank + 1
    return random.randint(-rank, rank - 1)


def divisor_of_channels(random: Random, inputs: Types) -> int:
    """A number of groups that shares the channels out, more than one where there is."""
    channels = _int(inputs[0].shape[0])
    return random.choice([n for n in range(1, channels + 1) if channels % n == 0])


def kernel_rows(random: Random, inputs: Types) -> object:
    """The name of a kernel, or rows of numbers."""
    if random.random() < 0.5:
        return random.choice(["sharpen", "gaussian_blur5", "unsharp5", "edge_diagonal"])
    height, width = random.randint(1, 5), random.randint(1, 5)
    return tuple(tuple(random.choice(FLOATS) for _ in range(width)) for _ in range(height))


def pad_amounts(random: Random, inputs: Types) -> object:
    """One number, or one or a pair for each axis."""
    if random.random() < 0.3:
        return random.randint(0, 3)
    return tuple(random.choice([random.randint(0, 3), (random.randint(0, 3), random.randint(0, 3))])
                 for _ in range(inputs[0].rank - 1))


def crop_sizes(random: Random, inputs: Types) -> object:
    """A size to keep along each axis, seldom one too large."""
    return tuple(random.randint(1, _int(size)) for size in inputs[0].shape[1:])


def concatenable(random: Random) -> Types:
    """Several tensors that differ along axis 0 alone."""
    rest = _sizes(random, random.randint(0, 2))
    return tuple(tensor(random.randint(1, 4), *rest) for _ in range(random.randint(2, 4)))


_anything = Case(any_shape())
_groups = {"groups": divisor_of_channels}
_squares = (4, 8, 9, 16, 18)

CASES: dict[str, Case] = {
    "Dense": Case(any_shape()),
    "Conv": Case(image(1, 2, 2, 3), {
        **_groups, "filters": lambda random, inputs: random.choice([1, 2, 3, 4, 6, 12])}),
    "DepthwiseConv": Case(image(1, 2, 2, 3)),
    "ConvTranspose": Case(image(1, 2, 2, 3), {
        **_groups, "filters": lambda random, inputs: random.choice([1, 2, 3, 4, 6, 12])}),
    "Filter": Case(image(2), {"kernel": kernel_rows}),
    "MaxPool": Case(image(1, 2, 2, 3)),
    "AvgPool": Case(image(1, 2, 2, 3)),
    "GlobalAvgPool": Case(image(1, 2, 3)),
    "GlobalMaxPool": Case(image(1, 2, 3)),
    "AdaptiveAvgPool": Case(image(1, 2, 3)),
    "AdaptiveMaxPool": Case(image(1, 2, 3)),
    "BatchNorm": Case(image(0, 1, 2, 3)),
    "LayerNorm": Case(any_shape()),
    "GroupNorm": Case(image(0, 1, 2, 3), _groups),
    "InstanceNorm": Case(image(1, 2, 3)),
    "RMSNorm": Case(any_shape()),
    "LRN": Case(image(1, 2, 3), {"k": lambda random, inputs: random.choice([0.5, 2.0])}),
    "Upsample": Case(image(1, 2, 2, 3)),
    "PixelShuffle": Case(image(2, channels=_squares)),
    "ChannelShuffle": Case(image(1, 2, 3), _groups),
    "Pad": Case(image(1, 2, 3), {"amount": pad_amounts}),
    "CenterCrop": Case(image(1, 2, 3), {"size": crop_sizes}),
    **dict.fromkeys((
        "Identity", "ReLU", "ReLU6", "LeakyReLU", "PReLU", "ELU", "SELU", "GELU", "SiLU", "Mish",
        "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Softplus", "Softsign", "Step", "Sign",
    ), _anything),
    "Softmax": Case(any_shape(), {"axis": axis}),
    "LogSoftmax": Case(any_shape(), {"axis": axis}),
    "Flatten": Case(any_shape(), {"start": axis}),
    "Concat": Case(concatenable, {"axis": lambda random, inputs: random.choice(
        [0, 0, -inputs[0].rank, axis(random, inputs)])}),
    "Stack": Case(alike(), {"axis": new_axis}),
    "Add": Case(broadcast()),
    "Multiply": Case(broadcast()),
    "Average": Case(broadcast()),
    "Maximum": Case(broadcast()),
}


def draws(kind: str, count: int, seed: str = "") -> list[Draw]:
    """`count` draws of a layer that it accepts, each field in turn away from its default.

    Raises AssertionError where it refuses more than nine draws of ten.
    """
    found: list[Draw] = []
    layer_type = find(kind)
    assert layer_type is not None
    for attempt in range(20 * count):
        random = Random(f"{kind} {seed} {attempt}")
        layer, inputs = draw(layer_type, random, forced=len(found))
        try:
            found.append(Draw(layer, inputs, layer.infer(inputs)))
        except ShapeProblem:
            continue
        if len(found) == count:
            return found
    raise AssertionError(f"{kind} accepts only {len(found)} of {20 * count} draws")


def draw(layer_type: type[Layer], random: Random, forced: int = 0) -> tuple[Layer, Types]:
    """A layer with drawn arguments, and types of inputs; it may refuse them."""
    case = CASES[layer_type.kind]
    inputs = case.inputs(random)
    fields = layer_type.model_fields
    turn = list(fields)[forced % len(fields)] if fields else None
    arguments: dict[str, object] = {}
    for name, field in fields.items():
        if not field.is_required() and name != turn and random.random() < 0.5:
            continue
        if name in case.arguments:
            arguments[name] = case.arguments[name](random, inputs)
            continue
        for _ in range(20):
            arguments[name] = _value(field.annotation, field.metadata, random, inputs[0].rank - 1)
            if name != turn or arguments[name] != field.default:
                break
    return layer_type(**arguments), inputs


def _value(annotation: Any, metadata: list[Any], random: Random, rank: int) -> object:
    """A value of a field's type; a tuple for each spatial axis has `rank` entries."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return _value(inner, [*metadata, *more], random, rank)
    if origin in (Union, UnionType):
        return _value(random.choice(get_args(annotation)), [], random, rank)
    if origin is Literal:
        return random.choice(get_args(annotation))
    if origin is tuple:
        items = get_args(annotation)
        types = [items[0]] * max(rank, 1) if items[-1] is Ellipsis else items
        return tuple(_value(item, [], random, rank) for item in types)
    if annotation is bool:
        return random.random() < 0.5
    least, most = _bounds(metadata)
    if annotation is int:
        least = -3 if least is None else int(least)
        return random.randint(least, least + random.choice([1, 2, 3]))
    if annotation is float:
        return random.choice([x for x in FLOATS if (least is None or x >= least)
                              and (most is None or x <= most)])
    if annotation is type(None):
        return None
    raise TypeError(f"no way to draw {annotation}: say how in CASES")


def _bounds(metadata: list[Any]) -> tuple[float | None, float | None]:
    """The least and the greatest value that constraints allow."""
    least = most = None
    for item in metadata:
        for rule in item.metadata if isinstance(item, FieldInfo) else [item]:
            least = getattr(rule, "ge", least)
            least = rule.gt + 1e-4 if getattr(rule, "gt", None) is not None else least
            most = getattr(rule, "le", most)
            most = rule.lt - 1e-4 if getattr(rule, "lt", None) is not None else most
    return (None if least is not None and least < -(2**30) else least), most


def _sizes(random: Random, rank: int) -> tuple[int, ...]:
    return tuple(random.randint(1, 6) for _ in range(rank))


def _int(size: object) -> int:
    assert isinstance(size, int)
    return size

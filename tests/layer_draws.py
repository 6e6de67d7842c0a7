"""How `layer_inputs` draws: tensors that fit each other, and arguments from a layer's fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from random import Random
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from dlspec.ir.layer import Layer
from dlspec.ir.types import DType, TensorType, tensor

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


def image(
    *ranks: int, channels: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 12)
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
            drawn.append(tensor(*sizes[random.randint(0, len(sizes) - 1) :]))
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
    return tuple(
        random.choice([random.randint(0, 3), (random.randint(0, 3), random.randint(0, 3))])
        for _ in range(inputs[0].rank - 1)
    )


def crop_sizes(random: Random, inputs: Types) -> object:
    """A size to keep along each axis, seldom one too large."""
    return tuple(random.randint(1, _int(size)) for size in inputs[0].shape[1:])


def concatenable(random: Random) -> Types:
    """Several tensors that differ along axis 0 alone."""
    rest = _sizes(random, random.randint(0, 2))
    return tuple(tensor(random.randint(1, 4), *rest) for _ in range(random.randint(1, 4)))


def axes(random: Random, inputs: Types) -> object:
    """An axis, several, or None for all."""
    rank = inputs[0].rank
    several = tuple(random.sample(range(rank), random.randint(1, rank)))
    return random.choice([axis(random, inputs), several, tuple(a - rank for a in several), None])


def parts(random: Random, inputs: Types) -> object:
    """A number of equal parts, or sizes that add up to some axis."""
    size = _int(random.choice(inputs[0].shape))
    if random.random() < 0.6:
        return random.choice([n for n in range(1, size + 1) if size % n == 0])
    cut = random.randint(0, size - 1)
    return (cut, size - cut) if cut else (size,)


def index(random: Random, inputs: Types) -> int:
    """An entry along axis 0, counted from either end."""
    size = _int(inputs[0].shape[0])
    return random.randint(-size, size - 1)


def new_shape(random: Random, inputs: Types) -> object:
    """Factors of the number of elements, in any order, one perhaps left open."""
    left, sizes = prod(_int(size) for size in inputs[0].shape), []
    while left > 1 and random.random() < 0.8:
        sizes.append(random.choice([n for n in range(1, left + 1) if left % n == 0]))
        left //= sizes[-1]
    sizes.append(left)
    random.shuffle(sizes)
    if random.random() < 0.5:
        sizes[random.randrange(len(sizes))] = -1
    return tuple(sizes)


def order(random: Random, inputs: Types) -> object:
    """The axes in another order, some counted from the end."""
    rank = inputs[0].rank
    return tuple(a - random.choice([0, rank]) for a in random.sample(range(rank), rank))


def with_ones(random: Random) -> Types:
    """A tensor of which some axis has size 1."""
    sizes = [1, *(random.choice([1, 3, 4]) for _ in range(random.randint(0, 2)))]
    random.shuffle(sizes)
    return (tensor(*sizes),)


def axis_of_one(random: Random, inputs: Types) -> int:
    """An axis of size 1."""
    shape = inputs[0].shape
    found = random.choice([a for a, size in enumerate(shape) if size == 1])
    return found - random.choice([0, len(shape)])


def wider(random: Random, inputs: Types) -> object:
    """A shape that differs where the input has size 1."""
    return tuple(
        random.choice([-1, size, random.randint(1, 5) if size == 1 else size])
        for size in inputs[0].shape
    )


def matrices(random: Random) -> Types:
    """Two tensors with a matrix product."""
    n, k, m = (random.randint(1, 5) for _ in range(3))
    front = _sizes(random, random.randint(0, 2))
    return (tensor(*_part(random, front), n, k), tensor(*_part(random, front), k, m))


def dotted(random: Random) -> Types:
    """Two tensors with an inner product along their last axis."""
    front, size = _sizes(random, random.randint(0, 2)), random.randint(1, 6)
    return tuple(tensor(*_part(random, front), size) for _ in range(2))


def _part(random: Random, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to `shape`."""
    sizes = tuple(random.choice([size, size, 1]) for size in shape)
    return sizes[random.randint(0, len(sizes)) :]


def looked_at(random: Random) -> Types:
    """A sequence, or query, key and value of any widths."""
    length, width = random.randint(1, 6), random.choice([4, 6, 8])
    if random.random() < 0.4:
        return (tensor(length, width),)
    keys = random.choice([length, random.randint(1, 6)])
    key, value = (random.choice([width, random.randint(1, 7)]) for _ in range(2))
    return tensor(length, width), tensor(keys, key), tensor(keys, value)


def divisor_of_features(random: Random, inputs: Types) -> int:
    """A number of heads that shares the features of the query out."""
    width = _int(inputs[0].shape[-1])
    return random.choice([n for n in range(1, width + 1) if width % n == 0])


def draw_layer(
    layer_type: type[Layer], case: Case, random: Random, forced: int = 0
) -> tuple[Layer, Types]:
    """A layer with drawn arguments, and types of inputs; it may refuse them.

    The field number `forced` is away from its default.
    """
    inputs = case.inputs(random)
    names = list(layer_type.model_fields)
    turn = names[forced % len(names)] if names else None
    return layer_type(**draw_arguments(layer_type, case, random, inputs, turn)), inputs


def draw_arguments(
    layer_type: type[Layer], case: Case, random: Random, inputs: Types, turn: str | None = None
) -> dict[str, object]:
    """Arguments for inputs of fixed sizes, some left at their defaults; `turn` never is."""
    arguments: dict[str, object] = {}
    for name, field in layer_type.model_fields.items():
        if not field.is_required() and name != turn and random.random() < 0.5:
            continue
        if name in case.arguments:
            arguments[name] = case.arguments[name](random, inputs)
            continue
        for _ in range(20):
            arguments[name] = _value(field.annotation, field.metadata, random, inputs[0].rank - 1)
            if name != turn or arguments[name] != field.default:
                break
    return arguments


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
        return random.choice(
            [x for x in FLOATS if (least is None or x >= least) and (most is None or x <= most)]
        )
    if annotation is type(None):
        return None
    raise TypeError(f"no way to draw {annotation}: say how in CASES")


def _bounds(metadata: list[Any]) -> tuple[float | None, float | None]:
    """The least and the greatest value that constraints allow."""
    least = most = None
    for item in metadata:
        for rule in [item]:
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

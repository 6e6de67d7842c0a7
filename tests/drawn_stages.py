"""Stages and expressions as a spec writes them, drawn from the layers' own fields.

`drawn_bodies` puts them together to whole networks. Every text comes with the types of its
results, since what follows has to fit them; the tests compare these with four other opinions.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from random import Random
from typing import NamedTuple

from layer_draws import Types, draw_arguments
from layer_inputs import CASES

from dlspec.ir.dims import substitute
from dlspec.ir.layer import Layer, ShapeProblem
from dlspec.layers import activation_options, find

LARGEST = 4096
"""Elements of a tensor, so that a network runs in milliseconds."""

EXPRESSIONS: dict[str, tuple[str, ...]] = {
    "Subtract": ("{0} - {1}",),
    "Divide": ("{0} / {1}",),
    "Scale": ("{0} * {factor}", "{factor} * {0}"),
    "Shift": ("{0} + {offset}", "{offset} + {0}"),
    "Power": ("{0} ** {exponent}",),
    "DivideInto": ("{numerator} / {0}",),
    "Abs": ("abs({0})",),
    "Square": ("square({0})",),
    "Sqrt": ("sqrt({0})",),
    "Exp": ("exp({0})",),
    "Log": ("log({0})",),
    "Min": ("min({0}, axis={axis})",),
    "Minimum": ("min({0}, {1})",),
    "AtLeast": ("max({0}, {bound})", "max({bound}, {0})"),
    "AtMost": ("min({0}, {bound})", "min({bound}, {0})"),
    "Index": ("{0}[{index}]",),
    # These have a stage too; the sum of tensors is written with `+` as often.
    "Add": ("{0} + {1}",),
    "Multiply": ("{0} * {1}",),
    "Mean": ("mean({0}, axis={axis})",),
    "Sum": ("sum({0}, axis={axis})",),
    "Max": ("max({0}, axis={axis})",),
}
"""How expressions make a layer. An operator without an entry fails the tests."""

BOUNDED = frozenset({"Exp", "Square", "Power", "Multiply", "MatMul", "Dot"})
"""Layers that would let values grow beyond all bounds in a long network."""


class Text(NamedTuple):
    """A stage or an expression, and the types of its results."""

    text: str
    types: Types


def literal(value: object, random: Random) -> str:
    """A drawn argument as a spec writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "none"
    if isinstance(value, tuple):
        items = [literal(item, random) for item in value]
        if len(items) == 1:
            return f"[{items[0]}]"
        return random.choice(["[{}]", "({})"]).format(", ".join(items))
    return str(value)


def fixed(types: Types, sizes: Mapping[str, int]) -> Types:
    """Types with the sizes of one run in the place of symbols."""
    return tuple(t.with_shape(tuple(substitute(d, sizes) for d in t.shape)) for t in types)


def drawn(
    kind: str, inputs: Types, sizes: Mapping[str, int], random: Random, tries: int = 4
) -> tuple[Layer, Mapping[str, object], Types] | None:
    """A layer that takes the inputs, its arguments as given and its results; None if it won't."""
    layer_type, numbers = find(kind), fixed(inputs, sizes)
    assert layer_type is not None
    if layer_type.inputs[1] is None and len(inputs) < 2:
        return None  # what joins tensors is fed a tuple; `(x) -> Add` is no tuple
    if kind == "Squeeze" and 1 not in numbers[0].shape:
        return None
    if not numbers[0].shape and any(name != "bias" for name in CASES[kind].arguments):
        return None
    for _ in range(tries):
        arguments = draw_arguments(layer_type, CASES[kind], random, numbers)
        try:
            layer = layer_type(**arguments)
            layer.infer(numbers)
            outputs = layer.infer(inputs)
        except (ShapeProblem, ValueError):
            continue
        if all(0 < prod(t.shape) <= LARGEST for t in fixed(outputs, sizes)):
            return layer, arguments, outputs
    return None


def stage(kind: str, inputs: Types, sizes: Mapping[str, int], random: Random) -> Text | None:
    """`Conv2D(8, kernel=3, activation=relu)`: a layer that takes the inputs."""
    found = drawn(kind, inputs, sizes, random)
    if found is None or found[0].operator:
        return None
    layer, arguments, outputs = found
    names = [field.alias or name for name, field in type(layer).model_fields.items()]
    values = dict(zip(type(layer).model_fields, names, strict=True))
    leading = 0
    while leading < len(names) and list(values)[leading] in arguments:
        leading += 1
    positional = random.randint(0, leading)
    written = [
        literal(arguments[field], random)
        if number < positional
        else f"{name}={literal(arguments[field], random)}"
        for number, (field, name) in enumerate(values.items())
        if field in arguments
    ]
    if layer.takes_activation and random.random() < 0.2:
        written.append(f"activation={random.choice(sorted(activation_options()))}")
    rank = inputs[0].rank - 1
    suffix = f"{rank}D" if rank in layer.ranks and random.random() < 0.4 else ""
    call = f"({', '.join(written)})" if written else random.choice(["", "()"])
    return Text(f"{kind}{suffix}{call}", outputs)


def expression(
    kind: str, operands: tuple[str, ...], inputs: Types, sizes: Mapping[str, int], random: Random
) -> Text | None:
    """`2.0 * x`, `mean(x, axis=0)`: what makes a layer without naming it."""
    found = drawn(kind, inputs, sizes, random)
    if found is None:
        return None
    layer, _, outputs = found
    values = {name: literal(getattr(layer, name), random) for name in type(layer).model_fields}
    template = random.choice(EXPRESSIONS[kind])
    if "{1}" not in template:
        return Text(template.format(*operands, **values), outputs)
    written = operands[0]
    for operand in operands[1:]:  # `min` and `+` are of two at a time
        written = template.format(written, operand, **values)
    return Text(written, outputs)


def tamed(kind: str, operands: tuple[str, ...]) -> tuple[str, ...]:
    """Operands kept away from where the layer is not defined, or grows without bound."""
    if CASES[kind].positive:
        return (*operands[:-1], f"(({operands[-1]} -> Sigmoid) + 0.5)")
    if kind in BOUNDED:
        return tuple(f"({operand} -> Tanh)" for operand in operands)
    return operands

"""Writes calls for the expressions of `TorchForm`, so that every value goes through `repr`."""

from __future__ import annotations

from dlspec.ir.forms import Argument


def called(function: str, *operands: str, **arguments: Argument) -> str:
    """`called("F.pad", "{0}", pad=(0, 1))` is `F.pad({0}, pad=(0, 1))`.

    operands are expressions and stand as they are; arguments are values.
    """
    written = [f"{name}={_written(argument)}" for name, argument in arguments.items()]
    return f"{function}({', '.join([*operands, *written])})"


def _written(argument: Argument) -> str:
    """`repr`, with the double quotes of the formatters where nothing stands against them."""
    text = repr(argument)
    plain = isinstance(argument, str) and argument.isidentifier()
    return f'"{argument}"' if plain else text


def short(values: tuple[int, ...]) -> int | tuple[int, ...]:
    """One number where all axes agree, as a person would write it: (5, 5) is 5."""
    return values[0] if len(set(values)) == 1 else values

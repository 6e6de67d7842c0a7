"""`--expand` and `--depth`: how much of the blocks a command shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

ALL_LEVELS = 64
"""Blocks are never nested deeper."""


def unfolding_options(command: Command) -> Command:
    """The two options, passed on as `expand` and `depth`."""
    command = click.option(
        "--depth",
        type=click.IntRange(min=0),
        metavar="LEVELS",
        help="Unfold blocks so many levels deep.",
    )(command)
    return click.option("--expand", is_flag=True, help="Unfold all blocks.")(command)


def depth_of(expand: bool, depth: int | None) -> int:
    """How many levels of blocks are unfolded. Raises UsageError where both options are given."""
    if expand and depth is not None:
        raise click.UsageError("`--expand` unfolds every level; give it or `--depth`, not both.")
    return ALL_LEVELS if expand else depth or 0

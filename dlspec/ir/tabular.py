"""What the transforms of tables, and a table's `classes`, say in the terms of its reader."""

from __future__ import annotations

from dlspec.ir.transforms import AnyTransform, OneHot, Standardize


def one_hot_columns(transform: tuple[AnyTransform, ...]) -> tuple[str, ...] | None:
    """The columns that hold texts; none where nothing makes numbers of them, None to find them."""
    stages = [stage for stage in transform if isinstance(stage, OneHot)]
    if any(stage.columns is None for stage in stages):
        return None
    return tuple(name for stage in stages for name in stage.columns or ())


def standardized_columns(transform: tuple[AnyTransform, ...]) -> tuple[str, ...] | None:
    """The columns that get mean 0 and standard deviation 1; None is all that hold numbers."""
    stages = [stage for stage in transform if isinstance(stage, Standardize)]
    if any(stage.columns is None for stage in stages):
        return None
    return tuple(name for stage in stages for name in stage.columns or ())


def target_classes(classes: str | int | tuple[str, ...] | None) -> tuple[str, ...] | str | None:
    """The names of a target's classes: those given, or `0`, `1` … where their number is."""
    return tuple(map(str, range(classes))) if isinstance(classes, int) else classes

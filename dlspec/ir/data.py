"""The plan of how examples are prepared: a source, transforms, and the shares of the splits."""

from __future__ import annotations

from dlspec.ir.arguments import Fraction, Seed
from dlspec.ir.frozen import Field, Frozen
from dlspec.ir.sources import AnySource
from dlspec.ir.transforms import AnyTransform
from dlspec.ir.types import TensorType


class DataSettings(Frozen):
    """The settings of a `data` that are plain values."""

    validation: Fraction = Field(0.0, description="share for choosing hyperparameters")
    test: Fraction = Field(0.0, description="share for the final figure")
    seed: Seed = Field(0, description="seed of the split")


class DataPlan(DataSettings):
    """One `data` declaration with every default filled in.

    In training the order is: transforms before the first `Normalize`, augment, the rest; the
    transforms are those of `train_transform` where there are such.
    """

    name: str
    documentation: str = ""
    source: AnySource
    transform: tuple[AnyTransform, ...] = Field((), description="what is done to every example")
    train_transform: tuple[AnyTransform, ...] | None = Field(
        None, description="what stands in for `transform` in training"
    )
    augment: tuple[AnyTransform, ...] = Field((), description="what is done in training also")
    fields: dict[str, TensorType] | None = None
    """The types of the fields behind the transforms, where they are known before reading."""

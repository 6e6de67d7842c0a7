"""What an exported model says of itself, so that it can be used without its spec.

The ONNX backend writes a card into the file's metadata, inference reads it there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Literal, TypeAlias

from dlspec.ir.frozen import Frozen
from dlspec.ir.graph import Program
from dlspec.ir.transforms import AnyTransform
from dlspec.ir.types import DType

PREFIX = "dlspec."
CHECKSUM = PREFIX + "checksum"
"""The last entry of a file: the SHA-256 of all bytes before it, by which damage is known."""

Meaning: TypeAlias = Literal["probabilities", "scores", "chances", "logits", "values"]
"""Of an output. `probabilities` sum to 1 over the classes, a softmax makes them of `scores`;
`chances` are yes or no each, a sigmoid makes them of `logits`; `values` are plain numbers."""


class InputCard(Frozen):
    """An input: `field` is what the data calls it; a size known only at run time is a text."""

    name: str
    field: str | None = None
    dtype: DType
    shape: tuple[int | str, ...]


class OutputCard(Frozen):
    """An output, and how its numbers are meant."""

    name: str
    dtype: DType
    shape: tuple[int | str, ...]
    meaning: Meaning = "values"


class ColumnCard(Frozen):
    """How a column of a table becomes features: a 1 among zeros where it has categories, else
    `(value - mean) / std`, with `fill` where there is none."""

    column: str
    categories: tuple[str, ...] | None = None
    fill: float = 0.0
    mean: float = 0.0
    std: float = 1.0


class Preparation(Frozen):
    """How the examples that the model was trained on were prepared.

    eight_bit: resizing before the first other transform was done on 8-bit pixels.
    columns:   of a table, those that give `features`, in their order.
    """

    transform: tuple[AnyTransform, ...] = ()
    eight_bit: bool = False
    columns: tuple[ColumnCard, ...] = ()


class Card(Frozen):
    """All of it. `classes` are the names of the classes by number, empty where unknown."""

    version: str
    model: str
    spec_hash: str
    inputs: tuple[InputCard, ...]
    outputs: tuple[OutputCard, ...]
    classes: tuple[str, ...] = ()
    preparation: Preparation = Preparation()


def spec_hash(program: Program) -> str:
    """The SHA-256 of what a spec means, overrides included, in hexadecimal."""
    return hashlib.sha256(program.model_dump_json().encode()).hexdigest()


def to_metadata(card: Card) -> dict[str, str]:
    """The card as texts by key, `dlspec.classes` and so on; what is no text is JSON."""
    return {
        PREFIX + name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in card.model_dump(mode="json").items()
    }


def from_metadata(metadata: Mapping[str, str]) -> Card | None:
    """The card of a file's metadata, None where it has none.

    Raises ValueError where it has one that cannot be read.
    """
    texts = {"version", "model", "spec_hash"}
    known = {
        name: metadata[PREFIX + name] for name in Card.model_fields if PREFIX + name in metadata
    }
    if not texts <= set(known):
        return None
    try:
        values = {name: text if name in texts else json.loads(text) for name, text in known.items()}
        return Card.model_validate_json(json.dumps(values))
    except (ValueError, RecursionError) as error:
        raise ValueError("its description of itself cannot be read") from error

"""What an output means for one example: ranked classes, or numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlspec.ir.card import Meaning, OutputCard

Array = NDArray[Any]


class Rank(NamedTuple):
    """One class with its probability. `description` is its name, None where it has none."""

    number: int
    description: str | None
    probability: float


class Prediction(NamedTuple):
    """What a model says of one example: `top` where it ranks classes, `values` by output else."""

    input: str
    top: tuple[Rank, ...]
    values: Mapping[str, Array]

    def as_json(self) -> dict[str, object]:
        """`{"input": …, "top": [{"class": 3, "description": "three", "probability": 0.98}]}`."""
        result: dict[str, object] = {"input": self.input}
        if self.top:
            result["top"] = [
                {
                    "class": rank.number,
                    "description": rank.description,
                    "probability": rank.probability,
                }
                for rank in self.top
            ]
        if self.values:
            result["values"] = {name: array.tolist() for name, array in self.values.items()}
        return result


def interpret(
    name: str,
    outputs: Mapping[str, Array],
    cards: Sequence[OutputCard],
    classes: Sequence[str],
    top: int,
) -> Prediction:
    """What the outputs of one example mean. The first that ranks classes is ranked."""
    ranks: tuple[Rank, ...] = ()
    values: dict[str, Array] = {}
    for card in cards:
        array = outputs[card.name]
        shares = probabilities(array, card.meaning, len(classes))
        if shares is not None and not ranks:
            ranks = ranked(shares, classes, top)
        else:
            values[card.name] = sigmoid(array) if card.meaning == "logits" else array
    return Prediction(name, ranks, values)


def probabilities(array: Array, meaning: Meaning, classes: int) -> Array | None:
    """The probabilities of the classes [classes], None where the output does not give them.

    One yes-or-no number ranks two classes where there are two.
    """
    if meaning in ("probabilities", "scores") and array.ndim == 1:
        return softmax(array) if meaning == "scores" else array
    if meaning in ("chances", "logits") and array.size == 1 and classes == 2:
        yes = (sigmoid(array) if meaning == "logits" else array).reshape(())
        return np.stack([1 - yes, yes])
    return None


def with_meaning(card: OutputCard, array: Array) -> OutputCard:
    """The card of an unexplained output: numbers that sum to 1 are probabilities, else scores."""
    shares = (array >= 0).all() and abs(float(array.sum()) - 1) < 1e-3
    meaning: Meaning = "probabilities" if shares else "scores"
    return card.model_copy(update={"meaning": meaning})


def ranked(shares: Array, classes: Sequence[str], top: int) -> tuple[Rank, ...]:
    """The likeliest classes, of equal ones the smaller number first."""
    order: list[int] = np.argsort(-shares, kind="stable")[:top].tolist()
    return tuple(
        Rank(number, classes[number] if number < len(classes) else None, float(shares[number]))
        for number in order
    )


def softmax(scores: Array) -> Array:
    """exp(x) / sum(exp(x)), computed from the differences to the greatest."""
    shifted = np.exp(scores - scores.max())
    return shifted / shifted.sum()


def sigmoid(logits: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow on either side."""
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1, small) / (1 + small)

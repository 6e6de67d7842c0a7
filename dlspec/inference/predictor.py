"""Runs an exported model: ONNX Runtime alone, no torch, no spec."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlspec.inference.inputs import Example, Reader
from dlspec.inference.modelfile import ModelFile, read_model
from dlspec.inference.problem import InferenceProblem
from dlspec.inference.results import Prediction, interpret, with_meaning
from dlspec.inference.session import element_type, open_session
from dlspec.ir.card import InputCard, OutputCard, Preparation
from dlspec.ir.types import DType

Array = NDArray[Any]

_TOGETHER = 32
"""Examples that are run at once."""


class Predictor:
    """A model in an ONNX file.

    inputs, outputs: what it takes and gives, the batch not counted
    classes:         names of its classes by number, empty where unknown

    Raises InferenceProblem where the file cannot be used.
    """

    def __init__(self, path: str | Path, *, ranks: bool = False) -> None:
        """Open the file. ranks: outputs of a file that dlspec did not make are taken as
        probabilities of classes, or scores that a softmax makes such, told by their numbers."""
        file = read_model(Path(path))
        self._session = _open(file)
        self._path = file.path
        card = file.card
        self.inputs = card.inputs if card else self._foreign_inputs()
        self.outputs = card.outputs if card else self._foreign_outputs()
        self.classes = card.classes if card else ()
        self._meaning_by_numbers = ranks and card is None
        self.preparation = card.preparation if card else Preparation()
        self._agree()
        first = self._session.get_inputs()[0]
        self._element = element_type(first)
        self._batch = first.shape[0] if first.shape and isinstance(first.shape[0], int) else None

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by name for inputs by name, both with the batch in front, prepared
        already. Raises InferenceProblem where ONNX Runtime refuses them."""
        try:
            values = self._session.run(None, dict(inputs))
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise InferenceProblem(f"{self._path}: {_one_line(error)}") from error
        names = [value.name for value in self._session.get_outputs()]
        return dict(zip(names, values, strict=True))

    def reader(self) -> Reader:
        """What reads files for the model's input. Raises InferenceProblem unless it has one."""
        if len(self.inputs) != 1:
            raise InferenceProblem(
                f"{self._path}: has {len(self.inputs)} inputs; files can be given to models "
                "with one",
                help="`dlspec.inference.Predictor.run` takes arrays by name",
            )
        return Reader(self.inputs[0], self.preparation)

    def predict(
        self, examples: Iterable[Example], top: int = 3
    ) -> Iterator[Prediction | InferenceProblem]:
        """What the model says of examples, in their order; of a bad one, its problem."""
        waiting = iter(examples)
        while group := list(islice(waiting, self._batch or _TOGETHER)):
            results = self._run_examples([e for e in group if e.array is not None], top)
            for example in group:
                yield example.problem if example.problem is not None else next(results)

    def _run_examples(
        self, examples: list[Example], top: int
    ) -> Iterator[Prediction | InferenceProblem]:
        """Run examples together where they have one shape, else one after the other."""
        arrays = [example.array for example in examples if example.array is not None]
        if len({array.shape for array in arrays}) > 1 and self._batch is None:
            for example in examples:
                yield from self._run_examples([example], top)
            return
        if not arrays:
            return
        stacked = np.stack(arrays).astype(self._element)
        if self._batch is not None and len(stacked) < self._batch:
            missing = np.zeros((self._batch - len(stacked), *stacked.shape[1:]), stacked.dtype)
            stacked = np.concatenate([stacked, missing])
        outputs = self.run({self.inputs[0].name: stacked})
        for name, array in outputs.items():
            if array.shape[:1] != stacked.shape[:1]:
                raise InferenceProblem(
                    f"{self._path}: `{name}` is {list(array.shape)} for "
                    f"{len(stacked)} examples: its first axis is no batch"
                )
        for number, example in enumerate(examples):
            own = {name: array[number] for name, array in outputs.items()}
            yield self._interpreted(example.name, own, top)

    def _interpreted(
        self, name: str, outputs: Mapping[str, Array], top: int
    ) -> Prediction | InferenceProblem:
        for output, array in outputs.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                return InferenceProblem(f"{name}: `{output}` is not finite for it")
        cards = self.outputs
        if self._meaning_by_numbers:
            cards = tuple(with_meaning(card, outputs[card.name]) for card in cards)
        return interpret(name, outputs, cards, self.classes, top)

    def _foreign_inputs(self) -> tuple[InputCard, ...]:
        return tuple(
            InputCard(name=value.name, dtype=_dtype(value), shape=_shape(value))
            for value in self._session.get_inputs()
        )

    def _foreign_outputs(self) -> tuple[OutputCard, ...]:
        return tuple(
            OutputCard(name=value.name, dtype=_dtype(value), shape=_shape(value))
            for value in self._session.get_outputs()
        )

    def _agree(self) -> None:
        """Raises InferenceProblem where a card names other inputs or outputs than the graph."""
        graph = [
            value.name for value in (*self._session.get_inputs(), *self._session.get_outputs())
        ]
        if graph != [card.name for card in (*self.inputs, *self.outputs)]:
            raise InferenceProblem(f"{self._path}: its description does not fit its graph")


def _open(file: ModelFile) -> Any:
    try:
        session = open_session(file.content, str(file.path.parent.resolve()))
        for value in session.get_inputs():
            element_type(value)
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise InferenceProblem(f"{file.path}: {_one_line(error)}") from error
    return session


def _dtype(value: Any) -> DType:
    if value.type == "tensor(bool)":
        return "bool"
    return "int" if "int" in value.type else "float"


def _shape(value: Any) -> tuple[int | str, ...]:
    return tuple(size if isinstance(size, int) else str(size or "?") for size in value.shape[1:])


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__

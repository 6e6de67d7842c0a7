"""The card of a model: what its inputs, outputs and classes are, found in the program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlspec import __version__
from dlspec.backends.onnx.values import dim_text
from dlspec.ir.card import Card, ColumnCard, InputCard, Meaning, OutputCard, Preparation, spec_hash
from dlspec.ir.data import DataPlan
from dlspec.ir.graph import Graph, Port, Program
from dlspec.ir.losses import BinaryCrossEntropy, CrossEntropy
from dlspec.ir.sources import ImageFolder
from dlspec.ir.training import TrainPlan
from dlspec.layers.final import final_activation

_ACTIVATED: dict[str | None, Meaning] = {
    CrossEntropy.from_logits: "probabilities",
    BinaryCrossEntropy.from_logits: "chances",
}
_PLAIN: dict[str | None, Meaning] = {
    CrossEntropy.from_logits: "scores",
    BinaryCrossEntropy.from_logits: "logits",
}


def describe(
    program: Program,
    model_key: str,
    classes: Sequence[str] | None = None,
    data: DataPlan | None = None,
    columns: Sequence[Mapping[str, Any]] | None = None,
) -> Card:
    """The card of a model.

    classes: names of the classes by number; None takes those that the data's source knows
             before any file is read.
    data:    what the model was trained on; None takes what the program's `train` says.
    columns: of a table, what was learned of its columns in training.
    """
    graph = program.graphs[model_key]
    plan = next((p for p in program.trains if p.model == model_key), None)
    if data is None and plan is not None:
        data = program.data.get(plan.data)
    if classes is None:
        classes = (data.source.classes() if data else None) or ()
    feeds = plan.feeds if plan else {}
    return Card(
        version=__version__,
        model=graph.name,
        spec_hash=spec_hash(program),
        inputs=tuple(_input(graph, port, feeds.get(port.name)) for port in graph.inputs),
        outputs=tuple(_output(program, graph, port, plan) for port in graph.outputs),
        classes=tuple(classes),
        preparation=_preparation(data, columns or ()),
    )


def _input(graph: Graph, port: Port, field: str | None) -> InputCard:
    type_ = graph.types[port.value]
    return InputCard(
        name=port.name, field=field, dtype=type_.dtype, shape=tuple(map(dim_text, type_.shape))
    )


def _output(program: Program, graph: Graph, port: Port, plan: TrainPlan | None) -> OutputCard:
    type_ = graph.types[port.value]
    loss = plan.loss if plan and plan.output == port.name else None
    trained_on = loss.from_logits if loss else None
    last = final_activation(program, graph, port.name)
    meaning = _ACTIVATED[last.kind] if last else _PLAIN.get(trained_on, "values")
    return OutputCard(
        name=port.name, dtype=type_.dtype, shape=tuple(map(dim_text, type_.shape)), meaning=meaning
    )


def _preparation(data: DataPlan | None, columns: Sequence[Mapping[str, Any]]) -> Preparation:
    if data is None:
        return Preparation()
    if data.source.of_columns:
        cards = ({**one, "categories": _texts(one.get("categories"))} for one in columns)
        return Preparation(columns=tuple(ColumnCard(**one) for one in cards))
    return Preparation(transform=data.transform, eight_bit=isinstance(data.source, ImageFolder))


def _texts(given: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(given)

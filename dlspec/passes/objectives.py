"""The functions of objectives: every loss, fresh noise, shuffling, the gradient penalty."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast, get_args

from dlspec.ir.dims import symbol
from dlspec.ir.losses import AnyLoss, Loss
from dlspec.ir.losstargets import target_problem
from dlspec.ir.types import TensorType, tensor
from dlspec.passes.arguments import Given, construct
from dlspec.passes.context import Frame
from dlspec.passes.objectivebuilder import ObjectiveBuilder
from dlspec.passes.stages import feed
from dlspec.passes.values import (
    ABSENT,
    UNKNOWN,
    Absent,
    NetworkStage,
    Tensor,
    TrainedNetwork,
    UntypedField,
    Value,
    contains_unknown,
    describe,
)
from dlspec.source import Span
from dlspec.syntax import tree

LOSSES: dict[str, type[Loss]] = {
    cls.kind_name(): cls for cls in cast("tuple[type[Loss], ...]", get_args(get_args(AnyLoss)[0]))
}


def call(callee: tree.Name, given: list[Given], span: Span, frame: Frame) -> Value:
    """The value of `cross_entropy(logits, label)`, `normal(100)` and their like."""
    builder = frame.builder
    assert isinstance(builder, ObjectiveBuilder)
    return FUNCTIONS[callee.id](callee, given, span, frame, builder)


def _loss(
    callee: tree.Name, given: list[Given], span: Span, frame: Frame, builder: ObjectiveBuilder
) -> Value:
    """A loss of scores and a target, `mse(image -> Model, image)`."""
    if len(given) < 2 or given[0].name is not None or given[1].name is not None:
        frame.report.error(
            "E0302", span, f"`{callee.id}` compares two values: `{callee.id}(output, target)`"
        )
        return UNKNOWN
    loss = construct(LOSSES[callee.id], callee.id, callee.span, given[2:], frame.report)
    scores, target = (feed(g.value, frame, g.span) for g in given[:2])
    if loss is None or contains_unknown(scores) or contains_unknown(target):
        return UNKNOWN
    if isinstance(scores, Absent) or isinstance(target, Absent):
        return ABSENT
    if not isinstance(scores, Tensor):
        frame.report.error(
            "E0306", given[0].span, f"`{callee.id}` takes a tensor, not {describe(scores)}"
        )
        return UNKNOWN
    if isinstance(target, UntypedField):
        target = builder.settled(target, natural_target(loss, scores.type))
        return placed(loss, scores, target, given[1].span, builder)
    return compared(loss, scores, target, given[1].span, frame, builder)


def natural_target(loss: Loss, scores: TensorType) -> TensorType:
    """The target that a loss compares scores with where only the file knows its type.

    One that is brought into the scores' type and shape, or a column of class numbers, takes
    whatever the file has.
    """
    if loss.kind_name() == "ctc":
        return tensor(symbol("symbols"), dtype="int")
    if loss.target != "classes":
        return tensor(dtype="int")
    if scores.rank == 1:
        return tensor(1, dtype="int")
    return tensor(*(scores.shape[1:] if scores.rank == 3 else scores.shape[:-1]), dtype="int")


def compared(
    loss: Loss, scores: Tensor, target: Value, span: Span, frame: Frame, builder: ObjectiveBuilder
) -> Value:
    """A loss of scores and a target whose types are known. Reports E0504."""
    if isinstance(target, int | float) and not isinstance(target, bool):
        if loss.target == "classes":
            frame.report.error(
                "E0504", span, f"`{loss.kind_name()}` compares with class numbers, not one number"
            )
            return UNKNOWN
        before = builder.before(scores, loss.from_logits)
        return builder.loss({"loss": loss, "value": float(target)}, (before,), span)
    if not isinstance(target, Tensor):
        frame.report.error(
            "E0306", span, f"`{loss.kind_name()}` compares with a tensor, not {describe(target)}"
        )
        return UNKNOWN
    wrong = target_problem(loss, scores.type, target.type)
    if wrong is not None:
        frame.report.error("E0504", span, f"`{loss.kind_name()}` {wrong}")
        return UNKNOWN
    return placed(loss, scores, target, span, builder)


def placed(
    loss: Loss, scores: Tensor, target: Tensor, span: Span, builder: ObjectiveBuilder
) -> Tensor:
    """A loss of scores and a target that fit."""
    before = builder.before(scores, loss.from_logits)
    return builder.loss({"loss": loss, "value": None}, (before, target), span)


def _noise(
    callee: tree.Name, given: list[Given], span: Span, frame: Frame, builder: ObjectiveBuilder
) -> Value:
    """`normal(100)`, `uniform(3, 8, 8)`."""
    sizes: list[Value] = []
    for argument in given:
        sizes += argument.value if isinstance(argument.value, tuple) else (argument.value,)
    whole = [s for s in sizes if isinstance(s, int) and not isinstance(s, bool) and s > 0]
    if not sizes or len(whole) != len(sizes):
        frame.report.error(
            "E0303", span, f"`{callee.id}` takes the sizes of the noise: `{callee.id}(100)`"
        )
        return UNKNOWN
    if builder.batch is None:
        frame.report.error("E0604", span, "the data has no field that says how many examples")
        return UNKNOWN
    return builder.noise(callee.id, tuple(whole), builder.batch, span)


def _shuffle(
    callee: tree.Name, given: list[Given], span: Span, frame: Frame, builder: ObjectiveBuilder
) -> Value:
    value = feed(given[0].value, frame, span) if len(given) == 1 else None
    if isinstance(value, Tensor):
        return builder.shuffled(value, span)
    if value is None or not contains_unknown(value):
        frame.report.error("E0306", span, "`shuffle` takes one tensor: `shuffle(label)`")
    return UNKNOWN


def _penalty(
    callee: tree.Name, given: list[Given], span: Span, frame: Frame, builder: ObjectiveBuilder
) -> Value:
    """`gradient_penalty(Critic, real, fake)`."""
    stage = given[0].value if given else None
    values = [feed(g.value, frame, g.span) for g in given[1:]]
    if len(values) == 2 and isinstance(stage, NetworkStage):
        real, fake = values
        network = stage.network
        if isinstance(network, TrainedNetwork) and isinstance(real, UntypedField):
            graph = frame.context.graphs[network.key]
            real = builder.settled(real, graph.types[graph.inputs[0].value])
        if (
            isinstance(network, TrainedNetwork)
            and isinstance(real, Tensor)
            and isinstance(fake, Tensor)
            and real.type == fake.type
        ):
            return builder.penalty(network, (real, fake), span)
    if not any(contains_unknown(value) for value in values):
        frame.report.error(
            "E0306",
            span,
            "`gradient_penalty` takes a model that is trained here and two tensors of one type: "
            "`gradient_penalty(Critic, image, fake)`",
        )
    return UNKNOWN


Rule = Callable[[tree.Name, list[Given], Span, Frame, ObjectiveBuilder], Value]

FUNCTIONS: dict[str, Rule] = {
    **dict.fromkeys(LOSSES, _loss),
    "normal": _noise,
    "uniform": _noise,
    "shuffle": _shuffle,
    "gradient_penalty": _penalty,
}
"""Function of an objective to its rule."""

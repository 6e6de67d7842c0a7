"""What the objectives of a `train` share: names of models and fields, what may be minimised."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any, NamedTuple, cast

from dlspec.ir.data import DataPlan
from dlspec.ir.forms import Unsupported
from dlspec.ir.graph import LayerNode, Program
from dlspec.ir.layer import Layer
from dlspec.ir.objective import LossNode, Objective, PenaltyNode
from dlspec.ir.optimizers import AnyOptimizer, Optimizer
from dlspec.ir.schedules import AnySchedule, Constant, Schedule
from dlspec.ir.training import StepPlan, TrainPlan
from dlspec.ir.types import TensorType, tensor
from dlspec.layers.final import scores_before
from dlspec.passes import objectives
from dlspec.passes.builder import Draft
from dlspec.passes.context import Frame, NoIt
from dlspec.passes.evaluate import evaluate_flow
from dlspec.passes.objectivebuilder import ObjectiveBuilder
from dlspec.passes.options import classes_of, option
from dlspec.passes.scope import Scope
from dlspec.passes.values import (
    UNKNOWN,
    Absent,
    Tensor,
    TrainedNetwork,
    UntypedField,
    Value,
    contains_unknown,
    describe,
)
from dlspec.syntax import tree

NO_IT = NoIt("`it` has no value in training: begin with a field of the data or with noise")


Built = tuple[tuple[StepPlan, ...], dict[str, Objective]]
"""The steps of a plan, and their objectives by key."""


class Common(NamedTuple):
    """What a step may set for itself; the `train` says the rest."""

    optimizer: Optimizer | None
    schedule: Schedule | None
    gradient_clip: float | None = None


def common_settings(found: dict[str, tree.Bind], frame: Frame) -> Common:
    """The optimizer and the schedule that settings name."""
    values: list[Any] = []
    for name, family in (("optimizer", AnyOptimizer), ("schedule", AnySchedule)):
        bound = found.get(name)
        values.append(
            None if bound is None else option(bound.value, name, "E0508", classes_of(family), frame)
        )
    return Common(*values)


class Building:
    """Builds the objectives of one `train`."""

    def __init__(
        self,
        declaration: tree.TrainDeclaration,
        models: Sequence[TrainedNetwork],
        data: DataPlan,
        program: Program,
        frame: Frame,
        plan: TrainPlan,
        taken: Container[str] = (),
    ) -> None:
        self.declaration = declaration
        self.models = models
        self.data = data
        self.program = program
        self.frame = frame
        self.plan = plan
        self.taken = taken
        """Keys of the objectives of other `train`s."""
        self.objectives: dict[str, Objective] = {}

    def setting(self, name: str) -> tree.Bind:
        """Where the `train` sets something that it is known to set."""
        return next(
            statement
            for statement in self.declaration.body.statements
            if isinstance(statement, tree.Bind) and statement.names[0].id == name
        )

    def inside(self, builder: ObjectiveBuilder) -> Frame:
        """A frame in which models are the ones being trained and fields have their names."""
        scope = Scope(self.frame.scope, boundary=True)
        for model in self.models:
            scope.bind(model.name, model, None, "declaration")
        span = self.declaration.data.span
        for name, type in (self.data.fields or {}).items():
            scope.bind(name, builder.field(name, type, span), span, "field")
        if self.data.fields is None:
            self._untyped(scope, builder)
        return Frame(self.frame.context, scope, builder, NO_IT)

    def _untyped(self, scope: Scope, builder: ObjectiveBuilder) -> None:
        """Fields that only the file knows: those of the models' inputs, and what else is named."""
        span = self.declaration.data.span
        wanted = {
            port.name: graph.types[port.value]
            for graph in (self.program.graphs[model.key] for model in self.models)
            for port in graph.inputs
        }
        names = named(self.declaration.body)
        for name in dict.fromkeys([*self.data.source.field_names, *names]):
            if scope.find(name) is not None or name in objectives.FUNCTIONS:
                continue
            if name in wanted:
                scope.bind(name, builder.field(name, wanted[name], span), span, "field")
            elif name in self.data.source.field_names or not self.data.source.field_names:
                scope.bind(name, UntypedField(name, span), span, "field")

    def target(self, output: TensorType, builder: ObjectiveBuilder) -> Tensor:
        """The field that metrics and the short form's loss compare with an output."""
        known = (self.data.fields or {}).get(self.plan.target)
        if known is None:
            loss = self.plan.loss
            known = (
                objectives.natural_target(loss, output)
                if loss is not None
                else tensor(*output.shape[:-1], dtype="int")
            )
        return builder.field(self.plan.target, known, self.declaration.data.span)

    def outputs(self, builder: ObjectiveBuilder, training: bool) -> dict[str, Tensor]:
        """The results of the model for the fields of its inputs' names."""
        model = self.models[0]
        graph = self.program.graphs[model.key]
        span = self.declaration.models[0].span
        inputs = tuple(
            builder.field(port.name, graph.types[port.value], span) for port in graph.inputs
        )
        ports = (*graph.outputs, *(graph.auxiliaries if training else ()))
        types = tuple(graph.types[port.value] for port in ports)
        results = builder.trained(model, inputs, types, span)
        builder.awaited, builder.results = (model.name, inputs), results
        return {port.name: value for port, value in zip(ports, results, strict=True)}

    def compared(self, output: Tensor, builder: ObjectiveBuilder) -> dict[str, Tensor]:
        """What metrics compare: the scores that an output is made of, and the target."""
        scores = builder.before(output, scores_before(self.program, self.plan))
        return {"scores": scores, "target": self.target(output.type, builder)}

    def minimized(self, statement: tree.MinimizeStatement, frame: Frame) -> Value:
        value = evaluate_flow(statement.value, frame)
        if contains_unknown(value) or isinstance(value, Absent):
            return value
        if not isinstance(value, Tensor) or value.type.dtype != "float":
            frame.report.error(
                "E0306", statement.value.span,
                f"`minimize` takes a loss or another number to be small, not {describe(value)}",
            )  # fmt: skip
            return UNKNOWN
        return value if self._sound(frame, statement) else UNKNOWN

    def _sound(self, frame: Frame, statement: tree.MinimizeStatement) -> bool:
        """Report the first layer that cannot stand outside a model."""
        builder = frame.builder
        assert isinstance(builder, ObjectiveBuilder)
        whole: set[Tensor] = set()  # numbers of the whole batch
        for draft in builder.drafts:
            if draft.cls is not LayerNode:
                whole |= set(draft.outputs) if draft.cls in (LossNode, PenaltyNode) else set()
                continue
            wrong = _misplaced(draft, whole)
            if wrong is not None:
                code, message, help = wrong
                span = builder.spans.get(draft.path, statement.span)
                frame.report.error(code, span, message, help=help)
                return False
            whole |= set(draft.outputs) if whole.issuperset(draft.inputs) else set()
        return True

    def keep(self, key: str, builder: ObjectiveBuilder, results: dict[str, Tensor]) -> None:
        """Add the objective of some results, and the places of its nodes."""
        self.objectives[key] = builder.objective(key, results)
        self.frame.context.spans.update({(key, path): span for path, span in builder.spans.items()})

    def key(self, step: str) -> str:
        """A key for a step's objective; a further `train` of a model on its data gets a number."""
        base = f"{self.models[0].name}.{self.data.name}"
        key, number = f"{base}.{step}", 1
        while key in self.taken:
            number += 1
            key = f"{base}{number}.{step}"
        return key

    def step_plan(
        self, name: str, updates: tuple[str, ...], key: str, common: Common, every: int = 1
    ) -> StepPlan | None:
        if common.optimizer is None:
            return None  # said already
        return StepPlan.model_construct(
            name=name,
            updates=updates,
            objective=key,
            every=every,
            optimizer=cast("Any", common.optimizer),
            schedule=cast("Any", common.schedule) or Constant.model_construct(),
            gradient_clip=common.gradient_clip,
        )


def _misplaced(draft: Draft, whole: set[Tensor]) -> tuple[str, str, str] | None:
    """Why a layer cannot stand in an objective: code, message and help.

    whole: the values that are one number for the whole batch.
    """
    layer: Layer = draft.rest["layer"]
    inputs = tuple(value.type for value in draft.inputs)
    in_a_model = "put the layer into a model that the `train` names"
    if layer.weights(inputs):
        return "E0109", f"`{layer.kind}` has weights, which belong to a model", in_a_model
    form = layer.torch(inputs, tuple(value.type for value in draft.outputs))
    if isinstance(form, Unsupported) or form.functional is None:
        return "E0109", f"`{layer.kind}` acts in models alone, not in a `train`", in_a_model
    if whole.intersection(draft.inputs) and any(t.rank for t in inputs):
        shape = next(t for t in inputs if t.rank).shape_text()
        return (
            "E0402",
            f"a loss, one number for the batch, does not go with {shape} for every example",
            "take the `mean` of the tensor",
        )
    return None


def named(body: tree.Body) -> list[str]:
    """The names in a body's expressions that are neither called nor bound there, in order."""
    found: dict[str, None] = {}
    bound: set[str] = set()
    waiting: list[Any] = [body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, tree.Name):
            found[node.id] = None
        elif isinstance(node, tree.Call) and isinstance(node.callee, tree.Name):
            waiting += reversed([argument.value for argument in node.arguments])
        elif isinstance(node, tree.Bind):
            bound |= {name.id for name in node.names}
            waiting.append(node.value)
        elif isinstance(node, tree.As):
            bound.add(node.name.id)
            waiting.append(node.value)
        elif isinstance(node, tuple):
            waiting += reversed(cast("tuple[Any, ...]", node))
    return [name for name in found if name not in bound]

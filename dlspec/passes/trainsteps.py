"""The steps of a `train`: `loss = …`, `minimize …` and `step`s, each made into an objective."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from dlspec.diagnostics import Label
from dlspec.ir.arguments import PositiveInt
from dlspec.ir.data import DataPlan
from dlspec.ir.fields import MISMATCH, Rules, field_info, fitting
from dlspec.ir.graph import LayerNode, Program
from dlspec.ir.objective import Objective
from dlspec.ir.optimizers import AnyOptimizer, Optimizer
from dlspec.ir.schedules import AnySchedule, Constant, Schedule
from dlspec.ir.training import StepPlan, TrainPlan
from dlspec.ir.types import TensorType, tensor
from dlspec.passes import objectives
from dlspec.passes.body import note_unused
from dlspec.passes.context import Frame, NoIt
from dlspec.passes.evaluate import evaluate, evaluate_flow
from dlspec.passes.objectivebuilder import ObjectiveBuilder
from dlspec.passes.options import classes_of, option
from dlspec.passes.scope import Scope, did_you_mean
from dlspec.passes.statements import bind_names
from dlspec.passes.values import (
    ABSENT,
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

FORMS = (tree.RequireStatement, tree.MinimizeStatement, tree.StepStatement)
SETTINGS = ("optimizer", "schedule", "gradient_clip")
NO_IT = NoIt("`it` has no value in training: begin with a field of the data or with noise")

Built = tuple[tuple[StepPlan, ...], dict[str, Objective]]


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


def has_optimizer(step: tree.StepStatement) -> bool:
    """Whether a step sets its own optimizer."""
    return any(
        isinstance(s, tree.Bind) and [n.id for n in s.names] == ["optimizer"]
        for s in step.body.statements
    )


class Steps:
    """Builds the steps of one `train`."""

    def __init__(
        self,
        declaration: tree.TrainDeclaration,
        models: Sequence[TrainedNetwork],
        data: DataPlan,
        program: Program,
        frame: Frame,
        plan: TrainPlan,
    ) -> None:
        self.declaration = declaration
        self.models = models
        self.data = data
        self.program = program
        self.frame = frame
        self.plan = plan
        self.objectives: dict[str, Objective] = {}

    def built(self, common: Common) -> Built | None:
        """The steps and their objectives. None after a mistake."""
        steps = [s for s in self.declaration.body.statements if isinstance(s, tree.StepStatement)]
        plans = [self._step(step, common) for step in steps] if steps else [self._one(common)]
        self._updated(steps)
        good = [plan for plan in plans if plan is not None]
        return (tuple(good), self.objectives) if len(good) == len(plans) else None

    # --- one step: `loss = …` or `minimize …`

    def _one(self, common: Common) -> StepPlan | None:
        key = self._key("loss")
        minimized = next(
            (s for s in self.declaration.body.statements if isinstance(s, tree.MinimizeStatement)),
            None,
        )
        if minimized is None and self.plan.loss is None:
            return None  # said already
        graph = self.program.graphs[self.plan.model]
        for training in (True, False) if graph.auxiliaries else (True,):
            builder = ObjectiveBuilder(self.program)
            frame = self._inside(builder)
            if minimized is None:
                results = self._short(builder, frame, training)
            else:
                results = self._long(minimized, builder, frame, training)
            if results is None:
                return None
            name = key if training else f"{key}.evaluation"
            if "loss" in results:
                self.objectives[name] = builder.objective(name, results)
        return self._plan("loss", (self.models[0].name,), key, common)

    def _short(
        self, builder: ObjectiveBuilder, frame: Frame, training: bool
    ) -> dict[str, Tensor] | None:
        """`loss = cross_entropy`: of the model's output and the data's target."""
        assert self.plan.loss is not None
        output = self._outputs(builder, training)[self.plan.output]
        target = self._target(output.type, builder)
        loss = objectives.compared(
            self.plan.loss, output, target, self.declaration.data.span, frame, builder
        )
        if not isinstance(loss, Tensor):
            return None
        scores = builder.before(output, self.plan.loss.from_logits)
        return {"loss": loss, "scores": scores, "target": target}

    def _target(self, output: TensorType, builder: ObjectiveBuilder) -> Tensor:
        known = (self.data.fields or {}).get(self.plan.target)
        if known is None:
            loss = self.plan.loss
            known = (
                objectives.natural_target(loss, output)
                if loss is not None
                else tensor(*output.shape[:-1], dtype="int")
            )
        return builder.field(self.plan.target, known, self.declaration.data.span)

    def _long(
        self,
        statement: tree.MinimizeStatement,
        builder: ObjectiveBuilder,
        frame: Frame,
        training: bool,
    ) -> dict[str, Tensor] | None:
        """`minimize …`, with the model's outputs and auxiliaries by their names."""
        outputs = self._outputs(builder, training)
        graph = self.program.graphs[self.plan.model]
        late = [port.name for port in graph.auxiliaries if port.name not in outputs]
        for name, value in [*outputs.items(), *((name, ABSENT) for name in late)]:
            taken = frame.scope.names.get(name)
            if taken is not None:
                frame.report.error(
                    "E0203",
                    statement.span,
                    f"`{name}` is an output of `{graph.name}` and a field of `{self.data.name}`",
                    help="give the output another name",
                )
                return None
            frame.scope.bind(name, value, None, "output")
        value = self._minimized(statement, frame)
        if isinstance(value, Absent):
            return {}
        if not isinstance(value, Tensor):
            return None
        if not self.plan.metrics:
            return {"loss": value}
        output = outputs[self.plan.output]
        target = self._target(output.type, builder)
        return {"loss": value, "scores": builder.before(output, "Softmax"), "target": target}

    def _outputs(self, builder: ObjectiveBuilder, training: bool) -> dict[str, Tensor]:
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
        return {port.name: value for port, value in zip(ports, results, strict=True)}

    # --- `step`s

    def _step(self, step: tree.StepStatement, common: Common) -> StepPlan | None:
        builder = ObjectiveBuilder(self.program)
        frame = self._inside(builder)
        before = len(frame.report.diagnostics)
        settings: dict[str, tree.Bind] = {}
        minimized: list[tree.MinimizeStatement] = []
        for statement in step.body.statements:
            self._statement(statement, settings, minimized, frame)
        if not minimized:
            frame.report.error(
                "E0502", step.name.span, f"the step `{step.name.id}` minimises nothing",
                help="end it with `minimize …`",
            )  # fmt: skip
            return None
        value = self._minimized(minimized[0], frame)
        note_unused(frame.scope, frame)
        own = self._own(settings, common, frame)
        every = self._every(step, frame)
        if len(frame.report.diagnostics) > before and any(
            d.severity == "error" for d in frame.report.diagnostics[before:]
        ):
            return None
        if not isinstance(value, Tensor) or every is None:
            return None
        key = self._key(step.name.id)
        self.objectives[key] = builder.objective(key, {"loss": value})
        updates = tuple(name.id for name in step.updates)
        return self._plan(step.name.id, updates, key, own, every)

    def _statement(
        self,
        statement: tree.Statement,
        settings: dict[str, tree.Bind],
        minimized: list[tree.MinimizeStatement],
        frame: Frame,
    ) -> None:
        if isinstance(statement, tree.Bind):
            name = statement.names[0]
            if len(statement.names) > 1 or name.id not in SETTINGS:
                bind_names(statement, frame)
            elif name.id in settings:
                frame.report.error(
                    "E0305", name.span, f"`{name.id}` is set twice",
                    labels=[Label(settings[name.id].span, "it is set here already")],
                )  # fmt: skip
            else:
                settings[name.id] = statement
        elif isinstance(statement, tree.MinimizeStatement):
            minimized.append(statement)
            if len(minimized) > 1:
                frame.report.error(
                    "E0506", statement.span, "a step has one `minimize`",
                    labels=[Label(minimized[0].span, "it stands here already")],
                    help="add the terms up, or write another step",
                )  # fmt: skip
        elif not isinstance(statement, tree.ErrorStatement):
            frame.report.error(
                "E0109", statement.span,
                "this does not belong in a `step`, which holds `name = value`, settings and "
                "one `minimize`",
            )  # fmt: skip

    def _own(self, settings: dict[str, tree.Bind], common: Common, frame: Frame) -> Common:
        outer = self.frame
        own = common_settings(settings, outer)
        clip = common.gradient_clip
        if "gradient_clip" in settings:
            bound = settings["gradient_clip"]
            value = evaluate(bound.value, outer.as_argument())
            if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
                clip = float(value)
            elif not contains_unknown(value):
                frame.report.error(
                    "E0303", bound.value.span,
                    f"`gradient_clip` must be a number greater than 0, not {describe(value)}",
                )  # fmt: skip
        return Common(own.optimizer or common.optimizer, own.schedule or common.schedule, clip)

    def _every(self, step: tree.StepStatement, frame: Frame) -> int | None:
        if step.every is None:
            return 1
        value = evaluate(step.every, self.frame.as_argument())
        fitted = fitting(field_info(PositiveInt, Rules()), value)
        if fitted is not MISMATCH:
            return fitted
        if not contains_unknown(value):
            frame.report.error(
                "E0303", step.every.span,
                f"`every` takes a whole number of at least 1, not {describe(value)}",
            )  # fmt: skip
        return None

    def _updated(self, steps: Sequence[tree.StepStatement]) -> None:
        """Report names of models that are not trained here, twice-named steps, idle models."""
        names = [model.name for model in self.models]
        seen: dict[str, tree.Name] = {}
        updated: set[str] = set()
        for step in steps:
            if step.name.id in seen:
                self.frame.report.error(
                    "E0203", step.name.span, f"there is a step `{step.name.id}` already",
                    labels=[Label(seen[step.name.id].span, "it stands here")],
                )  # fmt: skip
            seen[step.name.id] = step.name
            updated |= {name.id for name in step.updates}
            for name in step.updates:
                if name.id not in names:
                    self.frame.report.error(
                        "E0503", name.span, f"this `train` does not train `{name.id}`",
                        help=did_you_mean(name.id, names)
                        or "it trains " + ", ".join(f"`{n}`" for n in names),
                    )  # fmt: skip
        for written, name in zip(self.declaration.models, names, strict=True):
            if steps and name not in updated:
                self.frame.report.error(
                    "E0503", written.span, f"no step updates `{name}`",
                    help=f"write `updates {name}` on one of them",
                )  # fmt: skip

    # --- what they share

    def _inside(self, builder: ObjectiveBuilder) -> Frame:
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
        names = [name.id for name in named(self.declaration.body)]
        for name in dict.fromkeys([*self.data.source.field_names, *names]):
            if scope.find(name) is not None or name in objectives.FUNCTIONS:
                continue
            if name in wanted:
                scope.bind(name, builder.field(name, wanted[name], span), span, "field")
            elif name in self.data.source.field_names or not self.data.source.field_names:
                scope.bind(name, UntypedField(name, span), span, "field")

    def _minimized(self, statement: tree.MinimizeStatement, frame: Frame) -> Value:
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
        """Report layers with weights, and losses mixed with tensors of several numbers."""
        builder = frame.builder
        assert isinstance(builder, ObjectiveBuilder)
        for draft in builder.drafts:
            types = tuple(value.type for value in draft.inputs)
            if draft.cls is LayerNode and draft.rest["layer"].weights(types):
                frame.report.error(
                    "E0109", builder.spans.get(draft.path, statement.span),
                    f"`{draft.rest['layer'].kind}` has weights, which belong to a model",
                    help="put the layer into a model that the `train` names",
                )  # fmt: skip
                return False
        return True

    def _key(self, step: str) -> str:
        model = self.models[0].name
        return f"{model}.{self.data.name}.{step}"

    def _plan(
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


def named(body: tree.Body) -> list[tree.Name]:
    """Every plain name in a body's expressions, in the order of the page."""
    found: list[tree.Name] = []
    waiting: list[Any] = [body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, tree.Name):
            found.append(node)
        elif isinstance(node, tuple):
            parts = [part for part in node if isinstance(part, tuple)]
            waiting += reversed(parts)
    return found

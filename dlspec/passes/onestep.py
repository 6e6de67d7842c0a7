"""A `train` that is one step: `loss = …`, or `minimize …` with the outputs by their names."""

from __future__ import annotations

from dlspec.ir.schedules import Plateau
from dlspec.ir.training import StepPlan
from dlspec.passes import objectives
from dlspec.passes.context import Frame
from dlspec.passes.objectivebuilder import ObjectiveBuilder
from dlspec.passes.trainbuilding import Building, Built, Common
from dlspec.passes.values import (
    ABSENT,
    Absent,
    Tensor,
    Value,
)
from dlspec.syntax import tree


class OneStep(Building):
    """Builds the objective of `loss = …` or of `minimize …`."""

    def built(self, common: Common) -> Built | None:
        """The one step and its objective. None after a mistake."""
        plan = self._step(common)
        return ((plan,), self.objectives) if plan is not None else None

    def _step(self, common: Common) -> StepPlan | None:
        key = self.key("loss")
        minimized = next(
            (s for s in self.declaration.body.statements if isinstance(s, tree.MinimizeStatement)),
            None,
        )
        if minimized is None and self.plan.loss is None:
            return None  # said already
        graph = self.program.graphs[self.plan.model]
        for training in (True, False) if graph.auxiliaries else (True,):
            builder = ObjectiveBuilder(self.program)
            frame = self.inside(builder)
            if minimized is None:
                results = self._short(builder, frame, training)
            else:
                results = self._long(minimized, builder, frame, training)
            if results is None:
                return None
            name = key if training else f"{key}.evaluation"
            self.keep(name, builder, results)
        if not self._followed(common):
            return None
        return self.step_plan("loss", (self.models[0].name,), key, common)

    def _followed(self, common: Common) -> bool:
        """Whether there is a validation split where the schedule follows one. Reports E0506.

        Folders of images may have one that only reading them tells.
        """
        source = self.data.source
        if not isinstance(common.schedule, Plateau) or self.data.validation or source.may_divide:
            return True
        self.frame.report.error(
            "E0506",
            self.setting("schedule").value.span,
            f"`plateau` follows the validation split, which `{self.data.name}` does not have",
            help=f"add `validation = 10%` to `data {self.data.name}`",
        )
        return False

    def _short(
        self, builder: ObjectiveBuilder, frame: Frame, training: bool
    ) -> dict[str, Tensor] | None:
        """`loss = cross_entropy`: of the model's output and the data's target."""
        assert self.plan.loss is not None
        output = self.outputs(builder, training)[self.plan.output]
        target = self.target(output.type, builder)
        span = self.setting("loss").value.span
        if self.data.fields is None:
            loss: Value = objectives.placed(self.plan.loss, output, target, span, builder)
        else:
            loss = objectives.compared(self.plan.loss, output, target, span, frame, builder)
        if not isinstance(loss, Tensor):
            return None
        scores = builder.before(output, self.plan.loss.from_logits)
        return {"loss": loss, "scores": scores, "target": target}

    def _long(
        self,
        statement: tree.MinimizeStatement,
        builder: ObjectiveBuilder,
        frame: Frame,
        training: bool,
    ) -> dict[str, Tensor] | None:
        """`minimize …`, with the model's outputs and auxiliaries by their names."""
        graph = self.program.graphs[self.plan.model]
        fields = self.data.fields
        fed = fields is None or all(port.name in fields for port in graph.inputs)
        outputs = self.outputs(builder, training) if fed else {}
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
        value = self.minimized(statement, frame)
        if isinstance(value, Absent):
            self.frame.report.error(
                "E0506",
                statement.value.span,
                "`minimize` names auxiliary outputs alone, which there are in training alone",
                help="add a loss of an output, so that validation has something to measure",
            )
            return None
        if not isinstance(value, Tensor):
            return None
        if not self.plan.metrics:
            return {"loss": value}
        return {"loss": value, **self.compared(outputs[self.plan.output], builder)}

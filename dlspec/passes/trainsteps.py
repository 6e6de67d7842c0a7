"""The `step`s of a `train`, each made into an objective."""

from __future__ import annotations

from collections.abc import Sequence

from dlspec.diagnostics import Label
from dlspec.ir.arguments import PositiveInt
from dlspec.ir.fields import MISMATCH, Rules, field_info, fitting
from dlspec.ir.schedules import Plateau
from dlspec.ir.training import StepPlan
from dlspec.passes.body import note_unused
from dlspec.passes.context import Frame
from dlspec.passes.evaluate import evaluate
from dlspec.passes.objectivebuilder import ObjectiveBuilder
from dlspec.passes.scope import did_you_mean
from dlspec.passes.search import check_search
from dlspec.passes.statements import bind_names
from dlspec.passes.trainbuilding import Building, Built, Common, common_settings
from dlspec.passes.values import (
    Tensor,
    Value,
    contains_unknown,
    describe,
)
from dlspec.syntax import tree

FORMS = (tree.RequireStatement, tree.MinimizeStatement, tree.StepStatement)
SETTINGS = ("optimizer", "schedule", "gradient_clip")


def has_optimizer(step: tree.StepStatement) -> bool:
    """Whether a step sets its own optimizer."""
    return any(
        isinstance(s, tree.Bind) and [n.id for n in s.names] == ["optimizer"]
        for s in step.body.statements
    )


class Steps(Building):
    """Builds the steps of one `train`."""

    def built(self, common: Common) -> Built | None:
        """The steps and their objectives. None after a mistake."""
        steps = [s for s in self.declaration.body.statements if isinstance(s, tree.StepStatement)]
        plans = [self._step(step, common) for step in steps]
        self._updated(steps)
        good = [plan for plan in plans if plan is not None]
        return (tuple(good), self.objectives) if len(good) == len(plans) else None

    def _step(self, step: tree.StepStatement, common: Common) -> StepPlan | None:
        before = len(self.frame.report.diagnostics)
        settings: dict[str, tree.Bind] = {}
        builder = ObjectiveBuilder(self.program)
        built = self._minimized(step, settings, builder)
        if built is None:
            return None
        value, frame = built
        note_unused(frame.scope, frame)
        own = self._own(settings, common, frame)
        every = self._every(step, frame)
        if len(frame.report.diagnostics) > before and any(
            d.severity == "error" for d in frame.report.diagnostics[before:]
        ):
            return None
        if not isinstance(value, Tensor) or every is None:
            return None
        key = self.key(step.name.id)
        self.keep(key, builder, {"loss": value})
        if self.plan.metrics and len(self.objectives) == 1:
            self._measured(step, key)
        updates = tuple(name.id for name in step.updates)
        return self.step_plan(step.name.id, updates, key, own, every)

    def _minimized(
        self, step: tree.StepStatement, settings: dict[str, tree.Bind], builder: ObjectiveBuilder
    ) -> tuple[Value, Frame] | None:
        """What a step minimises. Its settings are put into `settings`."""
        frame = self.inside(builder)
        minimized: list[tree.MinimizeStatement] = []
        for statement in step.body.statements:
            self._statement(statement, settings, minimized, frame)
        if not minimized:
            frame.report.error(
                "E0502", step.name.span, f"the step `{step.name.id}` minimises nothing",
                help="end it with `minimize …`",
            )  # fmt: skip
            return None
        return self.minimized(minimized[0], frame), frame

    def _measured(self, step: tree.StepStatement, key: str) -> None:
        """The first step again, with what metrics compare: outputs of the first model."""
        builder = ObjectiveBuilder(self.program)
        output = self.outputs(builder, training=False)[self.plan.output]
        built = self._minimized(step, {}, builder)
        assert built is not None
        value, _ = built
        assert isinstance(value, Tensor)
        self.keep(f"{key}.evaluation", builder, {"loss": value, **self.compared(output, builder)})

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
            if bound.search is not None:
                check_search(value, bound.search, outer.as_argument(), evaluate)
            if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
                clip = float(value)
            elif not contains_unknown(value):
                frame.report.error(
                    "E0303", bound.value.span,
                    f"`gradient_clip` must be a number greater than 0, not {describe(value)}",
                )  # fmt: skip
        schedule = own.schedule or common.schedule
        if isinstance(schedule, Plateau):
            bound = settings["schedule"] if own.schedule else self.setting("schedule")
            frame.report.error(
                "E0506",
                bound.value.span,
                "`plateau` follows one figure, and a `train` in steps has a loss for each of them",
            )
        return Common(own.optimizer or common.optimizer, schedule, clip)

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

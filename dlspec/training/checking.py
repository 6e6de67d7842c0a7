"""What could not be known before the files were read: whether they fit model, loss and settings."""

from __future__ import annotations

from dlspec.data import Dataset
from dlspec.data.preparing import EvaluationFunction, TrainingFunction, prepare
from dlspec.ir.graph import Program
from dlspec.ir.mixing import mixed_classes
from dlspec.ir.schedules import Plateau
from dlspec.ir.training import TrainPlan
from dlspec.passes.fit import FitProblem, objective_problems, problems, retargeted, target_field
from dlspec.training.problems import SpecProblem
from dlspec.training.ranges import range_problem


def with_target(program: Program, plan: TrainPlan, dataset: Dataset) -> tuple[Program, TrainPlan]:
    """The same with the field that the loss compares, known once the files have been read."""
    found = target_field(dataset.plan.model_copy(update={"fields": dict(dataset.fields)}))
    if plan.target in dataset.fields or plan.loss is None:
        return program, plan  # `minimize` names its fields itself
    return retargeted(program, plan, found)


def preparation(
    program: Program, plan: TrainPlan, dataset: Dataset
) -> tuple[TrainingFunction, EvaluationFunction]:
    """How batches are prepared. Raises SpecProblem where a loss takes no mixed examples."""
    try:
        mixed = mixed_classes(plan, dataset.plan, program.objectives, dataset.fields)
    except ValueError as problem:
        raise SpecProblem(str(problem)) from problem
    return prepare(dataset.plan, mixed)


def check_data(program: Program, plan: TrainPlan, dataset: Dataset) -> None:
    """What could not be known before the files were read: whether they fit model and loss.

    Raises SpecProblem.
    """
    for problem in _problems(program, plan, dataset):
        advice = f"; {problem.help}" if problem.help else ""
        raise SpecProblem(f"{problem.message}{advice}")
    wrong = range_problem(program, plan, dataset)
    if wrong is not None:
        raise SpecProblem(wrong)
    if len(dataset.validation) == 0 and any(
        isinstance(step.schedule, Plateau) for step in plan.each_batch
    ):
        raise SpecProblem(
            "`plateau` follows the validation split, which is empty; "
            f"`validation = 10%` in `data {plan.data}` sets examples aside for it"
        )
    if plan.early_stopping is not None and len(dataset.validation) == 0:
        raise SpecProblem(
            "`early_stopping` follows the validation split, which is empty; "
            f"`validation = 10%` in `data {plan.data}` sets examples aside for it"
        )
    if plan.requires and len(dataset.test) == 0:
        raise SpecProblem(
            f"`require {plan.requires[0].metric}` is checked on the test split, which is empty; "
            f"`test = 20%` in `data {plan.data}` sets examples aside for it"
        )


def _problems(program: Program, plan: TrainPlan, dataset: Dataset) -> tuple[FitProblem, ...]:
    if plan.loss is not None or plan.metrics:
        found = problems(plan, program.graphs[plan.model], dataset.plan, dataset.fields)
        if found:
            return found
    return tuple(
        problem
        for step in plan.each_batch
        for problem in objective_problems(
            plan, program.objectives[step.objective], dataset.plan, dataset.fields
        )
    )

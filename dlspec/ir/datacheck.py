"""What can be said of a `data` declaration before any file is read.

The checks live beside the plan because both the compiler, which knows where a setting
stands, and the loader, which knows what a file holds, ask them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import NamedTuple

from dlspec.ir.data import AnyTransform, DataPlan, Normalize, Transform
from dlspec.ir.types import TensorType


class PlanProblem(NamedTuple):
    """A mistake in a plan: its code (W… is a warning), the setting it is about, the sentence.

    setting: `source.path`, `transform.0` (the number in its chain), `augment.1`, `test` …
    """

    code: str
    setting: str
    message: str
    help: str | None = None


def training_order(plan: DataPlan) -> tuple[AnyTransform, ...]:
    """The transforms of a training batch in order: those before the first `Normalize`,
    `augment`, the rest."""
    kinds = [isinstance(transform, Normalize) for transform in plan.transform]
    first = kinds.index(True) if True in kinds else len(kinds)
    return plan.transform[:first] + plan.augment + plan.transform[first:]


def fields_behind(
    fields: Mapping[str, TensorType], transforms: tuple[Transform, ...]
) -> dict[str, TensorType]:
    """The fields of a source as the model sees them, behind `transforms`.

    Raises ValueError with a sentence where a transform does not fit.
    """
    result = dict(fields)
    for transform in transforms:
        if "image" not in result:
            raise ValueError(
                f"`{transform.kind_name()}` works on a field `image`; the source gives"
                f" {_listed(result)}"
            )
        result["image"] = transform.infer(result["image"])
    return result


def path_problem(text: str) -> str | None:
    """Why a path of a spec is not one below the spec's folder, judged by its text, or None."""
    if "\0" in text:
        return "holds a character that no path may hold"
    windows = PureWindowsPath(text)
    if PurePosixPath(text).is_absolute() or windows.drive or windows.root:
        return "is absolute"
    depth = 0
    for part in windows.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return "climbs out of the folder of the spec"
    return None


def plan_problems(plan: DataPlan) -> tuple[PlanProblem, ...]:
    """Every mistake of a plan that its text shows, in the order of its settings."""
    return (*_path_problems(plan), *_transform_problems(plan), *_split_problems(plan))


def _path_problems(plan: DataPlan) -> list[PlanProblem]:
    problems: list[PlanProblem] = []
    for name in plan.source.path_arguments:
        reason = path_problem(getattr(plan.source, name))
        if reason is not None:
            kind = plan.source.kind_name()
            problems.append(
                PlanProblem(
                    "E0605",
                    f"source.{name}",
                    f"the path `{name}` of `{kind}` {reason}",
                    "write a path relative to the spec's folder; on the command line,"
                    " `--data-root DIR` moves where paths start",
                )
            )
    return problems


def _transform_problems(plan: DataPlan) -> list[PlanProblem]:
    problems: list[PlanProblem] = []
    for number, transform in enumerate(plan.transform):
        if transform.random:
            name = transform.kind_name()
            problems.append(
                PlanProblem(
                    "E0606",
                    f"transform.{number}",
                    f"`{name}` is random, and `transform` prepares validation and test "
                    "examples too",
                    f"move it to `augment = {name}…`, which is for training alone",
                )
            )
    for number, transform in enumerate(plan.augment):
        if isinstance(transform, Normalize):
            problems.append(
                PlanProblem(
                    "E0606",
                    f"augment.{number}",
                    "`Normalize` in `augment` would reach training alone",
                    "move it to `transform`",
                )
            )
    return problems or _shape_problems(plan)


def _shape_problems(plan: DataPlan) -> list[PlanProblem]:
    fields = plan.source.fields()
    if fields is None:
        return []
    places = {id(t): f"transform.{number}" for number, t in enumerate(plan.transform)}
    places |= {id(t): f"augment.{number}" for number, t in enumerate(plan.augment)}
    results: list[dict[str, TensorType]] = []
    for chain in (plan.transform, training_order(plan)):
        behind = dict(fields)
        for transform in chain:
            try:
                behind = fields_behind(behind, (transform,))
            except ValueError as error:
                return [PlanProblem("E0606", places[id(transform)], str(error))]
        results.append(behind)
    evaluation, training = results
    if training != evaluation:
        have, want = training["image"].shape_text(), evaluation["image"].shape_text()
        return [
            PlanProblem(
                "E0606",
                "augment",
                f"training would see images {have}, validation and test {want}",
                "let `augment` keep the size of its images, as `RandomCrop(28, padding=2)` does for"
                " 28×28",
            )
        ]
    return []


def _split_problems(plan: DataPlan) -> list[PlanProblem]:
    if plan.test > 0 and plan.source.has_test_split:
        kind = plan.source.kind_name()
        return [
            PlanProblem(
                "W0601",
                "test",
                f"`{kind}` has a test split of its own, so this share is not used",
                "leave `test` out",
            )
        ]
    if plan.validation + plan.test >= 1:
        return [
            PlanProblem(
                "E0607",
                "test" if plan.test >= plan.validation else "validation",
                f"`validation` and `test` take {plan.validation + plan.test:.0%} of the examples"
                " and leave none for training",
                "let the two shares add up to less than 100%",
            )
        ]
    return []


def _listed(fields: Mapping[str, TensorType]) -> str:
    return ", ".join(f"`{name}`" for name in fields)

"""What can be said of a `data` declaration before any file is read.

The checks live beside the plan because both the compiler, which knows where a setting
stands, and the loader, which knows what a file holds, ask them.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from pathlib import PurePosixPath, PureWindowsPath
from typing import NamedTuple

from dlspec.ir.data import DataPlan
from dlspec.ir.transforms import AnyTransform, CenterCrop, Normalize, OneHot, Resize, Transform
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
    chain = plan.transform if plan.train_transform is None else plan.train_transform
    kinds = [isinstance(transform, Normalize) for transform in chain]
    first = kinds.index(True) if True in kinds else len(kinds)
    return chain[:first] + plan.augment + chain[first:]


class Reading(NamedTuple):
    """What reading image files does to every one of them, and what is left to do to batches."""

    steps: tuple[Resize | CenterCrop, ...]
    plan: DataPlan


def while_reading(plan: DataPlan) -> Reading:
    """The resizing and cropping at the beginning of `transform`, done when files are read.

    With a `train_transform` it is what both begin with; where they do not begin alike, it is
    a `Resize` at the beginning of `transform`, behind which `train_transform` then stands.
    """
    steps: list[Resize | CenterCrop] = []
    for stage in plan.transform:
        if not isinstance(stage, Resize | CenterCrop):
            break
        steps.append(stage)
    training = plan.train_transform
    if training is None:
        return Reading(tuple(steps), _left(plan, len(steps), 0))
    alike = 0
    while alike < min(len(steps), len(training)) and steps[alike] == training[alike]:
        alike += 1
    if alike == 0 and steps and isinstance(steps[0], Resize):
        return Reading((steps[0],), _left(plan, 1, 0))
    return Reading(tuple(steps[:alike]), _left(plan, alike, alike))


def _left(plan: DataPlan, done: int, done_in_training: int) -> DataPlan:
    training = plan.train_transform
    return plan.model_copy(
        update={
            "transform": plan.transform[done:],
            "train_transform": None if training is None else training[done_in_training:],
        }
    )


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
    problems = (*_path_problems(plan), *_transform_problems(plan), *_split_problems(plan))
    if plan.source.fields() == {}:
        text = (
            "`synthetic` needs the type of a field, as in `synthetic(image=[3, 32, 32], label=10)`"
        )
        return (PlanProblem("E0604", "source", text), *problems)
    return problems


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


def family_problem(plan: DataPlan) -> tuple[str, str] | None:
    """The setting of a transform that is for tables where the source is none, or the other way
    round, and what is wrong; None where all are of the source's kind."""
    table = plan.source.of_columns
    name = plan.source.kind_name()
    for stage in (*plan.transform, *(plan.train_transform or ()), *plan.augment):
        if stage.of_columns != table:
            what = "columns of tables" if stage.of_columns else "images"
            kind = stage.kind_name()
            return _places(plan)[id(stage)], f"`{kind}` works on {what}, not on what `{name}` gives"
    if table and plan.train_transform is not None:
        return "train_transform", "a table has one `transform`, learned in training"
    if table and plan.augment:
        return "augment", f"`{plan.augment[0].kind_name()}` belongs into `transform`"
    return None


def known_fields(plan: DataPlan) -> dict[str, TensorType] | None:
    """The fields behind the transforms, where they are known before any file is read.

    Raises ValueError with a sentence where a transform does not fit.
    """
    fields = plan.source.fields()
    if fields is None or not plan.source.of_columns:
        return None if fields is None else fields_behind(fields, plan.transform)
    widened = any(isinstance(stage, OneHot) for stage in plan.transform)
    return None if widened else fields


def _transform_problems(plan: DataPlan) -> list[PlanProblem]:
    wrong = family_problem(plan)
    if wrong is not None:
        return [PlanProblem("E0606", *wrong)]
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
        if transform.changes_meaning:
            problems.append(
                PlanProblem(
                    "E0606",
                    f"augment.{number}",
                    f"`{transform.kind_name()}` in `augment` would reach training alone",
                    "move it to `transform`",
                )
            )
    return problems or _meaning_problems(plan) or _shape_problems(plan)


def _meaning_problems(plan: DataPlan) -> list[PlanProblem]:
    """Pixels that would mean other things in training than where the model is measured."""
    training = plan.train_transform
    if training is not None:
        learnt, measured = (
            [stage for stage in chain if stage.changes_meaning]
            for chain in (training, plan.transform)
        )
        if learnt != measured:
            pairs = zip_longest(learnt, measured)
            odd = next(one or other for one, other in pairs if one != other)
            assert odd is not None
            return [
                PlanProblem(
                    "E0606",
                    "train_transform",
                    f"training would see other values than validation and test: "
                    f"`{odd.kind_name()}` differs between `transform` and `train_transform`",
                    "write it in both with the same arguments",
                )
            ]
    order = training_order(plan)
    normalized = [isinstance(stage, Normalize) for stage in order]
    for place, stage in enumerate(order):
        if stage.plain_range and True in normalized[:place]:
            name = stage.kind_name()
            return [
                PlanProblem(
                    "E0606",
                    _places(plan)[id(stage)],
                    f"`{name}` works on pixels from 0 to 1, and `Normalize` stands before it",
                    f"move `{name}` to before `Normalize`",
                )
            ]
    return []


def _places(plan: DataPlan) -> dict[int, str]:
    """The setting of each transform by its identity."""
    chains = {
        "transform": plan.transform,
        "train_transform": plan.train_transform or (),
        "augment": plan.augment,
    }
    return {
        id(stage): f"{name}.{number}"
        for name, chain in chains.items()
        for number, stage in enumerate(chain)
    }


def _shape_problems(plan: DataPlan) -> list[PlanProblem]:
    fields = plan.source.fields()
    if fields is None or plan.source.of_columns:
        return []
    places = _places(plan)
    for chain in (plan.transform, training_order(plan)):
        behind = dict(fields)
        for transform in chain:
            try:
                behind = fields_behind(behind, (transform,))
            except ValueError as error:
                return [PlanProblem("E0606", places[id(transform)], str(error))]
    wrong = training_problem(plan, fields)
    if wrong is not None:
        setting = "augment" if plan.train_transform is None else "train_transform"
        return [PlanProblem("E0606", setting, *wrong)]
    return []


def training_problem(plan: DataPlan, fields: Mapping[str, TensorType]) -> tuple[str, str] | None:
    """What is wrong, and how to mend it, where training would see images of another shape.

    fields: those of the source.
    Raises ValueError with a sentence where a transform does not fit.
    """
    training = fields_behind(fields, training_order(plan)).get("image")
    evaluation = fields_behind(fields, plan.transform).get("image")
    if training is None or evaluation is None or training == evaluation:
        return None
    have, want = training.shape_text(), evaluation.shape_text()
    help = (
        "let `augment` keep the size of its images, as `RandomCrop(28, padding=2)` does for 28×28"
        if plan.train_transform is None
        else "let both chains end in one size"
    )
    return f"training would see images {have}, validation and test {want}", help


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

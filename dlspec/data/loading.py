"""From a `data` declaration to arrays in three splits: `load`, and `--data` on the way."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from dlspec.data.dataset import Arrays, Dataset, Split, Stored
from dlspec.data.places import Place
from dlspec.data.problem import WRONG_USAGE, DataProblem
from dlspec.data.settling import Splits, settled
from dlspec.data.sources import read_source
from dlspec.data.splits import split_indices
from dlspec.data.storage import Storage
from dlspec.ir.data import DataPlan
from dlspec.ir.datacheck import family_problem, fields_behind, training_problem, while_reading
from dlspec.ir.sources import SOURCES, Source
from dlspec.ir.types import TensorType, tensor


def parse_replacement(text: str) -> Source:
    """The source that `--data` names: `mnist:PATH`, `idx:IMAGES,LABELS`, `digits`.

    Raises DataProblem where it names none, or lacks a path or has one too many.
    """
    name, _, rest = text.partition(":")
    source = _named(name)
    wanted = source.path_arguments
    # Where there is one path, it may hold a comma itself.
    paths = rest.split(",", max(len(wanted) - 1, 0)) if rest else []
    try:
        if rest or not source.downloaded:
            return source(**dict(zip(wanted, paths, strict=True)))
        return source()
    except ValueError as error:  # a path that does not fit, or another number of them
        form = ":" + ",".join(path.upper() for path in wanted) if wanted else ""
        if wanted and set(wanted) < set(required_arguments(source)):
            raise DataProblem(
                f"`--data {name}` says too little: `{name}` has further arguments",
                exit_code=WRONG_USAGE,
                help=f"it replaces the path of a spec's own `{name}(…)`",
            ) from error
        raise DataProblem(
            f"`--data {name}` does not have the paths that `{name}` needs",
            exit_code=WRONG_USAGE,
            help=f"write `--data {name}{form}`",
        ) from error


def _named(name: str) -> type[Source]:
    kinds = {source.kind_name(): source for source in SOURCES}
    if name in kinds:
        return kinds[name]
    near = get_close_matches(name, kinds, 1)
    listed = ", ".join(f"`{kind}`" for kind in kinds)
    raise DataProblem(
        f"`--data` names an unknown source {name[:64]!a}",
        exit_code=WRONG_USAGE,
        help=f"did you mean `{near[0]}`?" if near else f"there are {listed}",
    )


def required_arguments(source: type[Source]) -> tuple[str, ...]:
    """The arguments of a source that have no default."""
    return tuple(name for name, field in source.model_fields.items() if field.is_required())


def replaced(source: Source, replacement: str) -> Source:
    """The source that `--data` names. Of the spec's own kind, it keeps all but the paths.

    Raises DataProblem as `parse_replacement` does.
    """
    name, _, rest = replacement.partition(":")
    paths = replaced_arguments(type(source))
    if name != source.kind_name() or not rest or not paths:
        return parse_replacement(replacement)
    given = rest.split(",", len(paths) - 1)
    if len(given) != len(paths) or not all(given):
        return parse_replacement(replacement)
    return source.model_copy(update=dict(zip(paths, given, strict=True)))


def replaced_arguments(source: type[Source]) -> tuple[str, ...]:
    """The arguments that `--data` gives: its paths, or what it is named by."""
    return source.path_arguments or tuple(
        name for name in required_arguments(source) if name in ("name", "shape")
    )


def load(
    plan: DataPlan,
    root: Path,
    replacement: str | None = None,
    storage: Storage = Storage(),  # noqa: B008 - it is immutable
    *,
    skip_bad: bool = False,
    columns: list[dict[str, Any]] | None = None,
) -> Dataset:
    """Read a data set and divide it.

    plan:        the `data` declaration.
    root:        the folder where its paths start and which they may not leave: the spec's,
                 or `--data-root`.
    replacement: `--data`: another source, whose paths start here and may lead anywhere.
    storage:     how much memory decoded images may take, and where more of them are kept.
    skip_bad:    whether to go on without rows and images that cannot be used.
    columns:     of a table, what an earlier run learned of the columns of its training split.

    A split that the source has itself is kept, and a share for it is not used but noted.
    Raises DataProblem.
    """
    source, place = plan.source, Place(root, confined=True)
    if replacement is not None:
        source = replaced(source, replacement)
        place = Place(Path(), confined=False)
        plan = _fitting(plan, source)
    skipped: list[str] | None = [] if skip_bad else None
    stored = read_source(source, place, plan, storage, skipped)
    left = while_reading(plan).plan if stored.begun else plan
    splits = _split(plan, stored)
    if source.of_columns:
        splits, columns = _table(splits, plan, columns)
        left = plan.model_copy(update={"transform": ()})
    fields = _fields(left, splits[0].fields)
    splits, held = settled(splits, storage)
    return Dataset(
        left.model_copy(update={"source": source}),
        fields,
        stored.classes,
        *splits,
        notes=(*_notes(plan, source, stored), *stored.notes, *held),
        skipped=tuple(skipped or ()),
        columns=columns,
    )


def _fitting(plan: DataPlan, source: Source) -> DataPlan:
    """The plan with another source, whose transforms must be of its kind."""
    wrong = family_problem(plan.model_copy(update={"source": source}))
    if wrong is not None:
        raise DataProblem(f"in `data {plan.name}`: {wrong[1]}", code="E0606")
    return plan


def _table(
    splits: Splits, plan: DataPlan, columns: list[dict[str, Any]] | None
) -> tuple[Splits, list[dict[str, Any]]]:
    from dlspec.data.tabular import made_numbers

    return made_numbers(splits, plan, columns)


def _fields(plan: DataPlan, arrays: Arrays) -> dict[str, TensorType]:
    """The types behind the transforms, checked against those that the spec was checked with."""
    try:
        fields = fields_behind(_types(arrays), plan.transform)
        wrong = training_problem(plan, _types(arrays))
    except ValueError as error:
        raise DataProblem(f"in `data {plan.name}`: {error}", code="E0606") from error
    if wrong is not None:
        message, help = wrong
        raise DataProblem(f"in `data {plan.name}`: {message}", code="E0606", help=help)
    if plan.fields is not None and dict(plan.fields) != fields:
        raise DataProblem(
            f"`data {plan.name}` should give {_listed(plan.fields)}, and these files give"
            f" {_listed(fields)}",
            code="E0604",
            help="a `Resize` in `transform` gives images the size that the model takes",
        )
    return fields


def _types(arrays: Arrays) -> dict[str, TensorType]:
    types: dict[str, TensorType] = {}
    for name, array in arrays.items():
        image = name == "image" and array.dtype == np.uint8
        kind = "float" if image or array.dtype.kind == "f" else "bool"
        types[name] = tensor(*array.shape[1:], dtype="int" if array.dtype == np.int64 else kind)
    return types


def _split(plan: DataPlan, stored: Stored) -> tuple[Split, Split, Split]:
    whole = Split(stored.train)
    shares = (
        plan.validation if stored.validation is None else 0.0,
        plan.test if stored.test is None else 0.0,
    )
    try:
        indices = split_indices(len(whole), *shares, plan.seed)
    except ValueError as error:
        raise DataProblem(
            f"in `data {plan.name}`: {error}",
            code="E0607",
            help="give more examples, or smaller shares",
        ) from error
    train = whole if len(indices[0]) == len(whole) else whole.take(indices[0])
    validation = Split(stored.validation) if stored.validation else whole.take(indices[1])
    test = Split(stored.test) if stored.test else whole.take(indices[2])
    return train, validation, test


def _notes(plan: DataPlan, source: Source, stored: Stored) -> tuple[str, ...]:
    kind = source.kind_name()
    own = (("validation", plan.validation, stored.validation), ("test", plan.test, stored.test))
    return tuple(
        f"`{kind}` has a {name} split of its own, so `{name} = {share:.4g}` is not used"
        for name, share, arrays in own
        if share > 0 and arrays is not None
    )


def _listed(fields: dict[str, TensorType]) -> str:
    return ", ".join(f"`{name}: {kind}`" for name, kind in sorted(fields.items()))

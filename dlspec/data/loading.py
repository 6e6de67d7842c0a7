"""From a `data` declaration to arrays in three splits: `load`, and `--data` on the way."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from dlspec.data.dataset import Arrays, Dataset, Split, Stored
from dlspec.data.places import Place
from dlspec.data.problem import WRONG_USAGE, DataProblem
from dlspec.data.settling import settled
from dlspec.data.sources import read_source
from dlspec.data.splits import split_indices
from dlspec.data.storage import Storage
from dlspec.ir.data import DataPlan, Digits, Idx, ImageFolder, Mnist, Npz, Source
from dlspec.ir.datacheck import fields_behind, training_problem, while_reading
from dlspec.ir.types import TensorType, tensor

_SOURCES: tuple[type[Digits | Mnist | Idx | ImageFolder | Npz], ...] = (
    Digits,
    Mnist,
    Idx,
    ImageFolder,
    Npz,
)


def parse_replacement(text: str) -> Digits | Mnist | Idx | ImageFolder | Npz:
    """The source that `--data` names: `mnist:PATH`, `idx:IMAGES,LABELS`, `digits`.

    Raises DataProblem where it names none, or lacks a path or has one too many.
    """
    name, _, rest = text.partition(":")
    kinds = {source.kind_name(): source for source in _SOURCES}
    if name not in kinds:
        near = get_close_matches(name, kinds, 1)
        listed = ", ".join(f"`{kind}`" for kind in kinds)
        raise DataProblem(
            f"`--data` names an unknown source {name[:64]!a}",
            exit_code=WRONG_USAGE,
            help=f"did you mean `{near[0]}`?" if near else f"there are {listed}",
        )
    source = kinds[name]
    wanted = source.path_arguments
    # Where there is one path, it may hold a comma itself.
    paths = rest.split(",", max(len(wanted) - 1, 0)) if rest else []
    try:
        arguments: dict[str, Any] = dict(zip(wanted, paths, strict=True))
        return source(**arguments)
    except ValueError as error:  # a path that does not fit, or another number of them
        form = ":" + ",".join(path.upper() for path in wanted) if wanted else ""
        raise DataProblem(
            f"`--data {name}` does not have the paths that `{name}` needs",
            exit_code=WRONG_USAGE,
            help=f"write `--data {name}{form}`",
        ) from error


def load(
    plan: DataPlan,
    root: Path,
    replacement: str | None = None,
    storage: Storage = Storage(),  # noqa: B008 - it is immutable
) -> Dataset:
    """Read a data set and divide it.

    plan:        the `data` declaration.
    root:        the folder where its paths start and which they may not leave: the spec's,
                 or `--data-root`.
    replacement: `--data`: another source, whose paths start here and may lead anywhere.
    storage:     how much memory decoded images may take, and where more of them are kept.

    A split that the source has itself is kept, and a share for it is not used but noted.
    Raises DataProblem.
    """
    source: Source = plan.source
    place = Place(root, confined=True)
    if replacement is not None:
        source = parse_replacement(replacement)
        place = Place(Path(), confined=False)
    stored = read_source(source, place, plan, storage)
    left = while_reading(plan).plan if stored.begun else plan
    fields = _fields(left, stored)
    splits, held = settled(_split(plan, stored), storage)
    train, validation, test = splits
    return Dataset(
        plan=left.model_copy(update={"source": source}),
        fields=fields,
        classes=stored.classes,
        train=train,
        validation=validation,
        test=test,
        notes=(*_notes(plan, source, stored), *stored.notes, *held),
    )


def _fields(plan: DataPlan, stored: Stored) -> dict[str, TensorType]:
    """The types behind the transforms, checked against those that the spec was checked with."""
    try:
        fields = fields_behind(_types(stored.train), plan.transform)
        wrong = training_problem(plan, _types(stored.train))
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

"""The part of a training program that makes the model's inputs of stored examples."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import NamedTuple

from dlspec.backends.torch.borrowed import Borrowed, borrow
from dlspec.backends.torch.docstrings import docstring
from dlspec.backends.torch.printer import literal, quoted, statement
from dlspec.ir.data import DataPlan
from dlspec.ir.datacheck import training_order
from dlspec.ir.sources import Npz
from dlspec.ir.transforming import call_of
from dlspec.ir.transforms import AnyTransform

_WHEN_TRAINING = "if generator is not None:"


class Preparation(NamedTuple):
    """`prepare_batch`, what it borrows, and whether it takes a generator in training."""

    borrowed: tuple[Borrowed, ...]
    code: str
    augments: bool


def preparation(plan: DataPlan, fields: tuple[str, ...], mixed: Mapping[str, int]) -> Preparation:
    """`prepare_batch`, which gathers a batch and makes it what the model takes.

    fields: the fields of the data that training uses.
    mixed:  `mixed_classes` of what is trained.
    """
    images = "image" in fields
    training = training_order(plan) if images else ()
    augments = images and training != plan.transform
    gathered = "{name: values[numbers] for name, values in data.items()}"
    if not images:
        return Preparation((), "\n".join([*_head(False), f"    return {gathered}"]), False)
    lines = [*_head(augments), f"    batch = {gathered}"]
    if isinstance(plan.source, Npz):
        lines += [
            '    image = batch["image"]',
            "    if image.dtype == torch.uint8:",
            "        image = image.float() / 255",
        ]
    else:
        lines.append('    image = batch["image"].float() / 255')
    if plan.train_transform is not None and augments:
        lines += _two_chains(training, plan.transform, mixed)
    else:
        lines += _one_chain(training, mixed)
    lines.append('    return {**batch, "image": image}')
    return Preparation(_borrowed((*training, *plan.transform), mixed), "\n".join(lines), augments)


def _head(augments: bool) -> list[str]:
    if augments:
        text = (
            "The examples with these numbers as the model takes them, augmented with a generator."
        )
        return [
            "def prepare_batch(",
            "    data: Batch, numbers: Tensor, generator: torch.Generator | None = None",
            ") -> Batch:",
            *docstring(text, 4),
        ]
    return [
        "def prepare_batch(data: Batch, numbers: Tensor) -> Batch:",
        *docstring("The examples with these numbers as the model takes them.", 4),
    ]


def _one_chain(training: tuple[AnyTransform, ...], mixed: Mapping[str, int]) -> list[str]:
    """Every stage in order, the random ones where there is a generator."""
    lines: list[str] = []
    for random, stages in groupby(training, lambda stage: stage.random):
        if random:
            lines.append(f"    {_WHEN_TRAINING}")
        lines += _stages(tuple(stages), mixed, 8 if random else 4)
    return lines


def _two_chains(
    training: tuple[AnyTransform, ...],
    evaluation: tuple[AnyTransform, ...],
    mixed: Mapping[str, int],
) -> list[str]:
    """One chain where there is a generator, another where there is none."""
    learnt, measured = _stages(training, mixed, 8), _stages(evaluation, mixed, 8)
    lines = [f"    {_WHEN_TRAINING}", *learnt] if learnt else []
    otherwise = "    else:" if learnt else "    if generator is None:"
    return [*lines, otherwise, *measured] if measured else lines


def _stages(stages: tuple[AnyTransform, ...], mixed: Mapping[str, int], indent: int) -> list[str]:
    lines: list[str] = []
    begun = False
    for stage in stages:
        if stage.mixes and mixed and not begun:
            begun = True
            for name, count in mixed.items():
                shares = f"F.one_hot(batch[{quoted(name)}], {literal(count)}).float()"
                lines += statement(f"batch[{quoted(name)}] = ", shares, indent)
        head = ("image, share = " if mixed else "image, _ = ") if stage.mixes else "image = "
        lines += statement(head, _call(stage), indent)
        for name in mixed if stage.mixes else ():
            text = f"mix_classes(batch[{quoted(name)}], share)"
            lines += statement(f"batch[{quoted(name)}] = ", text, indent)
    return lines


def _call(stage: AnyTransform) -> str:
    call = call_of(stage)
    written = ["image", *(literal(value) for value in call.arguments)]
    return f"{call.function}({', '.join([*written, *(['generator'] if stage.random else [])])})"


def _borrowed(stages: tuple[AnyTransform, ...], mixed: Mapping[str, int]) -> tuple[Borrowed, ...]:
    """The functions that the stages call, file by file."""
    files: dict[str, dict[str, None]] = {}
    for stage in stages:
        call = call_of(stage)
        names = files.setdefault(call.file, {})
        names[call.function] = None
        if stage.mixes and mixed:
            names["mix_classes"] = None
    return tuple(borrow(f"data/{file}.py", *names) for file, names in files.items())

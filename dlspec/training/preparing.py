"""Everything up to the first step: device, data, model, optimizer, and where a run goes on."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dlspec import __version__
from dlspec.backends.torch import BackendProblem, emit_module, load_module
from dlspec.data import Dataset, load, parse_replacement
from dlspec.data.preparing import EvaluationFunction, TrainingFunction, prepare
from dlspec.ir.graph import Program
from dlspec.ir.training import TrainPlan
from dlspec.passes.fit import problems, target_field
from dlspec.passes.rewrite import Rewritten, rewrite
from dlspec.training.checkpoint import Found, newest_checkpoint, set_aside
from dlspec.training.device import (
    Numerics,
    build_optimizer,
    choose_device,
    choose_numerics,
    machine_facts,
)
from dlspec.training.examples import Examples
from dlspec.training.folder import RunFolder, spec_hash
from dlspec.training.objective import Objective, sum_type
from dlspec.training.order import batches_per_epoch, epoch_order
from dlspec.training.problems import SpecProblem
from dlspec.training.settings import TrainOptions
from dlspec.training.state import State, restore


@dataclass
class Training:
    """All that a run works with. Only `state`, `order` and, in a replay, `checked` change.

    checked: the loss of every step is read before the weights change. On the CPU that costs
             nothing; elsewhere it would make each step wait for the device.
    """

    plan: TrainPlan
    options: TrainOptions
    model_name: str
    dataset: Dataset
    examples: Examples
    validation: Examples | None
    prepare_batch: TrainingFunction
    prepare_for_evaluation: EvaluationFunction
    objective: Objective
    numerics: Numerics
    state: State
    folder: RunFolder
    steps: int
    steps_per_epoch: int
    facts: dict[str, Any]
    checked: bool
    notes: list[str] = field(default_factory=list)
    order: tuple[int, torch.Tensor] | None = None

    @property
    def epochs(self) -> int:
        return math.ceil(self.steps / self.steps_per_epoch)

    @property
    def title(self) -> str:
        """`LeNet on Digits`, or `LeNet on mnist` where `--data` stood in for the spec's."""
        replaced = self.options.data.partition(":")[0] if self.options.data else None
        return f"{self.model_name} on {replaced or self.plan.data}"

    @property
    def deciding_figure(self) -> str | None:
        """The figure of the validation split that says which weights are best."""
        if self.validation is None:
            return None
        return self.objective.names[1] if len(self.objective.names) > 1 else "loss"

    def numbers(self, step: int) -> torch.Tensor:
        """Which examples the batch of a step (from 0) has, where they are gathered."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if self.order is None or self.order[0] != epoch:
            order = epoch_order(self.examples.count, self.plan.seed, epoch)
            self.order = (epoch, order.to(self.examples.home))
        start = position * self.plan.batch_size
        return self.order[1][start : start + self.plan.batch_size]

    def checkpoint_facts(self) -> dict[str, Any]:
        """What a checkpoint says of the run that it belongs to."""
        return {name: self.facts[name] for name in ("spec_sha256", "machine", "examples")}


def prepare_training(
    program: Program, plan: TrainPlan, options: TrainOptions,
    build: Callable[[], nn.Module] | None = None,
) -> Training:
    """Everything that `train` does before the first step. Raises as `train` does."""
    device = choose_device(options.device)
    dataset = load(program.data[plan.data], options.data_root, options.data)
    facts = run_facts(program, plan, options, dataset)
    plan = with_target(plan, dataset)
    check_data(program, plan, dataset)
    objective = Objective(program, plan)
    rewritten = rewrite(program) if options.rewrites else Rewritten(program, ())
    torch.manual_seed(plan.seed)
    model = build() if build is not None else build_model(rewritten.program, plan)
    numerics = choose_numerics(device, plan.precision, model, options.channels_last)
    model = place(model, numerics)
    state = State(
        model, build_optimizer(plan.optimizer.torch(), model.parameters(), device), device,
        torch.zeros(len(objective.names), dtype=sum_type(device), device=device))
    per_epoch = batches_per_epoch(len(dataset.train), plan.batch_size)
    for_training, for_evaluation = prepare(dataset.plan)
    training = Training(
        plan=plan, options=options, model_name=program.graphs[plan.model].name, dataset=dataset,
        examples=Examples(dataset.train, numerics),
        validation=Examples(dataset.validation, numerics) if len(dataset.validation) else None,
        prepare_batch=for_training, prepare_for_evaluation=for_evaluation, objective=objective,
        numerics=numerics, state=state, folder=RunFolder(options.folder),
        steps=total_steps(plan, per_epoch), steps_per_epoch=per_epoch,
        facts={**facts, "machine": machine_facts(numerics),
               "examples": _examples_facts(dataset, plan.target)},
        checked=device.type == "cpu")
    training.notes += [*dataset.notes, *rewritten.notes, _introduction(training)]
    _open_folder(training, program)
    return training


def build_model(program: Program, plan: TrainPlan) -> nn.Module:
    """The module that `dlspec compile` prints, loaded in memory.

    Raises SpecProblem where PyTorch cannot express a layer.
    """
    try:
        return load_module(emit_module(program, plan.model))()
    except BackendProblem as problem:
        raise SpecProblem(str(problem)) from problem


def with_target(plan: TrainPlan, dataset: Dataset) -> TrainPlan:
    """The plan with the field that the loss compares, known once the files have been read."""
    found = target_field(dataset.plan.model_copy(update={"fields": dict(dataset.fields)}))
    return plan if plan.target in dataset.fields else plan.model_copy(update={"target": found})


def place(model: nn.Module, numerics: Numerics) -> nn.Module:
    """The model on its device, its weights in the memory layout of the run."""
    model = model.to(numerics.device)
    if numerics.channels_last:
        model = model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return model


def total_steps(plan: TrainPlan, per_epoch: int) -> int:
    """The number of optimizer steps of a whole run."""
    if plan.steps is not None:
        return plan.steps
    if plan.epochs is None:
        raise SpecProblem("a `train` needs `epochs` or `steps`")
    return plan.epochs * per_epoch


def check_data(program: Program, plan: TrainPlan, dataset: Dataset) -> None:
    """What could not be known before the files were read: whether they fit model and loss.

    Raises SpecProblem.
    """
    for problem in problems(plan, program.graphs[plan.model], dataset.plan, dataset.fields):
        advice = f"; {problem.help}" if problem.help else ""
        raise SpecProblem(f"{problem.message}{advice}")
    if plan.requires and len(dataset.test) == 0:
        raise SpecProblem(
            f"`require {plan.requires[0].metric}` is checked on the test split, which is empty; "
            f"`test = 20%` in `data {plan.data}` sets examples aside for it")


def run_facts(
    program: Program, plan: TrainPlan, options: TrainOptions, dataset: Dataset
) -> dict[str, Any]:
    """What run.json says of a run from the beginning, beside the machine and the examples."""
    return {
        "dlspec": __version__, "python": platform.python_version(),
        "system": platform.platform(),
        "spec_sha256": spec_hash(program), "model": program.graphs[plan.model].name,
        "data": {"name": plan.data, "root": str(options.data_root.resolve()),
                 "source": _absolute(options.data)},
        "settings": plan.model_dump(mode="json"), "classes": dataset.classes, "finished": False,
    }


def _absolute(replacement: str | None) -> str | None:
    """`--data mnist:PATH` as it reads from any folder."""
    if replacement is None:
        return None
    source = parse_replacement(replacement)
    paths = [str(Path(getattr(source, name)).resolve()) for name in source.path_arguments]
    return f"{source.kind_name()}:{','.join(paths)}" if paths else source.kind_name()


def _examples_facts(dataset: Dataset, target: str) -> dict[str, Any]:
    """How many examples there are, and a hash by which other data is noticed."""
    digest = hashlib.sha256()
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    for split in splits.values():
        shapes = {name: array.shape for name, array in split.fields.items()}
        digest.update(json.dumps(shapes, sort_keys=True).encode())
        digest.update(split.fields[target].tobytes())
    return {**{name: len(split) for name, split in splits.items()},
            "targets_sha256": digest.hexdigest()}


def _introduction(training: Training) -> str:
    examples = training.facts["examples"]
    counts = ", ".join(f"{examples[name]:,} {word}" for name, word in (
        ("train", "training"), ("validation", "validation"), ("test", "test")) if examples[name])
    parameters = sum(p.numel() for p in training.state.model.parameters())
    return (f"{training.title}: {parameters:,} parameters, "
            f"{counts} examples; {training.numerics}")


def _open_folder(training: Training, program: Program) -> None:
    """Make the folder of a new run, or put the state where an earlier part of it stopped."""
    folder, options = training.folder, training.options
    if not options.resume:
        folder.create(program, options.text, training.facts)
        return
    earlier = folder.read_facts()
    if earlier.get("spec_sha256") != training.facts["spec_sha256"]:
        raise SpecProblem(f"`{folder.path}` is the run of another spec, or of other overrides")
    folder.clear_leftovers()
    found = newest_checkpoint(folder.checkpoints)
    if found is None:
        training.notes.append("no checkpoint was saved yet: the run starts from its beginning")
        folder.cut_log(0)
        return
    _go_on(training, found)


def _go_on(training: Training, found: Found) -> None:
    facts, folder = found.checkpoint.facts, training.folder
    if facts.get("spec_sha256") != training.facts["spec_sha256"]:
        raise SpecProblem(f"checkpoint `{found.name}` is of another spec")
    if facts.get("examples") != training.facts["examples"]:
        raise SpecProblem(
            f"the data is not that of the run in `{folder.path}`: "
            f"it had {facts.get('examples', {}).get('train')} training examples of other content, "
            f"now there are {training.facts['examples']['train']}")
    restore(training.state, found.checkpoint)
    for sentence in found.refused:
        training.notes.append(f"{sentence}; going back to `{found.name}`")
    if found.refused:
        set_aside(folder.checkpoints, found.name)
    folder.cut_log(training.state.step)
    training.notes.append(f"going on after step {training.state.step:,} of {training.steps:,}")
    training.notes += machine_differences(facts["machine"], training.facts["machine"])


def machine_differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Sentences about what makes the run differ in its last bits from an unbroken one."""
    changed = [f"{name} was {before.get(name)} and is {now[name]}"
               for name in now if before.get(name) != now[name]]
    if not changed:
        return []
    return [f"not bit for bit as an unbroken run would go on: {', '.join(changed)}"]

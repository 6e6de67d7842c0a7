"""Everything up to the first step: device, data, model, optimizer, and where a run goes on."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dlspec import __version__
from dlspec.backends.torch import BackendProblem, emit_module, load_module
from dlspec.data import Dataset, load, replaced
from dlspec.data.storage import Storage
from dlspec.ir.card import spec_hash
from dlspec.ir.data import DataPlan
from dlspec.ir.graph import Program
from dlspec.ir.hidden import no_hidden_matrices
from dlspec.ir.training import StepPlan, TrainPlan
from dlspec.layers import snake_case
from dlspec.passes.rewrite import Rewritten, rewrite
from dlspec.training.beginning import begin_with, set_training
from dlspec.training.checking import check_data, preparation, with_target
from dlspec.training.device import (
    Numerics,
    choose_numerics,
    machine_facts,
)
from dlspec.training.distributed import World
from dlspec.training.distributed_folder import open_run
from dlspec.training.distributed_models import Computing
from dlspec.training.distributed_plan import check_spread, spread_models
from dlspec.training.examples import Examples
from dlspec.training.freed import hold_memory
from dlspec.training.objective import Objective, sum_type
from dlspec.training.optimizers import build_optimizer
from dlspec.training.order import batches_per_epoch
from dlspec.training.problems import SpecProblem
from dlspec.training.products import note_of_products, use_products
from dlspec.training.resuming import open_folder
from dlspec.training.settings import TrainOptions
from dlspec.training.state import State
from dlspec.training.training import Training
from dlspec.training.ways import Speed


def prepare_training(
    program: Program,
    plan: TrainPlan,
    options: TrainOptions,
    build: Callable[[], nn.Module] | None = None,
) -> Training:
    """Everything that `train` does before the first step. Raises as `train` does."""
    world = options.world or World()
    device = world.device(options.device)
    fitted, plan, dataset, facts = _fitted(program, plan, options, world)
    for_training, for_evaluation = preparation(fitted, plan, dataset)
    world.ready()
    objective = Objective(fitted, plan)
    rewritten = rewrite(fitted) if options.rewrites and build is None else Rewritten(fitted, ())
    torch.manual_seed(plan.seed)
    models = (build(),) if build else build_models(rewritten.program, plan)
    begun = _begun(program, plan, models, options, facts)
    hold_memory(dataset, device)
    models, numerics, adapted = _adapted(models, plan, options, device, facts)
    per_epoch = math.ceil(batches_per_epoch(len(dataset.train), plan.batch_size) / plan.accumulate)
    training = Training(
        plan,
        options,
        program.graphs[plan.model].name,
        dataset,
        examples=Examples(dataset.train, numerics),
        validation=Examples(dataset.validation, numerics) if len(dataset.validation) else None,
        prepare_batch=for_training,
        prepare_for_evaluation=for_evaluation,
        objective=objective,
        numerics=numerics,
        state=first_state(program, _placed(models, numerics), plan, objective, device),
        folder=open_run(options.folder, world),
        steps=total_steps(plan, per_epoch),
        steps_per_epoch=per_epoch,
        facts=facts,
        checked=device.type == "cpu",
        world=world,
        computing=Computing(world, objective, plan, sharded=options.shard),
        speed=Speed(options.speed),
    )
    told = (*rewritten.notes, *begun, *skipped_notes(dataset.skipped))
    training.notes += [*dataset.notes, *told, _introduction(training), *adapted]
    open_folder(training, program)
    return training


def _fitted(
    program: Program, plan: TrainPlan, options: TrainOptions, world: World
) -> tuple[Program, TrainPlan, Dataset, dict[str, Any]]:
    """The data, and program and plan as they fit it; what run.json says of them."""
    with world.in_turn():
        dataset = _loaded(program.data[plan.data], options)
    facts = run_facts(program, plan, options, dataset)
    fitted, plan = with_target(program, plan, dataset)
    facts["examples"] = _examples_facts(dataset, plan.target)
    check_data(fitted, plan, dataset)
    check_spread(fitted, plan, world, sharded=options.shard)
    return fitted, plan, dataset, facts


def _adapted(
    models: tuple[nn.Module, ...],
    plan: TrainPlan,
    options: TrainOptions,
    device: torch.device,
    facts: dict[str, Any],
) -> tuple[tuple[nn.Module, ...], Numerics, list[str]]:
    """Models as this machine computes them fast, alone or with others; sentences for the log."""
    world = options.world or World()
    channels_last = False if options.shard else options.channels_last  # FSDP needs rows first
    numerics = choose_numerics(device, plan.precision, models, channels_last)
    products = use_products(models) if numerics.bf16 and device.type == "cpu" else ()
    spread, models = spread_models(models, plan, world, device, sharded=options.shard)
    more = {"products": list(products), "processes": world.size}
    facts["machine"] = machine_facts(numerics) | more
    if not world.alone:
        world.same("the spec", facts["spec_sha256"])
        world.same("the data", json.dumps(facts["examples"]))
    return models, numerics, [*note_of_products(products), *spread]


def _begun(
    program: Program,
    plan: TrainPlan,
    models: tuple[nn.Module, ...],
    options: TrainOptions,
    facts: dict[str, Any],
) -> list[str]:
    """Put the weights of `start_from` into the models of a new run. Lines about it."""
    if plan.start_from is None or options.resume:
        return []
    names = [snake_case(program.graphs[key].name) for key in plan.models]
    whole = models[0] if len(models) == 1 else nn.ModuleDict(dict(zip(names, models, strict=True)))
    begun = begin_with(whole, plan.start_from, options.data_root)
    facts["start_from"] = begun.facts
    return begun.notes


def _loaded(plan: DataPlan, options: TrainOptions) -> Dataset:
    storage = Storage(options.cache_limit)
    return load(plan, options.data_root, options.data, storage, skip_bad=options.skip_bad)


def skipped_notes(skipped: tuple[str, ...]) -> list[str]:
    """What is said of rows and images that could not be used: the first ten, and how many."""
    if not skipped:
        return []
    first = [f"skipped: {sentence}" for sentence in skipped[:10]]
    return [*first, f"{len(skipped):,} bad rows or images were skipped"]


def first_state(
    program: Program,
    models: tuple[nn.Module, ...],
    plan: TrainPlan,
    objective: Objective,
    device: torch.device,
) -> State:
    """The state before the first step, with the optimizers of the plan."""
    names = tuple(program.graphs[key].name for key in plan.models)
    paths = tuple(snake_case(name) for name in names)
    set_training(plan, models, paths)
    optimizers = tuple(
        build_optimizer(step.optimizer, *_updated(program, plan, step, models), device)
        for step in plan.each_batch
    )
    averaged = tuple(map(copy.deepcopy, models)) if plan.ema is not None else ()
    for model in averaged:
        model.requires_grad_(False)
    totals = torch.zeros(objective.size, dtype=sum_type(device), device=device)
    seen = [0] * len(plan.each_batch)
    return State(
        models, optimizers, device, totals, seen_by_step=seen, names=paths, averaged=averaged
    )


def _updated(
    program: Program, plan: TrainPlan, step: StepPlan, models: tuple[nn.Module, ...]
) -> tuple[list[tuple[str, nn.Parameter]], tuple[str, ...]]:
    """The weights that a step changes, and the names of those that are no hidden matrices."""
    weights: list[tuple[str, nn.Parameter]] = []
    others: list[str] = []
    for key, model in zip(plan.models, models, strict=True):
        graph = program.graphs[key]
        if graph.name in step.updates:
            head = snake_case(graph.name)
            named = model.named_parameters()
            weights += [(f"{head}.{n}", w) for n, w in named if w.requires_grad]
            others += [f"{head}.{name}" for name in no_hidden_matrices(program, graph)]
    return weights, tuple(others)


def build_models(program: Program, plan: TrainPlan) -> tuple[nn.Module, ...]:
    """The modules that `dlspec compile` prints, loaded in memory, in the plan's order.

    Raises SpecProblem where PyTorch cannot express a layer.
    """
    try:
        return tuple(load_module(emit_module(program, key))() for key in plan.models)
    except BackendProblem as problem:
        raise SpecProblem(str(problem)) from problem


def place(model: nn.Module, numerics: Numerics) -> nn.Module:
    """The model on its device, its weights in the memory layout of the run."""
    model = model.to(numerics.device)
    if numerics.channels_last:
        model = model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return model


def _placed(models: tuple[nn.Module, ...], numerics: Numerics) -> tuple[nn.Module, ...]:
    return tuple(place(model, numerics) for model in models)


def total_steps(plan: TrainPlan, per_epoch: int) -> int:
    """The number of optimizer steps of a whole run."""
    if plan.steps is not None:
        return plan.steps
    if plan.epochs is None:
        raise SpecProblem("a `train` needs `epochs` or `steps`")
    return plan.epochs * per_epoch


def run_facts(
    program: Program, plan: TrainPlan, options: TrainOptions, dataset: Dataset
) -> dict[str, Any]:
    """What run.json says of a run from the beginning, beside the machine and the examples."""
    return {
        "dlspec": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "spec_sha256": spec_hash(program),
        "model": program.graphs[plan.model].name,
        "data": {
            "name": plan.data,
            "root": str(options.data_root.resolve()),
            "source": _absolute(program.data[plan.data], options.data),
            "skip_bad": options.skip_bad,
            "columns": dataset.columns,
        },
        "settings": plan.model_dump(mode="json"),
        "classes": dataset.classes,
        "finished": False,
    }


def _absolute(plan: DataPlan, replacement: str | None) -> str | None:
    """`--data mnist:PATH` as it reads from any folder."""
    if replacement is None:
        return None
    source = replaced(plan.source, replacement)
    name, _, rest = replacement.partition(":")
    if not rest:
        return name
    if not source.path_arguments:
        here = Path(rest)
        return f"{name}:{here.resolve() if here.is_dir() else rest}"
    paths = [str(Path(getattr(source, path)).resolve()) for path in source.path_arguments]
    return f"{name}:{','.join(paths)}"


def _examples_facts(dataset: Dataset, target: str) -> dict[str, Any]:
    """How many examples there are, and a hash by which other data is noticed."""
    digest = hashlib.sha256()
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    for split in splits.values():
        shapes = {name: array.shape for name, array in split.fields.items()}
        digest.update(json.dumps(shapes, sort_keys=True).encode())
        digest.update(split.fields.get(target, next(iter(split.fields.values()))).tobytes())
    return {
        **{name: len(split) for name, split in splits.items()},
        "targets_sha256": digest.hexdigest(),
    }


def _introduction(training: Training) -> str:
    examples = training.facts["examples"]
    counts = ", ".join(
        f"{examples[name]:,} {word}"
        for name, word in (("train", "training"), ("validation", "validation"), ("test", "test"))
        if examples[name]
    )
    parameters = sum(p.numel() for p in training.state.model.parameters())
    return f"{training.title}: {parameters:,} parameters, {counts} examples; {training.numerics}"

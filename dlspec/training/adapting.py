"""Models as the machine at hand computes them fast, alone or in one of several processes."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import nn

from dlspec.data import Dataset
from dlspec.data.rows import Rows
from dlspec.ir.training import TrainPlan
from dlspec.training.device import Numerics, choose_numerics, machine_facts
from dlspec.training.distributed import World
from dlspec.training.distributed_plan import spread_models
from dlspec.training.freed import keep_freed_memory, return_freed_memory
from dlspec.training.products import note_of_products, use_products
from dlspec.training.settings import TrainOptions


def adapted(
    models: tuple[nn.Module, ...],
    plan: TrainPlan,
    dataset: Dataset,
    options: TrainOptions,
    device: torch.device,
    facts: dict[str, Any],
) -> tuple[tuple[nn.Module, ...], Numerics, list[str]]:
    """Models as this machine computes them fast, alone or with others; sentences for the log."""
    world = options.world or World()
    channels_last = False if options.shard else options.channels_last  # FSDP needs rows first
    numerics = choose_numerics(device, plan.precision, models, channels_last)
    faster = _made_faster(models, dataset, numerics, facts)
    spread, models = spread_models(models, plan, world, device, sharded=options.shard)
    facts["machine"]["processes"] = world.size
    if not world.alone:
        world.same("the spec", facts["spec_sha256"])
        world.same("the data", json.dumps(facts["examples"]))
    return models, numerics, [*faster, *spread]


def _made_faster(
    models: tuple[nn.Module, ...], dataset: Dataset, numerics: Numerics, facts: dict[str, Any]
) -> tuple[str, ...]:
    """What the processor does better in another way, and what the log says of it."""
    on_processor = numerics.device.type == "cpu"
    if any(isinstance(field, Rows) for field in dataset.train.fields.values()):
        return_freed_memory()
    elif on_processor:
        keep_freed_memory()
    products = use_products(models) if on_processor and numerics.bf16 else ()
    facts["machine"] = machine_facts(numerics) | {"products": list(products)}
    return note_of_products(products)

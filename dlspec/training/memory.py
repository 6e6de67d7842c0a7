"""Out of memory: which batch size would fit, found by trying it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace

import torch
from safetensors.torch import save

from dlspec.training.device import device_name
from dlspec.training.examples import Examples
from dlspec.training.problems import SpecProblem
from dlspec.training.state import capture
from dlspec.training.training import Training

_SIGNS = (
    "can't allocate memory",
    "not enough memory",
    "bad_alloc",
    "bad allocation",
    "could not create a primitive",
    "could not create a memory",
)
"""How PyTorch says it of the CPU, for which it has no class. The last two are oneDNN's."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that an allocation failed, on a GPU or in the process."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def advice(training: Training, take_step: Callable[[Training], None]) -> str:
    """A sentence about a run that has no room for its batches, and the size that has.

    The size is tried, as are all halves before it: with a step of training, which changes the
    weights, a batch of evaluation and a checkpoint that is not written. Call it when the error is
    no longer handled, since its frames hold what the step had allocated.
    """
    if not training.world.alone:
        device = device_name(training.numerics.device)
        return (
            f"there is not enough memory ({device}) for a process's share of a batch; `--shard`, "
            "more devices, or `accumulate` with a smaller `batch_size` take less"
        )
    size = training.plan.batch_size
    where = device_name(training.numerics.device)
    what = f"there is not enough memory ({where}) for batches of {size:,}"
    while size > 1:
        size //= 2
        if _fits(training, take_step, size):
            return (
                f"{what}; `batch_size = {size}` fits, as a trial has shown: "
                f"start anew with `--set train.batch_size={size}`"
            )
    return f"{what}, nor for a single example: the model is too large for this machine"


def _fits(training: Training, take_step: Callable[[Training], None], size: int) -> bool:
    for optimizer in training.state.optimizers:
        optimizer.zero_grad(set_to_none=True)
    gc.collect()
    if training.numerics.device.type == "cuda":
        torch.cuda.empty_cache()
    plan = training.plan.model_copy(update={"batch_size": size})
    try:
        _try(replace(training, plan=plan, orders={}), take_step)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True


def _try(trial: Training, take_step: Callable[[Training], None]) -> None:
    """All that a run with the trial's batch size has in memory at once, one after the other."""
    try:
        take_step(trial)
    except SpecProblem:  # a loss that is not finite, for which there was room
        return
    size = trial.plan.batch_size
    split = trial.validation or Examples(trial.dataset.train, trial.numerics)
    batch = next(split.in_order(size, trial.prepare_for_evaluation, trial.world))
    with torch.inference_mode():
        trial.objective.measured(trial.state.models, batch)
    save(capture(trial.state, {}).tensors)

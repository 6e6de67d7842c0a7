"""One step of one optimizer: gradients over one batch or several, and what is done with them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import torch
from torch import nn

from dlspec.ir.training import StepPlan
from dlspec.training import penalties
from dlspec.training.averaging import follow
from dlspec.training.distributed import PeerGone
from dlspec.training.distributed_batch import counted, whole_batch
from dlspec.training.nonfinite import ADVICE, explain
from dlspec.training.objective import Batch
from dlspec.training.optimizers import set_rate
from dlspec.training.order import step_generator
from dlspec.training.problems import SpecProblem
from dlspec.training.rates import learning_rate
from dlspec.training.training import Training

Part = tuple[Batch, int]
"""This process's share of a batch, and how many examples the whole of it has."""


def batches(training: Training) -> Iterable[Part]:
    """The batches of the next step, prepared: one after the other, or kept for several steps."""
    made = _prepared(training)
    return made if len(training.plan.each_batch) == 1 else list(made)


def _prepared(training: Training) -> Iterator[Part]:
    plan, step = training.plan, training.state.step
    for number, indices in enumerate(training.numbers(step).split(plan.batch_size)):
        expected = map(training.gathered, training.batches(step))
        training.examples.expect(islice(expected, number, None))
        generator = step_generator(plan.seed, step * plan.accumulate + number)
        stored = training.examples.gather(training.gathered(indices))
        batch = training.shared(training.prepare_batch(stored, generator), len(indices))
        yield training.examples.lay_out(batch), len(indices)


def optimize(
    training: Training, number: int, step: StepPlan, parts: Iterable[Part], count: int
) -> torch.Tensor:
    """One step of one optimizer; the figures as sums over its examples, `count` of them."""
    state = training.state
    optimizer = state.optimizers[number]
    optimizer.zero_grad(set_to_none=True)
    figures = [_gradients(training, number, step, part, count) for part in parts]
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    _regularize(training, weights)
    if step.gradient_clip is not None:
        nn.utils.clip_grad_norm_(weights, step.gradient_clip)
    rate = learning_rate(
        step, state.step, training.steps, training.steps_per_epoch, training.decisions
    )
    set_rate(optimizer, rate)
    optimizer.step()
    return figures[0] if len(figures) == 1 else torch.stack(figures).sum(0)


def _gradients(
    training: Training, number: int, step: StepPlan, part: Part, count: int
) -> torch.Tensor:
    """Add the gradients of a batch, by its share of the step's examples; its figures."""
    (batch, size), state, world = part, training.state, training.world
    share = world.divide(size)
    random_state = torch.get_rng_state() if training.checked else None
    with training.only_updated(step), training.numerics.forward():
        computed = training.computing.compute(number, state.models, state.names, batch)
    if training.checked and world.any(not math.isfinite(computed.loss.item())):
        assert random_state is not None
        torch.set_rng_state(random_state)
        _stop(training, step, batch, computed.loss)
    training.computing.backward(computed, size / count)
    return counted(world, training.objective.figures([computed], share.held))


def _regularize(training: Training, weights: Sequence[nn.Parameter]) -> None:
    penalty = training.plan.regularization
    if penalty is not None:
        add = penalties.add_l2 if penalty.kind == "l2" else penalties.add_l1
        add(weights, penalty.factor)


def average(training: Training) -> None:
    """Move the averaged weights, where there are some, towards those after this step."""
    state, decay = training.state, training.plan.ema
    if decay is not None:
        for averaged, model in zip(state.averaged, state.models, strict=True):
            follow(averaged, model, decay, state.step)


def _stop(training: Training, plan: StepPlan, batch: Batch, loss: torch.Tensor) -> None:
    """Say which layer gave the first value that is not finite. Weights are as before the step."""
    step = training.state.step
    with training.numerics.forward(), whole_batch(training.world):
        cause = explain(training.state.models, training.objective, plan, batch)
    if bool(torch.isfinite(loss)):
        raise PeerGone("the loss of another process is not finite")
    what = "the loss" if len(training.objective.losses) == 1 else f"the loss of `step {plan.name}`"
    raise SpecProblem(f"{what} is not finite at step {step + 1:,}: {cause}; {ADVICE}")

"""Steps on copies: whether a way of computing works here, and how long its steps take.

Models and optimizers are copied and random states put back, so that nothing of the run changes.
"""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch

from dlspec.training.compiling import Compiled, reason
from dlspec.training.device import synchronize
from dlspec.training.distributed_models import Computing
from dlspec.training.memory import is_out_of_memory
from dlspec.training.problems import MachineProblem
from dlspec.training.training import Training
from dlspec.training.updating import batches, optimize
from dlspec.training.ways import Kind

ROUNDS = 5
ROUND_SECONDS = 0.2
TOLERANCE = {True: 0.05, False: 1e-3}
"""How far a compiled loss may be from the eager one, as a share of it: in bf16, in float32."""


class CannotCompute(Exception):
    """This machine cannot compute these steps in this way; says why."""


class Trials:
    """Steps of a run on one copy of its models, in several ways."""

    def __init__(self, training: Training) -> None:
        self.training = training
        state = training.state
        models, optimizers = copy.deepcopy((state.models, state.optimizers))
        self._state = replace(
            state, models=models, optimizers=optimizers, totals=state.totals.clone(), averaged=()
        )
        self._parts = list(batches(training))
        self._ways: dict[Kind, Training] = {"eager": self._way("eager", None)}

    def _way(self, kind: Kind, compiled: Compiled | None) -> Training:
        run = self.training
        computing = Computing(run.world, run.objective, run.plan, sharded=False)
        computing.compiled = compiled
        return replace(run, state=self._state, computing=computing, checked=False)

    def add(self, kind: Kind) -> Compiled:
        """Compile, compare the losses with eager ones, and take a step. Raises CannotCompute."""
        run = self.training
        compiled = Compiled(kind, run.objective, run.plan)
        way = self._way(kind, compiled)
        if not all(compiled.takes(batch) for batch, _ in self._parts):
            raise CannotCompute(f"no batch has {run.plan.batch_size:,} examples")
        with _told():
            for number in range(len(run.plan.each_batch)):
                self._compare(way, number)
            self.take_steps(way, 3)
        self._ways[kind] = way
        return compiled

    def _compare(self, way: Training, number: int) -> None:
        losses = [self._loss(one, number) for one in (self._ways["eager"], way)]
        if all(math.isfinite(loss) for loss in losses):
            tolerance = TOLERANCE[way.numerics.bf16]
            if not math.isclose(*losses, rel_tol=tolerance, abs_tol=tolerance):
                raise CannotCompute(f"it computes the loss {losses[1]:g} in place of {losses[0]:g}")

    def _loss(self, way: Training, number: int) -> float:
        step, state, (batch, size) = way.plan.each_batch[number], self._state, self._parts[0]
        way.world.divide(size)
        with untouched_chance(way), way.only_updated(step), way.numerics.forward():
            return way.computing.compute(number, state.models, state.names, batch).loss.item()

    def take_steps(self, way: Training, count: int) -> None:
        """Steps on the same batch over and over."""
        size = sum(size for _, size in self._parts)
        for _ in range(count):
            for number, step in enumerate(way.plan.each_batch):
                optimize(way, number, step, self._parts, size)

    def seconds(self) -> dict[Kind, float]:
        """What a step takes in each way: the least of rounds that take turns.

        Whatever else the machine does makes a round longer, never shorter.
        Raises CannotCompute.
        """
        found: dict[Kind, list[float]] = {kind: [] for kind in self._ways}
        with _told():
            self.take_steps(self._ways["eager"], 3)
            once = self._timed(self._ways["eager"], 1)
            count = max(1, min(50, round(ROUND_SECONDS / once)))
            for _ in range(ROUNDS):
                for kind, way in self._ways.items():
                    found[kind].append(self._timed(way, count))
        return {kind: min(times) for kind, times in found.items()}

    def _timed(self, way: Training, count: int) -> float:
        synchronize(way.numerics.device)
        start = time.perf_counter()
        self.take_steps(way, count)
        synchronize(way.numerics.device)
        return max(time.perf_counter() - start, 1e-9) / count


@contextmanager
def _told() -> Iterator[None]:
    """Whatever fails within becomes CannotCompute: compilers raise anything, copies are touched."""
    try:
        yield
    except CannotCompute:
        raise
    except Exception as error:
        cause = error.__cause__ or error if isinstance(error, MachineProblem) else error
        told = "not enough memory" if is_out_of_memory(cause) else reason(cause)
        raise CannotCompute(told) from error


@contextmanager
def trials(training: Training) -> Iterator[Trials]:
    """Trials of a run. Raises CannotCompute where there is no room for a copy of its models.

    What the compiler warns of concerns its own parts.
    """
    with untouched_chance(training), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = Trials(training)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise CannotCompute("not enough memory for a copy of the models") from error
        try:
            yield made
        finally:
            if training.numerics.device.type == "cuda":
                torch.compiler.reset()  # CUDA graphs hold the copies' memory; the run makes its own


@contextmanager
def untouched_chance(training: Training) -> Iterator[None]:
    """Afterwards the random states are as they were."""
    device = training.numerics.device
    devices: Sequence[torch.device] = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        yield

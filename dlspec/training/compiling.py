"""What the steps of a plan minimise, as code that `torch.compile` makes for this machine.

The functions are compiled, not the modules: weights keep their names, and what measures, explains
or exports a model calls it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import nn

from dlspec.ir.training import TrainPlan
from dlspec.training.objective import Batch, Computed, Objective
from dlspec.training.problems import MachineProblem
from dlspec.training.ways import Kind


class Compiled:
    """The functions of a plan's steps, compiled for whole batches.

    Random numbers are those of eager steps (`fallback_random`), so that the two differ in rounding
    alone, and a loss that is not finite can be followed up layer by layer.
    """

    def __init__(self, kind: Kind, objective: Objective, plan: TrainPlan) -> None:
        self._graphs = kind == "graphs"
        self._objective = objective
        self._plan = plan
        options: dict[str, Any] = {"fallback_random": True, "triton.cudagraphs": self._graphs}
        self._functions = [
            cast(
                "Callable[..., Any]",
                torch.compile(
                    objective.function(step), fullgraph=True, dynamic=False, options=options
                ),
            )
            for step in plan.each_batch
        ]

    def takes(self, batch: Batch) -> bool:
        """Whether a batch has the size that is compiled for.

        A smaller last one is computed eager, which takes less than to compile it.
        """
        return all(len(field) == self._plan.batch_size for field in batch.values())

    def compute(self, number: int, models: Sequence[nn.Module], batch: Batch) -> Computed:
        """What step `number` minimises. Raises MachineProblem where the compiler fails."""
        if self._graphs:
            torch.compiler.cudagraph_mark_step_begin()
        step, function = self._plan.each_batch[number], self._functions[number]
        try:
            return self._objective.compute(step, models, batch, function)
        except _compiler_errors() as error:
            raise MachineProblem(
                f"a step could not be compiled: {reason(error)}; `--speed eager` does without"
            ) from error


def _compiler_errors() -> tuple[type[Exception], ...]:
    from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException

    return TorchDynamoException, FailOnRecompileLimitHit


def reason(error: BaseException) -> str:
    """What a compiler said, as a clause: its first sentence, and the explanation if it has one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    while lines and lines[0].startswith("backend="):
        del lines[0]
    told = lines[0] if lines else type(error).__name__
    why = next((line for line in lines if line.startswith("Explanation: ")), "")
    if why:
        told = f"{told}: {why.removeprefix('Explanation: ')}"
    return told.rstrip(".")[:300]

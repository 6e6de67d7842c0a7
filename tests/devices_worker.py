"""One of several processes that train the runs of a list, one after the other.

`python devices_worker.py LIST.json` is started by `test_devices.py`, which compares what comes
out with runs of one process. Of every run: its spec, its folder, and maybe `stop` (after so many
looks at whether to stop), `resume`, `shard` and `record` (a folder for the examples seen).
"""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from training_setup import StopAfter, program

from dlspec.training import distributed, loop
from dlspec.training.distributed import World
from dlspec.training.objective import Objective
from dlspec.training.problems import Interrupted, SpecProblem
from dlspec.training.settings import TrainOptions


def main() -> None:
    torch.set_num_threads(1)
    world = distributed.join()
    for wanted in json.loads(Path(sys.argv[1]).read_text()):
        with pytest.MonkeyPatch.context() as patch:
            if "stop" in wanted:
                patch.setattr(loop, "Interruption", lambda w=wanted: StopAfter(w["stop"]))
            seen = record(patch, world) if "record" in wanted else []
            problem = train(wanted, world)
        if "record" in wanted:
            path = Path(wanted["record"]) / f"{world.rank}.json"
            path.write_text(json.dumps({"seen": seen, "problem": problem}))
    world.leave()


def train(wanted: dict[str, Any], world: World) -> str:
    made = program(wanted["spec"])
    options = TrainOptions(
        Path(wanted["folder"]),
        device="cpu",
        data_root=Path(wanted.get("root", ".")),
        resume=wanted.get("resume", False),
        shard=wanted.get("shard", False),
        world=world,
        show="nothing",
    )
    expected = pytest.raises(Interrupted) if "stop" in wanted else nullcontext()
    try:
        with expected:
            loop.train(made, made.trains[0], options)
    except SpecProblem as problem:
        return str(problem)
    return ""


def record(patch: pytest.MonkeyPatch, world: World) -> list[list[float]]:
    """The values of the data's field `number` that count in every step, as they are computed."""
    seen: list[list[float]] = []
    compute = Objective.compute

    def recording(self: Objective, step: Any, models: Any, batch: dict[str, torch.Tensor]) -> Any:
        seen.append(batch["number"][: world.share.counted].flatten().tolist())
        return compute(self, step, models, batch)

    patch.setattr(Objective, "compute", recording)
    return seen


if __name__ == "__main__":
    main()

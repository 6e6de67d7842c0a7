"""A run on the disk, opened again: its program, its data, its model with the best weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from dlspec.data import Dataset, load
from dlspec.data.preparing import prepare
from dlspec.ir.card import spec_hash
from dlspec.ir.graph import Program
from dlspec.ir.training import TrainPlan
from dlspec.layers import snake_case
from dlspec.training.checking import check_data, with_target
from dlspec.training.device import choose_device, choose_numerics
from dlspec.training.evaluation import evaluate_split
from dlspec.training.folder import RunFolder
from dlspec.training.objective import Objective
from dlspec.training.preparing import build_models, place
from dlspec.training.problems import SpecProblem
from dlspec.training.settings import Evaluation


class Reopened(NamedTuple):
    """A run's program and plan, and what run.json says."""

    folder: RunFolder
    program: Program
    plan: TrainPlan
    facts: dict[str, Any]

    def data_root(self) -> Path:
        """Where the paths of its data start."""
        return Path(self.facts.get("data", {}).get("root", "."))

    def skips_bad(self) -> bool:
        """Whether it went on without rows and images that cannot be used."""
        return bool(self.facts.get("data", {}).get("skip_bad", False))

    def columns(self) -> list[dict[str, Any]] | None:
        """Of a table, what it learned of the columns of its training split."""
        return self.facts.get("data", {}).get("columns")

    def dataset(
        self, data_root: Path | None = None, data: str | None = None, *, skip_bad: bool = False
    ) -> Dataset:
        """Its data, prepared as it was for the training.

        data_root, data: as in `TrainOptions`; None takes the run's own. Raises DataProblem.
        """
        return load(
            self.program.data[self.plan.data],
            data_root or self.data_root(),
            data or self.replacement(),
            skip_bad=skip_bad or self.skips_bad(),
            columns=self.columns(),
        )

    def replacement(self) -> str | None:
        """The source that stood in for the spec's."""
        return self.facts.get("data", {}).get("source")


def reopen(path: Path, program: Program) -> Reopened:
    """The run in a folder. `program` is that of its `spec.json`.

    Raises MachineProblem where the folder holds no run, SpecProblem where its files do not
    belong together.
    """
    folder = RunFolder(path)
    facts = folder.read_facts()
    if facts.get("spec_sha256") != spec_hash(program):
        raise SpecProblem(f"`{path / 'spec.json'}` is not the spec that this run was started with")
    plan = next(
        (plan for plan in program.trains if plan.model_dump(mode="json") == facts.get("settings")),
        None,
    )
    if plan is None:
        raise SpecProblem(f"`{path / 'run.json'}` does not describe a `train` of its spec")
    return Reopened(folder, program, plan, facts)


def trained_models(run: Reopened) -> dict[str, nn.Module]:
    """The models by name with their best weights, on the CPU.

    Raises as `RunFolder.read_best` does.
    """
    weights = run.folder.read_best()
    models = build_models(run.program, run.plan)
    names = [run.program.graphs[key].name for key in run.plan.models]
    whole: nn.Module = models[0]
    if len(models) > 1:
        whole = nn.ModuleDict({snake_case(n): m for n, m in zip(names, models, strict=True)})
    try:
        whole.load_state_dict(weights)
    except RuntimeError:
        raise SpecProblem(f"`{run.folder.best}` holds the weights of another model") from None
    return dict(zip(names, models, strict=True))


def evaluate(
    run: Reopened,
    device: str = "auto",
    data_root: Path | None = None,
    data: str | None = None,
    split: str = "test",
    *,
    skip_bad: bool = False,
) -> Evaluation:
    """Measure a run's best weights on a split; on the test split, check its `require`s.

    data_root, data: as in `TrainOptions`; None takes the run's own.
    split: `train`, `validation` or `test`.
    Raises SpecProblem, MachineProblem, DataProblem.
    """
    chosen = choose_device(device)
    models = tuple(trained_models(run).values())
    dataset = run.dataset(data_root, data, skip_bad=skip_bad)
    program, plan = with_target(run.program, run.plan, dataset)
    check_data(program, plan, dataset)
    examples = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    if len(examples[split]) == 0:
        raise SpecProblem(f"`data {run.plan.data}` has no {split} split; `{split} = 20%` makes one")
    numerics = choose_numerics(chosen, "float32", models)
    _, for_evaluation = prepare(dataset.plan)
    return evaluate_split(
        tuple(place(model, numerics) for model in models),
        plan,
        Objective(program, plan),
        examples[split],
        for_evaluation,
        numerics,
        name=split,
        classes=dataset.classes,
        by_class=True,
    )

"""`dlspec tune` without its command line: a study from its ranges to the files of its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from dlspec.ir.graph import Program
from dlspec.ir.search import Search
from dlspec.ir.training import TrainPlan
from dlspec.pipeline import Compiled, compile_file
from dlspec.training.jsontext import json_text
from dlspec.tuning.folder import StudyFolder
from dlspec.tuning.methods import StudyOptions
from dlspec.tuning.picture import draw_study
from dlspec.tuning.problems import StudyProblem
from dlspec.tuning.space import searches_of
from dlspec.tuning.study import Study, Trial


class TuneOptions(NamedTuple):
    """What a person says beside the spec; `metric` None takes the first of the plan, or the loss.

    settings: overrides, as `--set` takes them; root: where the paths of the spec start.
    """

    folder: Path
    trials: int = 20
    jobs: int = 1
    metric: str | None = None
    pruner: str = "median"
    sampler: str = "tpe"
    seed: int = 0
    device: str = "auto"
    data: str | None = None
    settings: Mapping[str, str] = MappingProxyType({})
    root: Path = Path()


class Tuned(NamedTuple):
    """What a study found. `spec` is the path of the best one, `text` what it says."""

    folder: Path
    metric: str
    higher: bool
    searches: tuple[Search, ...]
    trials: tuple[Trial, ...]
    best: Trial
    spec: Path
    text: str

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "study": str(self.folder),
            "metric": self.metric,
            "direction": "maximize" if self.higher else "minimize",
            "trials": [trial.facts() for trial in self.trials],
            "best": self.best.facts(),
            "spec": str(self.spec),
        }


def tune(
    made: Compiled,
    plan: TrainPlan,
    options: TuneOptions,
    tell: Callable[[Study, Trial], None] = lambda study, trial: None,
) -> Tuned:
    """Search the ranges of a spec for the values with which a plan ends best.

    tell: is given each trial when it is over.

    Raises StudyProblem with a message for users; KeyboardInterrupt after Ctrl-C or SIGTERM:
    the same call goes on with the study.
    """
    program = made.checked()
    if made.written is None:
        raise StudyProblem("a program in JSON form cannot be tuned; use its `.dlnet` file")
    searches = searches_of(program, plan)
    _check(program, plan, searches)
    metric, higher = _metric(plan, options.metric)
    folder = StudyFolder(options.folder)
    facts = {name: getattr(options, name) for name in ("pruner", "sampler", "seed", "data")}
    facts |= {"metric": metric, "settings": dict(options.settings)}
    folder.open(made.written_files(), facts)
    study = Study(
        folder,
        searches,
        StudyOptions(
            options.trials,
            options.jobs,
            metric,
            higher,
            options.pruner,
            options.sampler,
            options.seed,
            plan.epochs,
            {"device": options.device, "data": options.data, "data_root": str(options.root)},
            options.settings,
        ),
        tell,
    )
    study.run()
    title = f"{program.graphs[plan.model].name} on {plan.data}"
    return _written(folder, study, searches, title)


def _check(program: Program, plan: TrainPlan, searches: tuple[Search, ...]) -> None:
    """Raise StudyProblem where there is nothing to search, or nothing to compare by."""
    if not searches:
        raise StudyProblem(
            "nothing in the spec has a search range; write one behind a value, "
            "`lr=1e-3 in log(1e-5 .. 1e-1)` or `batch_size = 64 in [32, 64, 128]`"
        )
    if len(program.trains) > 1:
        raise StudyProblem(
            f"the spec has {len(program.trains)} `train`s; put the one to tune into a file of "
            "its own, which can `use` the model"
        )


def _metric(plan: TrainPlan, wanted: str | None) -> tuple[str, bool]:
    """The figure that decides, and whether higher is better."""
    known: Mapping[str, bool] = {
        **{m.kind_name(): m.higher_is_better for m in plan.metrics if m.number},
        **({} if len(plan.each_batch) > 1 else {"loss": False}),
    }
    if not known:
        raise StudyProblem(
            "a `train` in steps without `metrics` has no one figure to compare trials by"
        )
    name = wanted.removeprefix("val_") if wanted is not None else next(iter(known))
    if name not in known:
        listed = ", ".join(f"`{one}`" for one in known)
        raise StudyProblem(f"the `train` measures no `{name}`; it measures {listed}", 2)
    return name, known[name]


def _written(folder: StudyFolder, study: Study, searches: tuple[Search, ...], title: str) -> Tuned:
    """The result, with its files in the folder. Raises StudyProblem where no trial was good."""
    trials, best = study.trials(), study.best()
    metric, higher = study.options.metric, study.options.higher
    listed = [trial.facts() for trial in trials]
    folder.write("trials.json", (json_text(listed, indent=1) + "\n").encode())
    if best is None:
        reasons = dict.fromkeys(trial.reason for trial in trials if trial.reason)
        raise StudyProblem(f"no trial came to its end: {'; '.join(list(reasons)[:3])}")
    folder.write("study.png", draw_study(title, trials, searches, metric, higher))
    made = compile_file(folder.spec, {**study.options.settings, **best.settings})
    texts = made.resolved_files()
    spec = folder.write_best(texts)
    return Tuned(folder.path, metric, higher, searches, tuple(trials), best, spec, made.resolved())

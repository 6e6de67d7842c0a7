"""A study: which values are tried next, which trials are given up, and what was found.

Trials are trained in processes of their own (`worker`); this one alone decides and writes the
records. What is drawn for a trial is a function of the seed, its number and the trials before
it, so that a study that was stopped, however it was stopped, goes on as if it had not been.
"""

from __future__ import annotations

import math
import os
import queue
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from dlspec.ir.search import Search
from dlspec.tuning.folder import StudyFolder
from dlspec.tuning.interruption import told_of_signals
from dlspec.tuning.methods import StudyOptions, opened, sampler_of
from dlspec.tuning.problems import StudyProblem
from dlspec.tuning.space import combinations, distributions, settings
from dlspec.tuning.workers import Event, Worker


class Trial(NamedTuple):
    """A trial that is over.

    number:   from 1; state: `complete`, `pruned` or `failed`.
    settings: as `--set` takes them.
    value:    the best figure of its epochs; values: the figure of each.
    reason:   why it was given up or failed.
    """

    number: int
    state: str
    settings: dict[str, str]
    value: float | None
    values: dict[int, float]
    reason: str

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        values = {str(epoch): value for epoch, value in self.values.items()}
        return {**self._asdict(), "values": values}


class Study:
    """Optuna's study in a folder, and the workers that train its trials."""

    def __init__(
        self,
        folder: StudyFolder,
        searches: Sequence[Search],
        options: StudyOptions,
        tell: Callable[[Study, Trial], None],
    ) -> None:
        """tell: is given each trial when it is over."""
        self.folder = folder
        self.searches = searches
        self.options = options
        self.tell = tell
        self.distributions = distributions(searches)
        self.events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self.workers: list[Worker] = []
        self.stopping = False
        self.interrupted = False
        self.fault: StudyProblem | None = None
        self.study = opened(folder, options)
        every = combinations(searches, options.trials)
        self.untried = every or []
        self.wanted = options.trials if every is None else len(every)
        """Where there are fewer combinations than trials, each of them is tried once."""
        random.Random(options.seed).shuffle(self.untried)  # noqa: S311 - an order, no secret
        if not self.study.get_trials(deepcopy=False):
            self.study.enqueue_trial({search.key: search.value for search in searches})

    def run(self) -> None:
        """Train trials until there are as many as wanted.

        Raises StudyProblem where none can be trained, KeyboardInterrupt after Ctrl-C or
        SIGTERM; the study can go on after either.
        """
        self.waiting = [t for t in self._trials() if t.state.name == "RUNNING"]
        for _ in range(min(self.options.jobs, self._left())):
            self._start_worker()
        try:
            with told_of_signals(lambda: self.events.put(None)):
                self._attend()
        finally:
            for worker in self.workers:
                worker.process.kill()
        if self.interrupted:
            raise KeyboardInterrupt
        if self.fault is not None:
            raise self.fault

    def trials(self) -> list[Trial]:
        """Those that are over, in the order in which they began."""
        return [self._facts(t) for t in self._trials() if t.state.is_finished()]

    def best(self) -> Trial | None:
        """The completed trial with the best figure, the earliest of equals."""
        done = [t for t in self.trials() if t.state == "complete" and t.value is not None]
        sign = -1 if self.options.higher else 1
        return min(done, key=lambda t: (sign * (t.value or 0.0), t.number), default=None)

    # --- events ----------------------------------------------------------------------

    def _attend(self) -> None:
        """Answer the workers until the last one has ended."""
        while self.workers:
            event = self.events.get()
            if event is None:
                self.interrupted = True
                self._stop()
            elif event[1] is None:
                self._ended(event[0])
            else:
                self._heard(event[0], event[1])

    def _heard(self, worker: Worker, message: dict[str, Any]) -> None:
        event = message["event"]
        if event == "ready":
            worker.ready = True
            self._occupy(worker)
        elif event == "epoch":
            self._epoch(worker, message["epoch"], message["value"])
        elif event == "fault":
            worker.trial = None  # it stays open, and is trained when what is missing is there
            self.fault = self.fault or StudyProblem(message["reason"], message["exit_code"])
            self._stop()
            worker.dismiss()
        elif event != "interrupted":
            self._over(worker, event, message)
            self._occupy(worker)

    def _epoch(self, worker: Worker, epoch: int, value: float) -> None:
        trial = worker.trial
        known = self.study._storage.get_trial(trial._trial_id).intermediate_values
        if epoch not in known:  # an epoch is trained again where a trial was cut short
            trial.report(value, epoch)
        go_on = math.isfinite(value) and not (self._prunes() and trial.should_prune())
        worker.answer(go_on=go_on)

    def _prunes(self) -> bool:
        return self.options.pruner != "none"

    def _over(self, worker: Worker, event: str, message: Mapping[str, Any]) -> None:
        """Write down how a trial ended."""
        from optuna.trial import TrialState

        trial, value = worker.trial, message.get("value")
        worker.trial = None
        reason, state = str(message.get("reason", "")), TrialState.FAIL
        if event == "stopped":
            values = self.study._storage.get_trial(trial._trial_id).intermediate_values
            last = max(values)
            if math.isfinite(values[last]):
                state, reason = TrialState.PRUNED, f"given up after epoch {last}"
            else:
                reason = f"{self.options.metric} of the validation split is not finite"
        elif event == "done" and value is not None and math.isfinite(value):
            state = TrialState.COMPLETE
        elif event == "done":
            reason = f"{self.options.metric} of the validation split is not finite"
        trial.set_user_attr("reason", reason)
        complete = state == TrialState.COMPLETE
        self.study.tell(trial, value if complete else None, state=state)
        self.folder.tidy(trial.number + 1)
        self.tell(self, self._facts(self._trials()[trial.number]))

    def _ended(self, worker: Worker) -> None:
        """A process is gone: as it was told, or by what its trial did to it."""
        self.workers.remove(worker)
        if self.stopping:
            return
        if not worker.ready:
            self.fault = StudyProblem(f"no trial can be trained: {worker.end_of_process()}", 3)
            self._stop()
        elif worker.trial is not None:
            self._over(worker, "failed", {"reason": worker.end_of_process()})
            if self._left() > 0:
                self._start_worker()

    # --- what is next ----------------------------------------------------------------

    def _occupy(self, worker: Worker) -> None:
        """Give a worker the next trial, or let it go."""
        trial = None if self.stopping else self._next()
        if trial is None:
            worker.dismiss()
            return
        worker.trial = trial
        worker.give(
            {
                **self.options.task,
                "file": str(self.folder.spec),
                "settings": {
                    **self.options.settings,
                    **settings(self.searches, trial.params),
                },
                "folder": str(self.folder.trial(trial.number + 1)),
                "resume": self.folder.can_resume(trial.number + 1),
                "metric": self.options.metric,
                "higher": self.options.higher,
            }
        )

    def _next(self) -> Any:
        """A trial that was cut short, else a new one; None where there are enough."""
        from optuna.trial import Trial as OptunaTrial

        if self.waiting:
            trial = OptunaTrial(self.study, self.waiting.pop(0)._trial_id)
            for name, distribution in self.distributions.items():
                trial._suggest(name, distribution)  # not all of its values may be written down
            return trial
        while self._left() > 0:
            trials = self._trials()
            if not any(trial.state.name == "WAITING" for trial in trials):
                self.study.enqueue_trial(self._drawn(trials))
            trial = self.study.ask(self.distributions)
            same = self._same(trial)
            if same is None:
                return trial
            self._repeat(trial, same)
        return None

    def _drawn(self, trials: Sequence[Any]) -> dict[str, Any]:
        """The values of the next trial, drawn apart so that they are written down in one step."""
        import optuna

        tried = [trial.params for trial in trials]
        left = [one for one in self.untried if one not in tried]
        if left:
            return left[0]
        apart = optuna.create_study(
            sampler=sampler_of(self.options, len(trials)),
            direction="maximize" if self.options.higher else "minimize",
        )
        apart.add_trials(trials)
        return apart.ask(self.distributions).params

    def _same(self, trial: Any) -> Any:
        """A finished trial of the same values: it would end in the same figure."""
        wanted = settings(self.searches, trial.params)
        for other in self._trials():
            if other.state.is_finished() and settings(self.searches, other.params) == wanted:
                return other
        return None

    def _repeat(self, trial: Any, same: Any) -> None:
        trial.set_user_attr("reason", f"the values of trial {same.number + 1} again")
        value = same.value if same.state.name == "COMPLETE" else None
        if same.state.name == "PRUNED":
            for epoch, figure in same.intermediate_values.items():
                trial.report(figure, epoch)
        self.study.tell(trial, value, state=same.state)
        self.tell(self, self._facts(self._trials()[trial.number]))

    def _left(self) -> int:
        """How many trials are still to begin."""
        begun = sum(t.state.name != "WAITING" for t in self._trials())
        return self.wanted - begun + len(self.waiting)

    def _start_worker(self) -> None:
        threads = None
        if self.options.jobs > 1:
            threads = max(1, _processors() // self.options.jobs)
        log = self.folder.path / "workers.log"
        self.workers.append(Worker(self.events, log, threads))

    def _stop(self) -> None:
        self.stopping = True
        for worker in self.workers:
            worker.interrupt()

    # --- records ---------------------------------------------------------------------

    def _trials(self) -> list[Any]:
        return self.study.get_trials(deepcopy=False)

    def _facts(self, trial: Any) -> Trial:
        states = {"COMPLETE": "complete", "PRUNED": "pruned"}
        values = dict(sorted(trial.intermediate_values.items()))
        finite = [value for value in values.values() if math.isfinite(value)]
        best = (max if self.options.higher else min)(finite) if finite else None
        return Trial(
            trial.number + 1,
            states.get(trial.state.name, "failed"),
            settings(self.searches, trial.params),
            trial.value if trial.state.name == "COMPLETE" else best,
            values,
            trial.user_attrs.get("reason", ""),
        )


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

"""Training, in a straight line: prepare, step after step, the end of an epoch, the end."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import nn

from dlspec.ir.graph import Program
from dlspec.ir.training import TrainPlan
from dlspec.training.beginning import set_training
from dlspec.training.clock import Clock
from dlspec.training.confusion import write_confusion
from dlspec.training.curves import draw_curves
from dlspec.training.device import float32_products, peak_memory
from dlspec.training.distributed import join, peers
from dlspec.training.distributed_weights import load_weights
from dlspec.training.evaluation import evaluate_split
from dlspec.training.interruption import Interruption
from dlspec.training.measuring import measure
from dlspec.training.memory import advice, is_out_of_memory
from dlspec.training.nonfinite import ADVICE, weight_that_is_not_finite
from dlspec.training.preparing import prepare_training
from dlspec.training.problems import Interrupted, MachineProblem, SpecProblem
from dlspec.training.reporting import Reporter, choose_reporter, epoch_line
from dlspec.training.settings import Evaluation, Run, TrainOptions
from dlspec.training.speed import settle
from dlspec.training.state import capture, restore
from dlspec.training.training import Training
from dlspec.training.updating import average, batches, optimize

READ_EVERY = 0.3
"""Seconds between two readings of figures from the device, each of which waits for it."""
LOG_EVERY = 2.0
SAVING_SHARE = 0.05
"""The share of the time that saving may take where no `checkpoint_every` is given."""

Builder = Callable[[], nn.Module]


def train(
    program: Program, plan: TrainPlan, options: TrainOptions, build: Builder | None = None
) -> Run:
    """Train the model of a plan.

    build: makes the module; None makes that of the PyTorch backend.

    Raises SpecProblem, MachineProblem and DataProblem with a message for users, Interrupted
    after Ctrl-C or SIGTERM, when a checkpoint has been saved, PeerGone where another process
    of the run ended.
    """
    world = options.world or join()
    options = options._replace(world=world, show=options.show if world.first else "nothing")
    with peers(world, str(options.folder), sharded=options.shard):
        run = _train(_prepared(program, plan, options, build))
        if options.world is not world:
            world.leave()
        return run


def _train(training: Training) -> Run:
    state, tf32 = training.state, training.numerics.tf32
    reporter = choose_reporter(training.options.show, state.step, training.steps, training.epochs)
    try:
        for note in training.notes:
            reporter.note(note)
        with Interruption() as interruption, float32_products(tf32=tf32):
            full = not _has_room(training, reporter, interruption)
        if full:
            raise MachineProblem(advice(training, take_step))
        return _finish(training, reporter)
    finally:
        reporter.close()


def _has_room(training: Training, reporter: Reporter, interruption: Interruption) -> bool:
    """Fit the models. False where memory ran out: by the time, the step's own is free again."""
    try:
        _fit(training, reporter, interruption)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True


def _prepared(
    program: Program, plan: TrainPlan, options: TrainOptions, build: Builder | None
) -> Training:
    try:
        return prepare_training(program, plan, options, build)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    raise MachineProblem("there is not enough memory for the model and its data")


def _fit(training: Training, reporter: Reporter, interruption: Interruption) -> None:
    """Step after step, from wherever the state stands to the last."""
    state = training.state
    clock = Clock(state.seconds, state.step, state.seen)
    set_training(training.plan, state.models, state.names)
    if not training.checked and state.step == 0:
        _save(training, clock)  # to go there again from, should the loss stop being finite
    while not training.over:
        settle(training, reporter.note)
        take_step(training)
        if state.step % training.steps_per_epoch == 0 or state.step == training.steps:
            _finish_epoch(training, reporter, clock)
        elif training.world.decided(clock.due("read", READ_EVERY)):
            _read(training, reporter, clock)
        if training.world.any(interruption.requested) and not training.over:
            _save(training, clock)
            raise Interrupted(
                f"stopped after step {state.step:,}, checkpoint saved; "
                f"{training.world.resuming()} goes on"
            )
        if training.world.decided(_checkpoint_due(training, clock)):
            _save(training, clock)


def take_step(training: Training) -> None:
    """Every step of the plan on the next batch, or on the next few together, in order."""
    state, plan = training.state, training.plan
    count = len(training.numbers(state.step))
    parts = batches(training)
    for number, step in enumerate(plan.each_batch):
        if state.step % step.every == 0:
            figures = optimize(training, number, step, parts, count)
            if len(plan.each_batch) == 1:
                state.totals += figures
            else:
                state.totals[number] += figures[0]
            state.seen_by_step[number] += count
    average(training)
    state.seen += count
    state.step += 1


def _read(training: Training, reporter: Reporter, clock: Clock) -> None:
    """Read the running figures from the device, show them, and log them now and then."""
    state = training.state
    figures = _running_figures(training)
    rate = clock.rate(state.step) * training.plan.examples_per_step
    epoch = (state.step - 1) // training.steps_per_epoch + 1
    reporter.step(state.step, epoch, figures, rate, peak_memory(state.device))
    if clock.due("log", LOG_EVERY):
        training.folder.log(
            {
                "kind": "step",
                "step": state.step,
                "position": state.step / training.steps_per_epoch,
                **_since_logged(training, clock, figures),
                "samples_per_second": round(rate, 1),
                "seconds": round(clock.now, 3),
            }
        )


def _since_logged(training: Training, clock: Clock, figures: dict[str, float]) -> dict[str, float]:
    """The loss since the last line of the log; of several steps, their means so far."""
    if len(training.objective.losses) == 1:
        return {"loss": clock.since_logged(figures["loss"], training.state.seen)}
    return figures


def _running_figures(training: Training) -> dict[str, float]:
    """Means over the epoch so far. Stops the run where the loss is not finite."""
    state, objective = training.state, training.objective
    figures = objective.means(training.world.sum(state.totals), state.seen_by_step)
    if not all(math.isfinite(figures[name]) for name in objective.losses):
        _go_there_again(training)
    return figures


def _go_there_again(training: Training) -> None:
    """From the last checkpoint, which is good, with a look at every step. Raises SpecProblem."""
    state, last = training.state, training.state.step
    found = training.folder.newest_checkpoint()
    assert found is not None, "a run whose steps are not checked begins with a checkpoint"
    restore(state, found.checkpoint)
    training.world.keep_first(state.totals)
    training.checked = True
    set_training(training.plan, state.models, state.names)
    while state.step < last:
        take_step(training)
    raise SpecProblem(
        f"the loss stopped being finite before step {last:,}; the same steps went well when "
        f"they were done again, so the device does not repeat its results; {ADVICE}"
    )


def _finish_epoch(training: Training, reporter: Reporter, clock: Clock) -> None:
    """Measure the validation split, keep the best weights, log and start the sums anew."""
    state, plan = training.state, training.plan
    entry: dict[str, Any] = {
        "kind": "epoch",
        "epoch": math.ceil(state.step / training.steps_per_epoch),
        "step": state.step,
        **_running_figures(training),
    }
    seconds = clock.now - clock.last.get("epoch", state.seconds)
    rate = (state.seen - clock.seen_before) / max(seconds, 1e-9)
    clock.seen_before = 0
    if training.validation is not None:
        figures, _ = measure(
            state.shown,
            training.objective,
            training.validation,
            training.prepare_for_evaluation,
            plan.batch_size,
            training.world,
        )
        set_training(plan, state.models, state.names)
        entry |= {f"val_{name}": figure for name, figure in figures.items()}
    entry |= {
        "learning_rate": state.optimizers[0].param_groups[0]["lr"],
        "samples_per_second": round(rate, 1),
        "memory": peak_memory(state.device),
        "seconds": round(clock.now, 3),
    }
    _keep_best(training, entry)
    state.history.append(entry)
    training.folder.log(entry)
    shown = {name: entry[name] for name in training.objective.names}
    reporter.step(state.step, entry["epoch"], shown, rate, entry["memory"])
    reporter.epoch(epoch_line(entry, training.epochs, training.objective.measured_names))
    clock.last["epoch"], clock.logged = clock.now, (0.0, 0)
    state.totals.zero_()
    state.seen = 0
    state.seen_by_step = [0] * len(plan.each_batch)
    if training.options.after_epoch is not None:
        training.options.after_epoch(entry)


def _keep_best(training: Training, entry: dict[str, Any]) -> None:
    """Write the weights where they are the best so far; without validation, the latest are."""
    name = training.deciding_figure
    broken = weight_that_is_not_finite(training.state.model)
    if broken is not None:
        raise SpecProblem(
            f"the weight `{broken}` stopped being finite at step {training.state.step:,}; {ADVICE}"
        )
    if name is not None:
        figure, best = entry[f"val_{name}"], training.state.best
        higher = training.objective.higher_is_better(name)
        if not (best is None or math.isnan(best) or (figure > best if higher else figure < best)):
            return
        training.state.best = figure
    training.folder.write_best(
        training.state.whole(training.state.shown),
        {"spec_sha256": training.facts["spec_sha256"], "epoch": entry["epoch"]},
    )


def _checkpoint_due(training: Training, clock: Clock) -> bool:
    every = training.options.checkpoint_every
    at_end = training.over
    at_epoch = training.state.seen == 0
    since = clock.now - clock.last.setdefault("saved", training.state.seconds)
    bounded = since >= clock.saving / SAVING_SHARE
    if every is not None:
        return at_end or since >= every or (at_epoch and bounded)
    return at_end or ((since >= 60 or at_epoch) and bounded)


def _save(training: Training, clock: Clock) -> None:
    """Save a checkpoint, unless a weight is not finite: the last good one must stay."""
    state, start = training.state, clock.now
    broken = weight_that_is_not_finite(state.model)
    if broken is not None:
        raise SpecProblem(
            f"the weight `{broken}` stopped being finite before step {state.step + 1:,}; {ADVICE}"
        )
    state.seconds = clock.now
    training.world.settle(state.totals)
    training.folder.save_checkpoint(capture(state, training.checkpoint_facts()))
    clock.saving = clock.now - start
    clock.last["saved"] = clock.now


def _finish(training: Training, reporter: Reporter) -> Run:
    """Draw the curves, measure the test split with the best weights, write the result down."""
    state, folder = training.state, training.folder
    windows = [entry for entry in folder.read_log() if entry.get("kind") == "step"]
    names = training.objective.measured_names
    curves = draw_curves(training.title, state.history, windows, names)
    folder.write("curves.png", curves)
    if state.history:
        load_weights(state.model, folder.read_best())
    test = _test(training)
    if test is not None and test.classes is not None and training.world.first:
        write_confusion(folder.path, test)
    rate = state.step * training.plan.examples_per_step / max(state.seconds, 1e-9)
    if training.stopped is not None:
        reporter.note(training.stopped)
    folder.write_facts(
        {
            **training.facts,
            "finished": True,
            "steps": state.step,
            "seconds": round(state.seconds, 3),
            "best": state.best,
            "stopped": training.stopped,
            "test": test.facts() if test else None,
        }
    )
    skipped = len(training.dataset.skipped)
    return Run(folder.path, state.step, tuple(state.history), test, rate, skipped)


def _test(training: Training) -> Evaluation | None:
    if len(training.dataset.test) == 0 or not training.options.test:
        return None
    return evaluate_split(
        training.state.models,
        training.plan,
        training.objective,
        training.dataset.test,
        training.prepare_for_evaluation,
        training.numerics,
        training.world,
        classes=training.dataset.classes,
        by_class=True,
    )

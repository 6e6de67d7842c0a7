"""How a run computes its steps, chosen by measurement: eager, compiled, or with CUDA graphs.

Compiling takes from seconds to minutes and gains little on a processor, much on a GPU that waits
for launches. So a run begins eager, measures its own steps, and tries the other ways on copies
where enough time is left. What it chose is kept in run.json, since it changes the last bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from dlspec.training.compiling import Compiled
from dlspec.training.device import synchronize
from dlspec.training.problems import MachineProblem
from dlspec.training.resuming import machine_differences
from dlspec.training.training import Training
from dlspec.training.trying import CannotCompute, trials
from dlspec.training.ways import Kind

MEASURED_FROM, CHOSEN_AT = 10, 20
"""Steps: those between are measured, the ones before warm the device up."""
WORTHWHILE = {"cpu": 600.0, "cuda": 120.0}
"""Seconds that the rest of a run must take, so that a trial is a small part of it."""
MARGIN = 1.05
"""How many times as fast another way must be: less may be chance."""

Tell = Callable[[str], None]


def settle(training: Training, tell: Tell) -> None:
    """Choose how steps are computed as soon as that can be known; call it before every step.

    tell: is given sentences for the log. Raises MachineProblem where `--speed` asks for what this
    machine cannot do.
    """
    speed = training.speed
    if speed.kind is not None:
        return
    if speed.wanted != "auto":
        _ordered(training, speed.wanted, tell)
    elif speed.recorded is not None:
        if training.state.step >= speed.recorded.since:
            _as_recorded(training, speed.recorded.kind, tell)
    else:
        reason = unsuitable(training, "compile") or _not_measurable(training)
        if reason is not None:
            _choose(training, "eager", tell, reason)
        else:
            _measured(training, tell)


def unsuitable(training: Training, kind: Kind) -> str | None:
    """Why a run cannot be computed so, whatever the compiler says; None where it can."""
    device, plan = training.numerics.device.type, training.plan
    if kind == "eager":
        return None
    if not training.world.alone:
        return "several processes compute together, which is not compiled"
    if device not in WORTHWHILE:
        return "steps are compiled for processors and NVIDIA GPUs"
    if kind == "graphs" and device != "cuda":
        return "CUDA graphs need an NVIDIA GPU"
    if kind == "graphs" and (plan.accumulate > 1 or len(plan.each_batch) > 1):
        return "in CUDA graphs, gradients of several batches or steps would take each other's place"
    return None


def _not_measurable(training: Training) -> str | None:
    if training.steps <= CHOSEN_AT:
        return f"{training.steps:,} steps are too few to measure"
    began_at = training.speed.began_at
    if began_at > MEASURED_FROM:
        return f"the first {began_at:,} steps were"
    return None


def _ordered(training: Training, kind: Kind, tell: Tell) -> None:
    reason = unsuitable(training, kind)
    compiled = None
    if reason is None and kind != "eager":
        try:
            with trials(training) as trial:
                compiled = trial.add(kind)
        except CannotCompute as problem:
            reason = str(problem)
    if reason is not None:
        raise MachineProblem(
            f"`--speed {kind}` is not possible here: {reason}; `--speed eager` does without"
        )
    _choose(training, kind, tell, "as `--speed` says", compiled)


def _as_recorded(training: Training, kind: Kind, tell: Tell) -> None:
    """As the earlier part of the run did, or eager where that is not possible any more."""
    reason, compiled = unsuitable(training, kind), None
    if reason is None and kind != "eager":
        try:
            with trials(training) as trial:
                compiled = trial.add(kind)
        except CannotCompute as problem:
            reason = str(problem)
    if reason is None:
        _choose(training, kind, tell, "as the run began", compiled)
    else:
        _choose(training, "eager", tell, f"`{kind}` is not possible here: {reason}")


def _measured(training: Training, tell: Tell) -> None:
    """Measure eager steps, and where the rest of the run takes long, the others on copies."""
    step, speed, device = training.state.step, training.speed, training.numerics.device
    if step == MEASURED_FROM:
        synchronize(device)
        speed.marked = time.perf_counter()
    if step < CHOSEN_AT:
        return
    assert speed.marked is not None, "a run that begins later is not measured"
    synchronize(device)
    each = (time.perf_counter() - speed.marked) / (CHOSEN_AT - MEASURED_FROM)
    left, least = each * (training.steps - step), WORTHWHILE[device.type]
    if left < least:
        reason = f"about {left:,.0f} s are left, compiling is tried from {least:,.0f} s on"
        _choose(training, "eager", tell, reason)
    else:
        choose_fastest(training, tell)


def choose_fastest(training: Training, tell: Tell) -> None:
    """Time every way that works on copies, and take the fastest."""
    compiled: dict[Kind, Compiled] = {}
    candidates: tuple[Kind, ...] = ("compile", "graphs")
    seconds: dict[Kind, float] = {}
    try:
        with trials(training) as trial:
            for kind in candidates:
                if unsuitable(training, kind) is None:
                    try:
                        compiled[kind] = trial.add(kind)
                    except CannotCompute as problem:
                        tell(f"`{kind}` is not possible here: {problem}")
            seconds = trial.seconds() if compiled else {}
    except CannotCompute as problem:
        tell(f"compiling was not tried: {problem}")
    best = _fastest(seconds)
    told = ", ".join(f"{kind} {1000 * each:,.3g} ms" for kind, each in seconds.items())
    reason = f"measured, a step: {told}" if told else "nothing else is possible"
    _choose(training, best, tell, reason, compiled.get(best), seconds)


def _fastest(seconds: dict[Kind, float]) -> Kind:
    """The fastest way, eager unless another is faster by more than chance."""
    best = min(
        seconds, key=lambda kind: seconds[kind] * (1 if kind == "eager" else MARGIN), default=None
    )
    return "eager" if best is None else best


def _choose(
    training: Training,
    kind: Kind,
    tell: Tell,
    reason: str,
    compiled: Compiled | None = None,
    seconds: dict[Kind, float] | None = None,
) -> None:
    """Compute so from here on, and keep it with the run."""
    speed, facts, step = training.speed, training.facts, training.state.step
    speed.kind = kind
    training.computing.compiled = compiled
    since = step
    if speed.recorded is not None and speed.recorded.kind == kind:
        since = speed.recorded.since
    facts["machine"]["speed"] = kind
    facts["speed"] = {"kind": kind, "since": since, "reason": reason, "seconds": seconds or {}}
    training.folder.write_facts(facts)
    way = {"eager": "eager", "compile": "compiled", "graphs": "compiled, with CUDA graphs"}[kind]
    tell(f"steps are computed {way} ({reason})")
    if speed.before is not None:
        for sentence in machine_differences({"speed": speed.before}, {"speed": kind}):
            tell(sentence)

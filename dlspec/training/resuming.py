"""The beginning of a run: a new folder, or the place where an earlier part of it stopped."""

from __future__ import annotations

from typing import Any

from dlspec.ir.graph import Program
from dlspec.training.checkpoint import Found
from dlspec.training.problems import SpecProblem
from dlspec.training.state import restore
from dlspec.training.training import Training
from dlspec.training.ways import Choice


def open_folder(training: Training, program: Program) -> None:
    """Make the folder of a new run, or put the state where an earlier part of it stopped."""
    folder, options = training.folder, training.options
    if not options.resume:
        folder.create(program, options.texts, training.facts)
        return
    earlier = folder.read_facts()
    if earlier.get("spec_sha256") != training.facts["spec_sha256"]:
        raise SpecProblem(f"`{folder.path}` is the run of another spec, or of other overrides")
    if "start_from" in earlier:
        training.facts["start_from"] = earlier["start_from"]
    training.speed.recorded = Choice.read(earlier)
    folder.clear_leftovers()
    found = folder.newest_checkpoint()
    if found is None:
        training.notes.append("no checkpoint was saved yet: the run starts from its beginning")
        folder.cut_log(0)
        return
    _go_on(training, found)


def _go_on(training: Training, found: Found) -> None:
    facts, folder = found.checkpoint.facts, training.folder
    if facts.get("spec_sha256") != training.facts["spec_sha256"]:
        raise SpecProblem(f"checkpoint `{found.name}` is of another spec")
    if facts.get("examples") != training.facts["examples"]:
        raise SpecProblem(
            f"the data is not that of the run in `{folder.path}`: "
            f"it had {facts.get('examples', {}).get('train')} training examples of other content, "
            f"now there are {training.facts['examples']['train']}"
        )
    restore(training.state, found.checkpoint)
    training.world.keep_first(training.state.totals)
    for sentence in found.refused:
        training.notes.append(f"{sentence}; going back to `{found.name}`")
    if found.refused:
        folder.set_aside(found.name)
    speed = training.speed
    speed.began_at = training.state.step
    before = facts["machine"].get("speed") or (speed.recorded and speed.recorded.kind)
    speed.before = before or (None if speed.wanted == "auto" else "eager")
    folder.cut_log(training.state.step)
    training.notes.append(f"going on after step {training.state.step:,} of {training.steps:,}")
    training.notes += machine_differences(facts["machine"], training.facts["machine"])


def machine_differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Sentences about what makes the run differ in its last bits from an unbroken one."""
    changed = [
        f"{name} was {before.get(name)} and is {now[name]}"
        for name in now
        if before.get(name) != now[name]
    ]
    if not changed:
        return []
    return [f"not bit for bit as an unbroken run would go on: {', '.join(changed)}"]

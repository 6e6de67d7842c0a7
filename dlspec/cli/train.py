"""`dlspec train`: fit a model to its data, from the start or from where a run stopped."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from dlspec.cli.devices import launch, together
from dlspec.cli.exits import (
    ENVIRONMENT,
    SPEC,
    USAGE,
    BrokenPromise,
    EnvironmentFault,
    SpecFault,
    system_message,
)
from dlspec.cli.loading import compiled, format_option, report, set_option
from dlspec.cli.sizes import MemorySize
from dlspec.cli.terminal import message, result

if TYPE_CHECKING:
    from dlspec.data import DataProblem
    from dlspec.ir.graph import Program
    from dlspec.ir.training import TrainPlan
    from dlspec.training.distributed import World
    from dlspec.training.settings import Run, TrainOptions


class _Train(click.Command):
    """A command that keeps its arguments, to start itself again with them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["arguments"] = tuple(args)
        return super().parse_args(ctx, args)


@click.command(cls=_Train, epilog="Example: dlspec train lenet.dlnet --data mnist:data/mnist --gpu")
@click.argument("file", required=False)
@click.option("--resume", metavar="RUN", help="Go on with the run in this folder.")
@click.option("--out", metavar="DIR", help="The run's folder; runs/MODEL unless told.")
@click.option("--gpu", is_flag=True, help="Train on an NVIDIA GPU; an error where there is none.")
@click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.")
@click.option(
    "--devices",
    type=click.IntRange(1),
    metavar="N",
    help="Train in N processes, each on a GPU of its own or a share of the CPU's cores.",
)
@click.option(
    "--shard", is_flag=True, help="Divide the model's weights among the processes (FSDP)."
)
@click.option("--data", metavar="SOURCE", help="Other data: mnist:PATH, image_folder:PATH …")
@click.option("--data-root", metavar="DIR", help="Where the paths of the spec start.")
@click.option(
    "--cache-limit",
    type=MemorySize(),
    metavar="SIZE",
    help="Memory for decoded images, as 2GiB; half of what is free unless told. More stay on disk.",
)
@click.option("--skip-bad", is_flag=True, help="Go on without rows and images that are broken.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Seed of weights and order.")
@click.option("--model", metavar="NAME", help="The model to train, where the spec trains several.")
@click.option(
    "--checkpoint-every",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Time between checkpoints; unless told, saving takes at most 5% of the time.",
)
@click.option(
    "--speed",
    type=click.Choice(["auto", "eager", "compile", "graphs"]),
    default="auto",
    help="How steps are computed: auto measures it; graphs are CUDA graphs.",
)
@click.option(
    "--no-rewrites",
    is_flag=True,
    help="Compute as the spec says it, not in faster ways with the same values.",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@set_option
@format_option("text", "json")
def command(
    file: str | None,
    resume: str | None,
    out: str | None,
    seed: int | None,
    model: str | None,
    settings: tuple[tuple[str, str], ...],
    format: str,
    **rest: Any,
) -> None:
    """Train the model of FILE and write the run into a folder."""
    with together(rest["devices"]) as world:
        _train(file, resume, out, seed, model, settings, format, {**rest, "world": world})


def _train(
    file: str | None,
    resume: str | None,
    out: str | None,
    seed: int | None,
    model: str | None,
    settings: tuple[tuple[str, str], ...],
    format: str,
    rest: dict[str, Any],
) -> None:
    if (file is None) == (resume is None):
        raise click.UsageError("Give a spec to train, or --resume RUN.")
    if resume is not None:
        if out or seed is not None or settings or model:
            raise click.UsageError(
                "--resume goes on with a run as it was started: it takes no "
                "--out, --seed, --model or --set."
            )
        if _starts_others(rest):
            spec_of(Path(resume), format)
            _start_others(rest, Path(resume))
        _carry_out(*_resumed(Path(resume), rest, format), format)
        return
    assert file is not None
    if seed is not None:
        settings = (*settings, ("train.seed", str(seed)))
    spec = compiled(file, settings)
    report(spec.diagnostics, format)
    if spec.program is None:
        raise click.exceptions.Exit(SPEC)
    made = spec.program
    plan = chosen_plan(made, model, file)
    folder = Path(out) if out else _free_folder(Path("runs") / _folder_name(made, plan))
    if _starts_others(rest):
        _start_others(rest, folder, "--out", str(folder))
    folder = _agreed(folder, rest["world"])
    root = Path(rest["data_root"] or ("." if file == "-" else Path(file).parent))
    options = _options(folder, rest, root, rest["data"])
    _carry_out(made, plan, options._replace(texts=spec.resolved_files()), format)


def _starts_others(rest: dict[str, Any]) -> bool:
    return (rest["devices"] or 1) > 1 and rest["world"] is None


def _start_others(rest: dict[str, Any], folder: Path, *more: str) -> NoReturn:
    """Train in several processes, and exit with their code."""
    arguments = click.get_current_context().meta["arguments"]
    if "-" in arguments:
        raise click.UsageError("--devices needs a spec in a file: every process reads it.")
    code = launch(rest["devices"], [*arguments, *more], str(folder))
    raise click.exceptions.Exit(code)


def _agreed(folder: Path, world: World | None) -> Path:
    """The folder that the first process chose: the others may look when it is there already."""
    return folder if world is None else Path(world.from_first(str(folder).encode).decode())


def _resumed(
    folder: Path, rest: dict[str, Any], format: str
) -> tuple[Program, TrainPlan, TrainOptions]:
    from dlspec.training.reopening import reopen

    run = reopen(folder, spec_of(folder, format))
    root = Path(rest["data_root"]) if rest["data_root"] else run.data_root()
    options = _options(folder, rest, root, rest["data"] or run.replacement())
    skip_bad = options.skip_bad or run.skips_bad()
    return run.program, run.plan, options._replace(resume=True, skip_bad=skip_bad)


def spec_of(folder: Path, format: str = "text") -> Program:
    """The program of a run, from its `spec.json`. Diagnostics end the command with exit 1."""
    if not (folder / "run.json").is_file():
        raise EnvironmentFault(f"`{folder}` is not the folder of a run: it has no `run.json`")
    made = compiled(str(folder / "spec.json"))
    if made.program is None:
        report(made.diagnostics, format)
        raise click.exceptions.Exit(SPEC)
    return made.program


def _options(folder: Path, rest: dict[str, Any], root: Path, data: str | None) -> TrainOptions:
    from dlspec.training.settings import TrainOptions

    return TrainOptions(
        folder,
        device=chosen_device(rest["gpu"], rest["device"]),
        data_root=root,
        data=data,
        cache_limit=rest["cache_limit"],
        skip_bad=rest["skip_bad"],
        checkpoint_every=rest["checkpoint_every"],
        world=rest["world"],
        shard=rest["shard"],
        speed=rest["speed"],
        rewrites=not rest["no_rewrites"],
        show="nothing" if rest["quiet"] else "auto",
    )


def chosen_device(gpu: bool, device: str | None) -> str:
    """The device that `--gpu` and `--device` name together."""
    if gpu and device is not None and not device.startswith("cuda"):
        raise click.UsageError(f"--gpu and --device {device} contradict each other.")
    return device or ("cuda" if gpu else "auto")


def chosen_plan(program: Program, model: str | None, file: str) -> TrainPlan:
    """The `train` of the model named, or the only one."""
    names = [program.graphs[plan.model].name for plan in program.trains]
    if not names:
        raise SpecFault(f"{file} has no `train`; `train Model on Data {{ … }}` says how to fit it")
    listed = ", ".join(f"`{name}`" for name in dict.fromkeys(names))
    if model is None and len(set(names)) > 1:
        raise click.UsageError(f"--model says which one is meant of those trained: {listed}.")
    if model is not None and model not in names:
        raise click.UsageError(f"The spec does not train `{model}`; it trains {listed}.")
    plan = program.trains[names.index(model) if model is not None else 0]
    try:
        program.plan_of(plan.model)
    except ValueError as problem:
        raise click.UsageError(f"{problem}.") from None
    return plan


def _folder_name(program: Program, plan: TrainPlan) -> str:
    return program.graphs[plan.model].name.lower()


def _free_folder(wanted: Path) -> Path:
    """`runs/lenet`, or `runs/lenet-2` where that is taken."""
    folder, number = wanted, 1
    while folder.exists():
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")
    return folder


def _carry_out(program: Program, plan: TrainPlan, options: TrainOptions, format: str) -> None:
    from dlspec.data import DataProblem
    from dlspec.training.loop import train

    try:
        run = train(program, plan, options)
    except DataProblem as problem:
        raise told(problem) from problem
    except OSError as problem:
        raise EnvironmentFault(_system_fault(problem, options.folder)) from problem
    _tell(run, format)


def _system_fault(problem: OSError, folder: Path) -> str:
    """What the system refused a run, and where its disk is full, what is left of it."""
    text = system_message(problem)
    if problem.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return text
    if any((folder / "checkpoints").glob("step-*.json")):
        advice = f"`dlspec train --resume {folder}` goes on from it"
        return f"{text}; the checkpoint saved last is whole: make room, then {advice}"
    return f"{text}; no checkpoint was saved yet: make room, then start anew"


def told(problem: DataProblem) -> click.ClickException:
    """A problem with data as the command line says it."""
    text = f"{problem.message}; {problem.help}" if problem.help else problem.message
    text = f"{problem.code}: {text}" if problem.code else text
    faults = {SPEC: SpecFault, USAGE: click.UsageError, ENVIRONMENT: EnvironmentFault}
    return faults[problem.exit_code](text)


def _tell(run: Run, format: str) -> None:
    good = run.test is None or run.test.good
    if format == "json":
        from dlspec.training.jsontext import json_text

        result(
            json_text(
                {
                    "run": str(run.folder),
                    "steps": run.steps,
                    "epochs": run.history,
                    "samples_per_second": run.samples_per_second,
                    "test": run.test.facts() if run.test else None,
                    "skipped": run.skipped,
                    "good": good,
                }
            )
        )
    else:
        _tell_as_text(run)
    if not good:
        raise BrokenPromise


def _tell_as_text(run: Run) -> None:
    from dlspec.training.reporting import figures_text

    if run.test is not None:
        result(f"test split, {run.test.examples:,} examples: {figures_text(run.test.figures)}")
        tell_requires(run.test.held)
    if run.skipped:
        result(f"{run.skipped:,} bad rows or images were skipped")
    result(f"the run is in {run.folder}")


def tell_requires(held: tuple[Any, ...]) -> None:
    """Each `require` and whether it holds; broken promises go to standard error."""
    for one in held:
        (result if one.holds else message)(f"{one}" if one.holds else f"Error: {one}")

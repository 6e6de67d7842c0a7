"""`dlspec tune`: search the ranges of a spec for the values with which it trains best."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlspec.cli.exits import INTERRUPTED, SPEC, EnvironmentFault, system_message
from dlspec.cli.loading import compiled, format_option, report, set_option
from dlspec.cli.terminal import message, result
from dlspec.cli.train import chosen_device, chosen_plan
from dlspec.cli.trial_table import trial_line, trials_text

if TYPE_CHECKING:
    from dlspec.tuning.study import Study, Trial
    from dlspec.tuning.tuning import Tuned


@click.command(epilog="Example: dlspec tune lenet.dlnet --trials 40 --jobs 4")
@click.argument("file")
@click.option(
    "--trials",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Trials at the end, those of earlier calls included.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    help="Trials that are trained at once, in processes of their own.",
)
@click.option("--out", metavar="DIR", help="The study's folder; runs/MODEL-tune unless told.")
@click.option("--metric", metavar="NAME", help="What decides: loss, or a metric of the `train`.")
@click.option(
    "--pruner",
    type=click.Choice(["median", "hyperband", "none"]),
    default="median",
    show_default=True,
    help="By which rule trials that fall behind are given up.",
)
@click.option(
    "--sampler",
    type=click.Choice(["tpe", "random"]),
    default="tpe",
    show_default=True,
    help="How values are drawn: by what was learned, or evenly.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Seed of what is drawn; that of training is the spec's.",
)
@click.option("--gpu", is_flag=True, help="Train on an NVIDIA GPU; an error where there is none.")
@click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--data", metavar="SOURCE", help="Other data: mnist:PATH, image_folder:PATH …")
@click.option("--data-root", metavar="DIR", help="Where the paths of the spec start.")
@click.option("--model", metavar="NAME", help="The model to train, where the spec trains several.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@set_option
@format_option("text", "json")
def command(
    file: str, settings: tuple[tuple[str, str], ...], format: str, model: str | None, **rest: Any
) -> None:
    """Try values from the search ranges of FILE, and write the best spec.

    The same command goes on where it was stopped.
    """
    made = compiled(file, settings)
    report(made.diagnostics, format)
    if made.program is None:
        raise click.exceptions.Exit(SPEC)
    plan = chosen_plan(made.program, model, file)
    name = made.program.graphs[plan.model].name.lower()
    root = rest["data_root"] or ("." if file == "-" else str(Path(file).parent))
    from dlspec.tuning.tuning import TuneOptions, tune

    options = TuneOptions(
        folder=Path(rest["out"] or Path("runs") / f"{name}-tune"),
        device=chosen_device(rest["gpu"], rest["device"]),
        root=Path(root),
        **{key: rest[key] for key in ("trials", "jobs", "metric", "pruner", "sampler", "seed")},
        data=rest["data"],
        settings=dict(settings),
    )
    try:
        tuned = tune(made, plan, options, _progress(rest["quiet"]))
    except KeyboardInterrupt:
        message(f"Error: stopped; the same command goes on with the study in {options.folder}")
        raise click.exceptions.Exit(INTERRUPTED) from None
    except OSError as problem:
        raise EnvironmentFault(system_message(problem)) from problem
    _tell(tuned, format)


def _progress(quiet: bool) -> Any:
    def tell(study: Study, trial: Trial) -> None:
        if not quiet:
            message(trial_line(trial, study.wanted, study.options.metric, study.best()))

    return tell


def _tell(tuned: Tuned, format: str) -> None:
    if format == "json":
        from dlspec.training.jsontext import json_text

        result(json_text(tuned.facts()))
        return
    result(trials_text(tuned))
    result(f"\n{tuned.text}")
    result(f"the best spec is {tuned.spec}, the picture {tuned.folder / 'study.png'}")

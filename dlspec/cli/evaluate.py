"""`dlspec evaluate`: the figures of the test split for a trained run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dlspec.cli.exits import SPEC, EnvironmentFault, system_message
from dlspec.cli.loading import format_option
from dlspec.cli.terminal import result
from dlspec.cli.train import chosen_device, spec_of, tell_requires, told

if TYPE_CHECKING:
    from dlspec.training.settings import Evaluation


@click.command(epilog="Example: dlspec evaluate runs/lenet")
@click.argument("run")
@click.option("--gpu", is_flag=True, help="Compute on an NVIDIA GPU; an error where there is none.")
@click.option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--data", metavar="SOURCE", help="Other data than the run's: mnist:PATH …")
@click.option("--data-root", metavar="DIR", help="Where the paths of the spec start.")
@click.option("--skip-bad", is_flag=True, help="Go on without rows and images that are broken.")
@format_option("text", "json")
def command(
    run: str,
    gpu: bool,
    device: str | None,
    data: str | None,
    data_root: str | None,
    skip_bad: bool,
    format: str,
) -> None:
    """Measure the best weights of RUN on the test split and check every `require`."""
    program = spec_of(Path(run), format)
    from dlspec.data import DataProblem
    from dlspec.training.reopening import evaluate, reopen

    try:
        evaluation = evaluate(
            reopen(Path(run), program),
            chosen_device(gpu, device),
            Path(data_root) if data_root else None,
            data,
            skip_bad=skip_bad,
        )
    except DataProblem as problem:
        raise told(problem) from problem
    except OSError as problem:
        raise EnvironmentFault(system_message(problem)) from problem
    _tell(evaluation, format)
    if not evaluation.good:
        raise click.exceptions.Exit(SPEC)


def _tell(evaluation: Evaluation, format: str) -> None:
    if format == "json":
        result(json.dumps({**evaluation.facts(), "good": evaluation.good}))
        return
    from dlspec.training.reporting import figure_text

    result(f"test split, {evaluation.examples:,} examples")
    width = max(len(name) for name in evaluation.figures)
    for name, figure in evaluation.figures.items():
        result(f"  {name:<{width}}  {figure_text(name, figure)}")
    tell_requires(evaluation.held)

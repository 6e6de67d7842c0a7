"""`dlspec export`: the weights of a run as an ONNX file that agrees with PyTorch."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dlspec.cli.exits import EnvironmentFault, SpecFault, system_message
from dlspec.cli.loading import format_option
from dlspec.cli.terminal import message, result
from dlspec.cli.train import spec_of, told

if TYPE_CHECKING:
    from torch import nn

    from dlspec.data import Dataset
    from dlspec.training.reopening import Reopened


@click.command(epilog="Example: dlspec export runs/lenet -o lenet.onnx")
@click.argument("run")
@click.option(
    "-o", "--output", metavar="PATH", help="Where to write it.  [default: RUN's name with .onnx]"
)
@click.option(
    "--opset",
    type=int,
    metavar="N",
    help="Version of ONNX's operators.  [default: the newest that ONNX Runtime takes]",
)
@click.option(
    "--static-batch", type=click.IntRange(1, 2**20), metavar="N", help="Fix the size of the batch."
)
@click.option("--with-preprocessing", is_flag=True, help="Not available in this version.")
@click.option(
    "--precision",
    type=click.Choice(["float32", "fp16"]),
    default="float32",
    show_default=True,
    help="fp16 is not available in this version.",
)
@click.option("--data", metavar="SOURCE", help="Other data than the run's: mnist:PATH …")
@click.option("--data-root", metavar="DIR", help="Where the paths of the spec start.")
@click.option("--model", metavar="NAME", help="The model to write, where the run has several.")
@format_option("text", "json")
def command(
    run: str,
    output: str | None,
    opset: int | None,
    static_batch: int | None,
    with_preprocessing: bool,
    precision: str,
    data: str | None,
    data_root: str | None,
    model: str | None,
    format: str,
) -> None:
    """Write the best weights of RUN as ONNX, once it agrees with PyTorch to 1e-5.

    It is compared on random inputs and on the test split, at batches of 1 and 7.
    """
    if with_preprocessing:
        raise click.UsageError(
            "--with-preprocessing is not available in this version; "
            "`dlspec predict` prepares images as the file's metadata says."
        )
    if precision != "float32":
        raise click.UsageError(f"--precision {precision} is not available in this version.")
    program = spec_of(Path(run), format)
    from dlspec.training.reopening import reopen, trained_models

    opened = reopen(Path(run), program)
    dataset = _data(opened, data, data_root)
    models = trained_models(opened)
    name = _chosen(models, model)
    key = opened.plan.models[list(models).index(name)]
    module = models[name].eval()
    content, facts = _build(opened, key, module, dataset, opset, static_batch)
    facts |= _compared(opened, key, module, dataset, content, static_batch)
    _deliver(content, Path(output or f"{Path(run).resolve().name}.onnx"), facts, format)


def _chosen(models: dict[str, nn.Module], wanted: str | None) -> str:
    """The model named, or the only one."""
    listed = ", ".join(f"`{name}`" for name in models)
    if wanted is None and len(models) > 1:
        raise click.UsageError(f"--model says which one is meant of those trained: {listed}.")
    if wanted is not None and wanted not in models:
        raise click.UsageError(f"The run does not train `{wanted}`; it trains {listed}.")
    return wanted or next(iter(models))


def _data(run: Reopened, data: str | None, root: str | None) -> Dataset | None:
    """The run's data for the comparison; None, and a word about it, where it cannot be read."""
    from dlspec.data import DataProblem

    try:
        return run.dataset(Path(root) if root else None, data)
    except DataProblem as problem:
        if data is not None or root is not None:
            raise told(problem) from problem
        message(f"note: the model is compared on random inputs alone: {problem}")
        return None


def _build(
    run: Reopened,
    key: str,
    model: nn.Module,
    dataset: Dataset | None,
    opset: int | None,
    batch: int | None,
) -> tuple[bytes, dict[str, object]]:
    from dlspec.backends.onnx import build_file, describe, newest_opset
    from dlspec.backends.problem import BackendProblem
    from dlspec.ir.card import to_metadata

    program = run.program
    plan = program.data[run.plan.data]
    if dataset is not None:  # another source may have stood in for the spec's
        plan = plan.model_copy(update={"source": dataset.plan.source})
    card = describe(program, key, dataset.classes if dataset else None, plan, run.columns())
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    try:
        content = build_file(program, key, weights, opset, to_metadata(card), batch=batch)
    except BackendProblem as problem:
        raise SpecFault(f"{problem.code}: {problem.message}") from problem
    return content, {"opset": opset or newest_opset(), "classes": len(card.classes)}


def _compared(
    run: Reopened,
    key: str,
    model: nn.Module,
    dataset: Dataset | None,
    content: bytes,
    batch: int | None,
) -> dict[str, object]:
    from dlspec.cli.exporting import BATCHES, compare, data_inputs, random_inputs

    graph = run.program.graphs[key]
    sizes = BATCHES if batch is None else (batch,)
    inputs = random_inputs(graph, sizes)
    # A generator's noise is no field of the data.
    fed = dataset is not None and {port.name for port in graph.inputs} <= set(dataset.fields)
    if dataset is not None and fed:
        inputs = chain(inputs, data_inputs(graph, run.plan, dataset, sizes))
    return {
        "greatest_difference": compare(content, graph, model, inputs),
        "compared_on": ["random", "data"] if fed else ["random"],
    }


def _deliver(content: bytes, path: Path, facts: dict[str, object], format: str) -> None:
    from dlspec.training.durable import write_durably

    try:
        write_durably(path, content)
    except OSError as problem:
        raise EnvironmentFault(system_message(problem)) from problem
    if format == "json":
        result(json.dumps({"file": str(path), "bytes": len(content), **facts}))
        return
    message(
        f"wrote {path}: {len(content) / 2**20:.1f} MiB, opset {facts['opset']}; differs from "
        f"PyTorch by {facts['greatest_difference']:.1g} at most"
    )

"""The public face in Python: a spec as an object with its models.

spec = dlspec.load("lenet.dlnet")
print(spec.models["LeNet"].to_torch())
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dlspec.diagnostics import Diagnostic, SpecError
from dlspec.ir.graph import Graph, Port, Program
from dlspec.pipeline import Compiled, compile_file, compile_text
from dlspec.source import Source, Span

if TYPE_CHECKING:
    from dlspec.backends.problem import BackendProblem
    from dlspec.ir.dims import Dim
    from dlspec.ir.training import TrainPlan
    from dlspec.passes.outline import Row
    from dlspec.training.settings import Run


def load(path: str | PathLike[str], overrides: Mapping[str, str] | None = None) -> Spec:
    """The spec in a file (`.dlnet`, or `.json` for its IR).

    overrides: as `--set` takes them, `{"classes": "100", "train.epochs": "3"}`.
    Raises SpecError where the spec has errors, OSError where the file cannot be read.
    """
    return Spec(compile_file(Path(path), overrides or {}))


def loads(text: str, overrides: Mapping[str, str] | None = None) -> Spec:
    """The spec that a text holds. Raises SpecError where it has errors."""
    return Spec(compile_text(text, overrides=overrides or {}))


def train(
    spec: Spec,
    out: str | PathLike[str],
    *,
    model: str | None = None,
    device: str = "auto",
    data: str | None = None,
    data_root: str | PathLike[str] = ".",
    resume: bool = False,
    skip_bad: bool = False,
    cache_limit: int | None = None,
    speed: Literal["auto", "eager", "compile", "graphs"] = "auto",
) -> Run:
    """Train a model of a spec as its `train` says, and write the run into the folder `out`.

    model:       the model to train, where the spec trains several
    device:      `auto`, `cpu`, `cuda`, `cuda:1` or `mps`
    data:        a source in the stead of the spec's, as `mnist:PATH`
    data_root:   where the paths of the spec start
    resume:      go on with the run in `out`
    skip_bad:    go on without rows and images that are broken
    cache_limit: bytes of memory for decoded images; None is half of what is free
    speed:       how steps are computed, as `--speed` says it

    Raises ValueError where the spec trains nothing, or several and no choice; otherwise what
    `dlspec.training.loop.train` raises.
    """
    from dlspec.training.loop import train as fit
    from dlspec.training.settings import TrainOptions

    plan = _plan(spec.program, model)
    options = TrainOptions(
        folder=Path(out),
        resume=resume,
        device=device,
        data_root=Path(data_root),
        data=data,
        skip_bad=skip_bad,
        cache_limit=cache_limit,
        speed=speed,
        texts=spec.texts,
        show="nothing",
    )
    return fit(spec.program, plan, options)


def _plan(program: Program, model: str | None) -> TrainPlan:
    """How a model is trained, or the only one that is. Raises ValueError."""
    keys = {program.graphs[plan.model].name: plan.model for plan in program.trains}
    if model is None and len(keys) == 1:
        model = next(iter(keys))
    if model not in keys:
        raise ValueError(f"the spec trains {', '.join(keys) or 'nothing'}; `model` says which")
    plan = program.plan_of(keys[model])
    assert plan is not None
    return plan


class Spec:
    """A spec without errors: its IR, its models by name and the warnings about it."""

    def __init__(self, compiled: Compiled) -> None:
        self.program: Program = compiled.checked()
        self.diagnostics: tuple[Diagnostic, ...] = compiled.diagnostics
        self._compiled = compiled
        graphs = [self.program.graphs[key] for key in self.program.models]
        self.models: dict[str, Model] = {graph.name: self.model(graph) for graph in graphs}

    @property
    def text(self) -> str | None:
        """The resolved spec, every default and override written out; None for an IR file."""
        return self._compiled.resolved() if self._compiled.written is not None else None

    @property
    def texts(self) -> dict[str, str]:
        """The resolved spec as `spec.dlnet`, and the files it uses by their names."""
        return self._compiled.resolved_files()

    def model(self, graph: Graph) -> Model:
        """The model that a graph of the program is."""
        return Model(self, graph)

    def placed(self, problem: BackendProblem) -> SpecError:
        """What a backend refuses, at its place in the spec."""
        source = self._compiled.source or Source("", "")
        spans = self._compiled.spans
        span = spans.get((problem.graph, problem.node), Span(source, 0, 0))
        return SpecError(
            [Diagnostic(problem.code, "error", problem.message, span, help=problem.help)]
        )


class Model:
    """One model of a spec, its arguments filled in."""

    def __init__(self, spec: Spec, graph: Graph) -> None:
        self.spec = spec
        self.graph = graph
        self.name = graph.name

    @property
    def inputs(self) -> dict[str, str]:
        """The inputs' types without the batch, `{"image": "float[1, 28, 28]"}`."""
        return {port.name: str(self.graph.types[port.value]) for port in self.graph.inputs}

    @property
    def outputs(self) -> dict[str, str]:
        """The outputs' types without the batch."""
        return {port.name: str(self.graph.types[port.value]) for port in self.graph.outputs}

    def to_torch(self, *, train: bool = True) -> str:
        """Python source of the model, with its training loop where the spec trains it.

        Raises SpecError where PyTorch cannot express a layer, ValueError where the spec trains
        the model in several ways.
        """
        from dlspec.backends.problem import BackendProblem
        from dlspec.backends.torch import emit

        program = self.spec.program
        plan = program.plan_of(self.graph.key) if train else None
        try:
            return emit(program, self.graph.key, plan=plan)
        except BackendProblem as problem:
            raise self.spec.placed(problem) from problem

    def to_onnx(
        self, weights: Mapping[str, Any] | None = None, *, opset: int | None = None
    ) -> bytes:
        """The content of an ONNX file of the model, checked before it is given.

        weights: arrays by full name, `conv1.weight`; None starts them as training would
        opset:   version of ONNX's operators; the newest that ONNX Runtime takes unless told

        Raises SpecError where ONNX cannot express a layer, ValueError for wrong weights.
        """
        from dlspec.backends.onnx import build, serialize, verify
        from dlspec.backends.problem import BackendProblem

        try:
            model = build(self.spec.program, self.graph.key, weights, opset)
        except BackendProblem as problem:
            raise self.spec.placed(problem) from problem
        verify(model)
        return serialize(model)

    def to_picture(self, format: str = "svg", *, depth: int = 0) -> bytes:
        """The content of a file with the model's picture.

        format: `svg`, `png`, `dot` or `mmd` (Mermaid)
        depth:  levels of blocks to unfold; 0 shows every block as one box

        Raises PictureTooLarge for what cannot be laid out, ModuleNotFoundError where the
        packages of `dlspec[graph]` are missing (`svg` and `png` need them).
        """
        from dlspec.backends.graph import draw, picture

        return picture(draw(self.spec.program, self.graph, depth), format)

    def summary(self) -> dict[str, Any]:
        """Inputs, outputs, layers, blocks and costs. A size known only at run time is a text.

        `layers` holds every layer, those in blocks too; `blocks` every use of a block, whose
        figures are the sums of its layers'.
        """
        from dlspec.passes.measure import totals
        from dlspec.passes.outline import outline

        rows = outline(self.spec.program, self.graph)
        total = totals(self.spec.program, self.graph)
        return {
            "name": self.name,
            "documentation": self.graph.documentation or self.spec.program.documentation,
            "inputs": [self._port(port) for port in self.graph.inputs],
            "outputs": [self._port(port) for port in self.graph.outputs],
            "auxiliaries": [self._port(port) for port in self.graph.auxiliaries],
            "parameters": _figure(total.parameters),
            "trainable_parameters": _figure(total.parameters),
            "macs": _figure(total.macs),
            "depth": total.depth,
            "memory": _figure(total.activation_bytes),
            "layers": [
                {"path": row.path, "layer": row.layer, "output": row.output, **_figures(row)}
                for row in rows
                if row.kind == "layer"
            ],
            "blocks": [self._block(row) for row in rows if row.kind == "heading"],
        }

    def _block(self, row: Row) -> dict[str, Any]:
        graph = self.spec.program.graphs[row.graph]
        return {
            "path": row.path,
            "block": row.layer,
            "arguments": graph.arguments,
            "documentation": graph.documentation,
            "output": row.output,
            **_figures(row),
        }

    def _port(self, port: Port) -> dict[str, Any]:
        type = self.graph.types[port.value]
        return {"name": port.name, "dtype": type.dtype, "shape": [_figure(d) for d in type.shape]}


def _figures(row: Row) -> dict[str, int | str]:
    figures = {"parameters": row.parameters, "macs": row.macs, "memory": row.memory}
    return {name: _figure(dim) for name, dim in figures.items()}


def _figure(dim: Dim) -> int | str:
    return dim if isinstance(dim, int) else str(dim)

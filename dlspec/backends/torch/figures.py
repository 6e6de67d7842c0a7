"""The part of a training program that measures a split: losses, metrics, how they are printed."""

from __future__ import annotations

from collections.abc import Iterator

from dlspec.backends.torch.borrowed import Borrowed, borrow
from dlspec.backends.torch.objectives import Functions
from dlspec.backends.torch.printer import WIDTH, literal, quoted, statement
from dlspec.backends.torch.steps import final_expression
from dlspec.backends.torch.upkeep import average_name, averages_kept
from dlspec.ir.graph import Program
from dlspec.ir.losstargets import Comparison, comparison
from dlspec.ir.metrics import AnyMetric, Auroc, Averaged, Confusion, TopK
from dlspec.ir.objective import NoiseNode, PenaltyNode, ShuffleNode
from dlspec.ir.training import TrainPlan
from dlspec.layers.final import scores_before

_SUMMED = {"accuracy", "top_k", "perplexity", "mae", "mse"}


class Measuring:
    """What a plan measures, as `measure` and `confusion_matrix` need it."""

    def __init__(self, program: Program, plan: TrainPlan, functions: Functions) -> None:
        self.program = program
        self.plan = plan
        self.models = functions.parameters()
        self.classes = functions.classes
        keys = [
            f"{s.objective}.evaluation"
            if f"{s.objective}.evaluation" in functions.names
            else s.objective
            for s in plan.each_batch
        ]
        self.functions = [functions.names[key] for key in keys]
        objectives = [program.objectives[key] for key in keys]
        self.scored = [objective.value("scores") is not None for objective in objectives]
        self.compared = Comparison("values")
        first = objectives[0]
        scores, target = first.value("scores"), first.value("target")
        if scores is not None and target is not None:
            self.compared = comparison(plan.loss, first.types[scores], first.types[target])
        self.counted = first.inputs[0].name
        nodes = [node for objective in objectives for node in objective.nodes]
        self.differentiates = any(isinstance(node, PenaltyNode) for node in nodes)
        self.random = any(isinstance(n, NoiseNode | ShuffleNode | PenaltyNode) for n in nodes)
        self.summed = [m for m in plan.metrics if m.kind in _SUMMED]
        self.averaged = [m for m in plan.metrics if isinstance(m, Averaged)]
        self.ranked = [m for m in plan.metrics if isinstance(m, Auroc)]

    @property
    def names(self) -> list[str]:
        """Of the figures, in their order."""
        return [*self.plan.losses, *(m.kind for m in self.plan.metrics if m.number)]

    @property
    def drawn(self) -> bool:
        """Whether the confusion matrix is asked for."""
        return any(isinstance(metric, Confusion) for metric in self.plan.metrics)

    @property
    def by_hits(self) -> str:
        """The function that counts right answers class by class."""
        return "label_hits" if self.compared.kind == "labels" else "class_hits"

    def borrowed(self) -> Borrowed | None:
        """The functions of metrics that it calls."""
        wanted = [self.function(metric) for metric in self.summed]
        wanted += [m.kind for m in (*self.averaged, *self.ranked)]
        wanted += [self.by_hits] if self.averaged else []
        if self.drawn:
            wanted.append("confusion" if self.compared.kind == "classes" else "label_hits")
        if wanted and self.compared.rows:
            wanted.append("rows")
        return borrow("training/metrics.py", *wanted) if wanted else None

    def function(self, metric: AnyMetric) -> str:
        """The function that sums a metric over a batch."""
        if metric.kind == "accuracy" and self.compared.kind == "labels":
            return "label_accuracy"
        return "surprise" if metric.kind == "perplexity" else metric.kind

    def head(self, name: str, returned: str, before: str = "") -> list[str]:
        """The `def` of a function of the models and of `data`."""
        arguments = [f"{v}: {self.classes[m]}" for m, v in self.models.items()]
        arguments.append("data: Batch")
        line = f"def {name}({', '.join(arguments)}) -> {returned}:"
        if len(line) <= WIDTH:
            return [before, line] if before else [line]
        return [
            *([before] if before else []),
            f"def {name}(",
            *(f"    {one}," for one in arguments),
            f") -> {returned}:",
        ]

    def results(self, place: int) -> str:
        """The statement that computes the loss of one of the steps."""
        called = f"{self.functions[place]}({', '.join(self.models.values())}, batch)"
        return f"{'loss, scores, target' if self.scored[place] else 'loss'} = {called}"


def measure_pieces(measuring: Measuring) -> list[str]:
    """The functions that measure a split and print its figures."""
    pieces = ["\n".join(_measure(measuring)), _shown(measuring)]
    if measuring.drawn:
        pieces.append("\n".join(_confusion_matrix(measuring)))
    return pieces


def _measure(m: Measuring) -> Iterator[str]:
    yield from m.head(
        "measure", "dict[str, float]", "" if m.differentiates else "@torch.inference_mode()"
    )
    yield '    """Loss and metrics of a split, each the mean over its examples."""'
    yield from _beginning(m)
    size = len(m.plan.losses) + len(m.summed)
    yield from statement("sums = ", f"torch.zeros({size}, dtype=torch.float64, device=device)", 4)
    if m.averaged:
        shape = f"3, {literal(m.compared.size)}"
        yield from statement(
            "hits = ", f"torch.zeros({shape}, dtype=torch.float64, device=device)", 4
        )
    if m.ranked:
        yield "    chances: list[Tensor] = []"
        yield "    targets: list[Tensor] = []"
    yield from _batches(m, list(_counted(m)))
    means = statement("means = ", "(sums / count).tolist()", 4)
    plain = [*m.plan.losses, *(metric.kind for metric in m.summed)]
    if not m.averaged and not m.ranked and "perplexity" not in plain:
        yield from statement("names = ", literal(tuple(plain)), 4)
        yield "    return dict(zip(names, (sums / count).tolist(), strict=True))"
        return
    yield from means
    yield from statement("names = ", literal(tuple(plain)), 4)
    yield "    figures = dict(zip(names, means, strict=True))"
    if "perplexity" in plain:
        place = plain.index("perplexity")
        yield f'    figures["perplexity"] = (sums[{place}] / count).exp().item()'
    for metric in m.averaged:
        value = f"{metric.kind}(hits, {quoted(metric.average)}).item()"
        yield from statement(f"figures[{quoted(metric.kind)}] = ", value, 4)
    for metric in m.ranked:
        value = f"auroc(chances, targets, {quoted(metric.average)}).item()"
        yield from statement(f"figures[{quoted(metric.kind)}] = ", value, 4)
    yield "    return figures"


def _beginning(m: Measuring) -> Iterator[str]:
    for variable in m.models.values():
        yield f"    {variable}.eval()"
    yield from statement("count = ", f"len(data[{quoted(m.counted)}])", 4)
    first = next(iter(m.models.values()))
    yield f"    device = next({first}.parameters()).device"


def _batches(m: Measuring, body: list[str]) -> Iterator[str]:
    """The loop over a split; noise in it is the same each time, and training's goes on alone."""
    margin = "    "
    if m.random:
        yield "    with torch.random.fork_rng():"
        yield "        torch.manual_seed(0)"
        margin = "        "
    yield f"{margin}for numbers in torch.arange(count, device=device).split(BATCH_SIZE):"
    yield f"{margin}    batch = prepare_batch(data, numbers)"
    for line in body:
        yield from statement("", line, len(margin) + 4)


def _counted(m: Measuring) -> Iterator[str]:
    """The statements that count a batch."""
    detached = "loss.detach()" if m.differentiates else "loss"
    scored = bool(m.summed or m.averaged or m.ranked)
    for place in range(len(m.functions)):
        results = m.results(place)
        if m.scored[place] and not scored:
            results = results.replace("loss, scores, target", "loss, _, _")
        yield results
        yield f"sums[{place}] += {detached} * len(numbers)"
        if place == 0 and scored and m.differentiates:
            yield "scores = scores.detach()"
    values, classes = "scores", "scores, target"
    if m.compared.rows and any(metric.target == "classes" for metric in m.plan.metrics):
        yield f"flat, classes = rows(scores, target, {m.compared.axis})"
        classes = "flat, classes"
    final = scores_before(m.program, m.plan)
    if final is not None:
        graph = m.program.graphs[m.plan.model]
        value = next(port.value for port in graph.outputs if port.name == m.plan.output)
        values = (final_expression(m.program, graph, value) or "{0}").format("scores")
    for place, metric in enumerate(m.summed, start=len(m.functions)):
        given = classes if metric.target == "classes" else f"{values}, target"
        given += f", {literal(metric.k)}" if isinstance(metric, TopK) else ""
        per_row = m.compared.rows and metric.target == "classes"
        share = " * len(numbers) / len(classes)" if per_row else ""
        yield f"sums[{place}] += {m.function(metric)}({given}){share}"
    if m.averaged:
        yield f"hits += {_hits(m, classes)}"
    if m.ranked:
        first, second = classes.split(", ")
        labels = literal(m.compared.size)
        yes_or_no = m.compared.kind == "labels"
        chances = f"sigmoid().reshape(-1, {labels})" if yes_or_no else "softmax(1)"
        yield f"chances.append({first}.double().{chances})"
        yield f"targets.append({second}.reshape({f'-1, {labels}' if yes_or_no else '-1'}))"


def _hits(m: Measuring, given: str) -> str:
    labels = f", {literal(m.compared.size)}" if m.compared.kind == "labels" else ""
    return f"{m.by_hits}({given}{labels})"


def _confusion_matrix(m: Measuring) -> Iterator[str]:
    yield from m.head(
        "confusion_matrix", "Tensor", "" if m.differentiates else "@torch.inference_mode()"
    )
    yield '    """How many examples of a class (row) are called what (column)."""'
    yield from _beginning(m)
    size = max(m.compared.size, 2)
    yield from statement(
        "matrix = ", f"torch.zeros({size}, {size}, dtype=torch.long, device=device)", 4
    )
    body = [m.results(0).replace("loss, ", "_, ", 1)]
    if m.compared.kind == "labels":
        body += [
            "right, called, there = label_hits(scores, target, 1).flatten()",
            "no = target.numel() - called - there + right",
            "cells = torch.stack([no, called - right, there - right, right])",
            "matrix += cells.view(2, 2)",
        ]
    elif m.compared.rows:
        body.append(f"matrix += confusion(*rows(scores, target, {m.compared.axis}))")
    else:
        body.append("matrix += confusion(scores, target)")
    yield from _batches(m, body)
    yield "    return matrix"


def _shown(m: Measuring) -> str:
    """How figures are printed: shares as percentages."""
    shares = [metric.kind for metric in m.plan.metrics if metric.share]
    head = [
        'def shown(figures: dict[str, float], prefix: str = "") -> str:',
        '    """Figures as text."""',
    ]
    if not shares:
        return "\n".join(
            [
                *head,
                '    texts = [f"{prefix}{n} {v:.4f}" for n, v in figures.items()]',
                '    return "  ".join(texts)',
            ]
        )
    return "\n".join(
        [
            *head,
            "    texts = []",
            "    for name, value in figures.items():",
            *statement("share = ", f"name in {literal(tuple(shares))}", 8),
            '        text = f"{value:.2%}" if share else f"{value:.4f}"',
            '        texts.append(f"{prefix}{name} {text}")',
            '    return "  ".join(texts)',
        ]
    )


# --- in the loop -------------------------------------------------------------------------


def deciding(plan: TrainPlan) -> tuple[str, str] | None:
    """The figure that says which weights are best, and the sign of its better end.

    The first metric, else the loss; None of several losses.
    """
    metric = next((m for m in plan.metrics if m.number), None)
    if metric is not None:
        return metric.kind, ">" if metric.higher_is_better else "<"
    return ("loss", "<") if len(plan.losses) == 1 else None


def watched_higher(plan: TrainPlan) -> bool:
    """Whether more is better of the figure that may end training early."""
    return any(m.kind == _watched(plan) and m.higher_is_better for m in plan.metrics)


def _watched(plan: TrainPlan) -> str:
    return plan.early_stopping.metric.removeprefix("val_") if plan.early_stopping else ""


def _shown_models(plan: TrainPlan, variables: list[str]) -> tuple[list[str], str]:
    """The models that are measured and kept, and all of them as one module."""
    shown = [average_name(v) for v in variables] if plan.ema is not None else variables
    return shown, shown[0] if len(shown) == 1 else "models"


def best_before(plan: TrainPlan, variables: list[str]) -> list[str]:
    """Lines before the loop: no weights are the best yet."""
    decides = deciding(plan)
    if decides is None:
        return []
    shown, whole = _shown_models(plan, variables)
    worst = "-math.inf" if decides[1] == ">" else "math.inf"
    joined = [f"    models = nn.ModuleList([{', '.join(shown)}])"] if len(shown) > 1 else []
    return [*joined, f"    best, best_weights = {worst}, {whole}.state_dict()"]


def best_after(plan: TrainPlan, variables: list[str]) -> list[str]:
    """Lines after the loop: the best weights are those of the models."""
    if deciding(plan) is None:
        return averages_kept(plan, variables)
    if len(variables) == 1:
        return [f"    {variables[0]}.load_state_dict(best_weights)"]
    return ["    models.load_state_dict(best_weights)", *averages_kept(plan, variables)]


def validated(plan: TrainPlan, variables: list[str], *, perhaps: bool, kept: bool) -> list[str]:
    """Lines at the end of an epoch: the validation split, and the best weights.

    variables: of the models; perhaps: whether there may be no such split; kept: whether the
    schedule follows what it gives.
    """
    decides, watched = deciding(plan), _watched(plan)
    shown, whole = _shown_models(plan, variables)
    body = [
        f'figures = measure({", ".join(shown)}, splits["validation"])',
        "line += f\"  {shown(figures, 'val_')}\"",
    ]
    if decides is not None:
        name, sign = decides
        turned = "-" if sign == ">" else ""
        body += [
            *([f"decisions.append({turned}figures[{quoted(name)}])"] if kept else []),
            *([f"watched.append(figures[{quoted(watched)}])"] if watched else []),
            f"if figures[{quoted(name)}] {sign} best:",
            f"    best = figures[{quoted(name)}]",
        ]
    lines = ["        " + line for line in body]
    if decides is not None:
        weights = f"{{name: w.clone() for name, w in {whole}.state_dict().items()}}"
        lines += statement("best_weights = ", weights, 12)
    if not perhaps:
        return lines
    lines = ['        if "validation" in splits:', *("    " + line for line in lines)]
    if decides is not None:
        lines += ["        else:", f"            best_weights = {whole}.state_dict()"]
    return lines

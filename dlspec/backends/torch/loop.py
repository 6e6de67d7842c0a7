"""The part of a training program that trains: loss, loop, figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dlspec.backends.torch import upkeep
from dlspec.backends.torch.borrowed import Borrowed, borrow
from dlspec.backends.torch.objectives import Functions
from dlspec.backends.torch.pace import epochs_text, lengths, rate_factor, slice_text
from dlspec.backends.torch.printer import literal, quoted, statement
from dlspec.backends.torch.steps import final_expression
from dlspec.ir.graph import Program
from dlspec.ir.metrics import AnyMetric, Metric, TopK
from dlspec.ir.optimizers import Muon
from dlspec.ir.schedules import Constant, Plateau
from dlspec.ir.training import StepPlan, TrainPlan
from dlspec.layers.final import final_activation, scores_before

FUSED = ("torch.optim.SGD", "torch.optim.Adam", "torch.optim.AdamW")
"""Optimizers that PyTorch has in one fused kernel on CPUs and GPUs alike."""


class Part(NamedTuple):
    """Code in pieces, each a definition, and the functions that they use."""

    borrowed: tuple[Borrowed, ...]
    pieces: tuple[str, ...]


def loop_part(
    program: Program,
    plan: TrainPlan,
    classes: Mapping[str, str],
    splits: tuple[str, ...],
    possible: tuple[str, ...],
    *,
    augments: bool,
) -> Part:
    """The code of a training loop.

    classes: the class of each model's name; splits, possible: those of `DataPart`;
    augments: whether `prepare_batch` takes a generator.
    """
    metrics = tuple(dict.fromkeys(metric.kind_name() for metric in plan.metrics))
    order = ["epoch_order", "batches_per_epoch", *(["step_generator"] if augments else [])]
    borrowed = [borrow("training/order.py", *order)]
    kinds = [s.schedule.kind for s in plan.each_batch if not isinstance(s.schedule, Constant)]
    if kinds:
        borrowed.append(borrow("training/schedules.py", *dict.fromkeys(kinds)))
    if metrics:
        borrowed.append(borrow("training/metrics.py", *metrics))
    borrowed += upkeep.borrowed_parts(plan)
    functions = Functions(program, plan, classes)
    borrowed += functions.borrowed
    pieces = list(functions.sources)
    if len(plan.each_batch) > 1 or len(plan.models) > 1:
        from dlspec.backends.torch.stepped import stepped_train  # which uses parts of this loop

        pieces.append(stepped_train(program, plan, functions, augments=augments))
        return Part(tuple(borrowed), tuple(pieces))
    validated = "validation" in splits or "validation" in possible
    single = Single(program, plan, functions)
    if validated or "test" in splits or "test" in possible:
        pieces += [_measure(single), _shown(plan)]
    pieces.append(_train(single, validated, "validation" in possible, augments))
    return Part(tuple(borrowed), tuple(pieces))


class Single:
    """A plan that minimises one thing of one model, as its loop needs it."""

    def __init__(self, program: Program, plan: TrainPlan, functions: Functions) -> None:
        self.program = program
        self.plan = plan
        self.step = plan.each_batch[0]
        self.name, self.model = next(iter(functions.classes.items()))
        objective = program.objectives[self.step.objective]
        self.counted = objective.inputs[0].name
        compared = objective.value("scores") is not None
        self.results = "loss, scores, target" if compared else "loss"
        self.in_training = functions.names[self.step.objective]
        self.measured = functions.names.get(f"{self.step.objective}.evaluation", self.in_training)


def _measure(single: Single) -> str:
    plan = single.plan
    lines = [
        "@torch.inference_mode()",
        f"def measure(model: {single.model}, data: Batch) -> dict[str, float]:",
        '    """Loss and metrics of a split, each the mean over its examples."""',
        "    model.eval()",
        *statement("count = ", f"len(data[{quoted(single.counted)}])", 4),
        "    device = next(model.parameters()).device",
        *statement(
            "sums = ",
            f"torch.zeros({1 + len(_names(plan))}, dtype=torch.float64, device=device)",
            4,
        ),
        "    for numbers in torch.arange(count, device=device).split(BATCH_SIZE):",
        "        batch = prepare_batch(data, numbers)",
        f"        {single.results} = {single.measured}(model, batch)",
        "        sums[0] += loss * len(numbers)",
    ]
    for place, metric in enumerate(_distinct(plan), start=1):
        lines += statement(f"sums[{place}] += ", _metric(single, metric), 8)
    return "\n".join(
        [
            *lines,
            *statement("names = ", _listed(["loss", *_names(plan)]), 4),
            "    return dict(zip(names, (sums / count).tolist(), strict=True))",
        ]
    )


def _metric(single: Single, metric: AnyMetric) -> str:
    if isinstance(metric, TopK):
        return f"top_k(scores, target, {literal(metric.k)})"
    scores = "scores"
    program, plan = single.program, single.plan
    if not metric.higher_is_better:
        graph = program.graphs[plan.model]
        final = final_activation(program, graph, plan.output)
        if final is not None and final.kind == scores_before(plan):
            value = next(port.value for port in graph.outputs if port.name == plan.output)
            scores = (final_expression(program, graph, value) or "{0}").format("scores")
    return f"{metric.kind_name()}({scores}, target)"


def _distinct(plan: TrainPlan) -> list[AnyMetric]:
    return list({metric.kind_name(): metric for metric in plan.metrics}.values())


def _names(plan: TrainPlan) -> list[str]:
    return [metric.kind_name() for metric in _distinct(plan)]


def _shown(plan: TrainPlan) -> str:
    """How figures are printed: shares as percentages."""
    shares = [metric.kind_name() for metric in _distinct(plan) if metric.higher_is_better]
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
            *statement("share = ", f"name in {_listed(shares)}", 8),
            '        text = f"{value:.2%}" if share else f"{value:.4f}"',
            '        texts.append(f"{prefix}{name} {text}")',
            '    return "  ".join(texts)',
        ]
    )


def _listed(names: list[str]) -> str:
    return literal(tuple(names))


def _train(single: Single, validated: bool, perhaps: bool, augments: bool) -> str:
    """`train`: the loop."""
    plan, step = single.plan, single.step
    lines = [
        f"def train(model: {single.model}, splits: dict[str, Batch]) -> list[float]:",
        '    """Train the model. Gives the loss of every step."""',
        '    data = splits["train"]',
        *statement("count = ", f"len(data[{quoted(single.counted)}])", 4),
        "    device = next(model.parameters()).device",
        *upkeep.counted(plan),
        *lengths(plan),
        *(
            ['    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()']
            if plan.precision == "auto"
            else []
        ),
        *upkeep.frozen(plan, {single.name: "model"}, 4),
        *statement("optimizer = ", _optimizer(single), 4),
        *upkeep.averages(plan, ["model"]),
        "    losses: list[Tensor] = []",
        *(_best_before(plan) if validated else []),
        *(["    decisions: list[float] = []"] if isinstance(step.schedule, Plateau) else []),
        *(["    watched: list[float] = []"] if plan.early_stopping is not None else []),
        f"    for epoch in range({epochs_text(plan)}):",
        "        model.train()",
        *upkeep.frozen(plan, {single.name: "model"}, 8),
        *upkeep.epoch_loop(plan, slice_text(plan)),
        *_stepped(single, augments),
        f"        mean = torch.stack(losses[epoch * {upkeep.per_epoch(plan)} :]).mean().item()",
        f'        line = f"epoch {{epoch + 1}}/{{{epochs_text(plan)}}}  loss {{mean:.4f}}"',
        *_validated(plan, validated, perhaps),
        "        print(line, flush=True)",
        *upkeep.stopped(plan, _watched_higher(plan)),
        *(
            ["    model.load_state_dict(best_weights)"]
            if validated
            else upkeep.averages_kept(plan, ["model"])
        ),
        "    return torch.stack(losses).tolist()",
    ]
    return "\n".join(lines)


def _stepped(single: Single, augments: bool) -> list[str]:
    """One step in the loop: gradients, what is done with them, the optimizer, the loss."""
    plan, step = single.plan, single.step
    scheduled = not isinstance(step.schedule, Constant)
    weights = upkeep.weights_text(plan, ["model"])
    changed = [
        *upkeep.regularized(plan, weights, 12),
        *_clipped(step, weights),
        *(_rate(plan, step) if scheduled else []),
        "            optimizer.step()",
        *upkeep.followed(plan, ["model"], "len(losses)"),
    ]
    random = ", step_generator(SEED, len(losses))" if augments else ""
    if plan.accumulate == 1:
        return [
            *statement("batch = ", f"prepare_batch(data, numbers{random})", 12),
            *_forward(single, 12),
            "            optimizer.zero_grad()",
            "            loss.backward()",
            *changed,
            "            losses.append(loss.detach())",
        ]
    random = ", step_generator(SEED, len(losses) * ACCUMULATE + part)" if augments else ""
    each = "part, numbers in enumerate(together.split(BATCH_SIZE))" if augments else ""
    return [
        "            optimizer.zero_grad()",
        "            total = torch.zeros((), device=device)",
        f"            for {each or 'numbers in together.split(BATCH_SIZE)'}:",
        *statement("batch = ", f"prepare_batch(data, numbers{random})", 16),
        *_forward(single, 16),
        "                loss = loss * (len(numbers) / len(together))",
        "                loss.backward()",
        "                total += loss.detach()",
        *changed,
        "            losses.append(total)",
    ]


def optimizer_text(step: StepPlan, weights: str, rate: str) -> str:
    """The constructor of a step's optimizer."""
    call = step.optimizer.torch()
    kwargs = {name: value for name, value in call.kwargs.items() if name != "lr"}
    kwargs |= {"fused": True} if call.function in FUSED else {}
    rest = (f"{name}={literal(value)}" for name, value in kwargs.items())
    return f"{call.function}({', '.join([weights, f'lr={rate}', *rest])})"


def _optimizer(single: Single) -> str:
    plan, step = single.plan, single.step
    weights = upkeep.weights_text(plan, ["model"])
    if isinstance(step.optimizer, Muon):
        weights = upkeep.muon_text(single.program, plan, step.optimizer, {single.name: "model"})
    return optimizer_text(step, weights, "LEARNING_RATE")


def narrow(plan: TrainPlan, lines: list[str], indent: int) -> list[str]:
    """Lines of a forward pass in the precision of the plan."""
    pad = " " * indent
    if plan.precision == "float32":
        return [pad + line for line in lines]
    enabled = ", enabled=bf16" if plan.precision == "auto" else ""
    where = f"with torch.autocast(device.type, torch.bfloat16{enabled}):"
    return [pad + where, *(f"{pad}    {line}" for line in lines)]


def _forward(single: Single, indent: int) -> list[str]:
    results = "loss, _, _" if single.results != "loss" else "loss"
    return narrow(single.plan, [f"{results} = {single.in_training}(model, batch)"], indent)


def _clipped(step: StepPlan, weights: str) -> list[str]:
    if step.gradient_clip is None:
        return []
    return statement("", f"nn.utils.clip_grad_norm_({weights}, {literal(step.gradient_clip)})", 12)


def _rate(plan: TrainPlan, step: StepPlan) -> list[str]:
    factor = rate_factor(plan, step, "len(losses)")
    return [
        "            for group in optimizer.param_groups:",
        *statement('group["lr"] = ', f"LEARNING_RATE * {factor}{upkeep.share_text(step)}", 16),
    ]


def _deciding(plan: TrainPlan) -> tuple[str, Metric | None]:
    """The figure that says which weights are best: the first metric, else the loss."""
    return (plan.metrics[0].kind_name(), plan.metrics[0]) if plan.metrics else ("loss", None)


def _watched_higher(plan: TrainPlan) -> bool:
    """Whether more is better of the figure that may end training early."""
    watched = plan.early_stopping.metric.removeprefix("val_") if plan.early_stopping else ""
    return any(m.kind_name() == watched and m.higher_is_better for m in plan.metrics)


def _best_before(plan: TrainPlan) -> list[str]:
    _, metric = _deciding(plan)
    worst = "-math.inf" if metric is not None and metric.higher_is_better else "math.inf"
    return [f"    best, best_weights = {worst}, model.state_dict()"]


def _validated(plan: TrainPlan, validated: bool, perhaps: bool) -> list[str]:
    if not validated:
        return []
    name, metric = _deciding(plan)
    sign = ">" if metric is not None and metric.higher_is_better else "<"
    shown = "averaged" if plan.ema is not None else "model"
    weights = f"{{name: w.clone() for name, w in {shown}.state_dict().items()}}"
    watched = plan.early_stopping.metric.removeprefix("val_") if plan.early_stopping else ""
    kept = any(isinstance(s.schedule, Plateau) for s in plan.each_batch)
    turned = "-" if sign == ">" else ""
    body = [
        f'figures = measure({shown}, splits["validation"])',
        "line += f\"  {shown(figures, 'val_')}\"",
        *([f"decisions.append({turned}figures[{quoted(name)}])"] if kept else []),
        *([f"watched.append(figures[{quoted(watched)}])"] if watched else []),
        f"if figures[{quoted(name)}] {sign} best:",
        f"    best = figures[{quoted(name)}]",
    ]
    lines = ["        " + line for line in body]
    lines += statement("best_weights = ", weights, 12)
    if not perhaps:
        return lines
    return [
        '        if "validation" in splits:',
        *("    " + line for line in lines),
        "        else:",
        f"            best_weights = {shown}.state_dict()",
    ]

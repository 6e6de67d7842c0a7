"""The part of a training program that trains: loss, loop, figures."""

from __future__ import annotations

from typing import NamedTuple

from dlspec.backends.torch.borrowed import Borrowed, borrow
from dlspec.backends.torch.printer import call_text, literal, quoted, statement
from dlspec.backends.torch.steps import final_expression
from dlspec.ir.graph import Program
from dlspec.ir.training import (
    AnyMetric,
    Constant,
    Cosine,
    Metric,
    OneCycle,
    StepDecay,
    TopK,
    TrainPlan,
)
from dlspec.layers.final import trains_on_logits

FUSED = ("torch.optim.SGD", "torch.optim.Adam", "torch.optim.AdamW")
"""Optimizers that PyTorch has in one fused kernel on CPUs and GPUs alike."""


class Part(NamedTuple):
    """Code in pieces, each a definition, and the functions that they use."""

    borrowed: tuple[Borrowed, ...]
    pieces: tuple[str, ...]


def loop_part(
    program: Program,
    plan: TrainPlan,
    model: str,
    splits: tuple[str, ...],
    possible: tuple[str, ...],
    *,
    augments: bool,
) -> Part:
    """The code of a training loop.

    model: the name of the model's class; splits, possible: those of `DataPart`;
    augments: whether `prepare_batch` takes a generator.
    """
    metrics = tuple(dict.fromkeys(metric.kind_name() for metric in plan.metrics))
    order = ["epoch_order", "batches_per_epoch", *(["step_generator"] if augments else [])]
    borrowed = [borrow("training/order.py", *order)]
    if not isinstance(plan.schedule, Constant):
        borrowed.append(borrow("training/schedules.py", plan.schedule.kind))
    if metrics:
        borrowed.append(borrow("training/metrics.py", *metrics))
    validated = "validation" in splits or "validation" in possible
    pieces = [_loss(program, plan, model)]
    if validated or "test" in splits or "test" in possible:
        pieces += [_measure(program, plan, model), _shown(plan)]
    pieces.append(_train(plan, model, validated, "validation" in possible, augments))
    return Part(tuple(borrowed), tuple(pieces))


def _loss(program: Program, plan: TrainPlan, model: str) -> str:
    """`compute`: scores, target and loss of a batch."""
    graph = program.graphs[plan.model]
    peeled = trains_on_logits(program, graph, plan.output, plan.loss)
    inputs = ", ".join(f"batch[{quoted(plan.feeds[port.name])}]" for port in graph.inputs)
    call = f"model.logits({inputs})" if peeled else f"model({inputs})"
    if len(graph.outputs) > 1:
        call += f"[{quoted(plan.output)}]"
    lines = [
        f"def compute(model: {model}, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:",
        '    """The loss of a batch, and the scores and the target that it compares."""',
    ]
    if len(graph.outputs) == 1 and graph.auxiliaries:
        lines += [
            *statement("results = ", call, 4),
            *statement(
                "scores = ",
                f"results[{quoted(plan.output)}] if isinstance(results, dict) else results",
                4,
            ),
        ]
    else:
        lines += statement("scores = ", call, 4)
    lines += _target(program, plan)
    function, arguments, keywords = plan.loss.torch()
    text = call_text(plan.loss.torch()).removeprefix(f"{function}(")
    separator = ", " if arguments or keywords else ""
    lines += statement("loss = ", f"{function}(scores, target{separator}{text}", 4)
    return "\n".join([*lines, "    return loss, scores, target"])


def _target(program: Program, plan: TrainPlan) -> list[str]:
    """The target as the loss takes it."""
    graph = program.graphs[plan.model]
    field = f"batch[{quoted(plan.target)}]"
    if plan.loss.kind != "cross_entropy":
        return statement("target = ", f"{field}.to(scores.dtype).reshape(scores.shape)", 4)
    data = program.data[plan.data]
    known = (data.fields or {}).get(plan.target)
    value = next(port.value for port in graph.outputs if port.name == plan.output)
    labels = data.source.kind in ("idx", "image_folder")
    if labels or (known is not None and known.rank == 0 and graph.types[value].rank == 1):
        return statement("target = ", field, 4)
    return [
        *statement("target = ", field, 4),
        "    if target.shape != scores.shape:",
        "        target = target.long().reshape(len(scores), *scores.shape[2:])",
    ]


def _measure(program: Program, plan: TrainPlan, model: str) -> str:
    lines = [
        "@torch.inference_mode()",
        f"def measure(model: {model}, data: Batch) -> dict[str, float]:",
        '    """Loss and metrics of a split, each the mean over its examples."""',
        "    model.eval()",
        *statement("count = ", f"len(data[{quoted(plan.target)}])", 4),
        "    device = next(model.parameters()).device",
        *statement(
            "sums = ",
            f"torch.zeros({1 + len(_names(plan))}, dtype=torch.float64, device=device)",
            4,
        ),
        "    for numbers in torch.arange(count, device=device).split(BATCH_SIZE):",
        "        batch = prepare_batch(data, numbers)",
        "        loss, scores, target = compute(model, batch)",
        "        sums[0] += loss * len(numbers)",
    ]
    for place, metric in enumerate(_distinct(plan), start=1):
        lines += statement(f"sums[{place}] += ", _metric(program, plan, metric), 8)
    return "\n".join(
        [
            *lines,
            *statement("names = ", _listed(["loss", *_names(plan)]), 4),
            "    return dict(zip(names, (sums / count).tolist(), strict=True))",
        ]
    )


def _metric(program: Program, plan: TrainPlan, metric: AnyMetric) -> str:
    if isinstance(metric, TopK):
        return f"top_k(scores, target, {literal(metric.k)})"
    graph = program.graphs[plan.model]
    scores = "scores"
    errors = not metric.higher_is_better
    if errors and trains_on_logits(program, graph, plan.output, plan.loss):
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


def _train(plan: TrainPlan, model: str, validated: bool, perhaps: bool, augments: bool) -> str:
    """`train`: the loop."""
    scheduled = not isinstance(plan.schedule, Constant)
    batch = "prepare_batch(data, numbers)"
    if augments:
        batch = "prepare_batch(data, numbers, step_generator(SEED, len(losses)))"
    lines = [
        f"def train(model: {model}, splits: dict[str, Batch]) -> list[float]:",
        '    """Train the model. Gives the loss of every step."""',
        '    data = splits["train"]',
        *statement("count = ", f"len(data[{quoted(plan.target)}])", 4),
        "    device = next(model.parameters()).device",
        "    batches = batches_per_epoch(count, BATCH_SIZE)",
        *_lengths(plan),
        *(
            ['    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()']
            if plan.precision == "auto"
            else []
        ),
        *statement("optimizer = ", _optimizer(plan), 4),
        "    losses: list[Tensor] = []",
        *(_best_before(plan) if validated else []),
        f"    for epoch in range({_epochs(plan)}):",
        "        model.train()",
        "        order = epoch_order(count, SEED, epoch).to(device)",
        f"        for numbers in order.split(BATCH_SIZE)[:{_slice(plan)}]:",
        *statement("batch = ", batch, 12),
        *_forward(plan),
        "            optimizer.zero_grad()",
        "            loss.backward()",
        *_clipped(plan),
        *(_rate(plan) if scheduled else []),
        "            optimizer.step()",
        "            losses.append(loss.detach())",
        "        mean = torch.stack(losses[epoch * batches :]).mean().item()",
        f'        line = f"epoch {{epoch + 1}}/{{{_epochs(plan)}}}  loss {{mean:.4f}}"',
        *_validated(plan, validated, perhaps),
        "        print(line, flush=True)",
        *(["    model.load_state_dict(best_weights)"] if validated else []),
        "    return torch.stack(losses).tolist()",
    ]
    return "\n".join(lines)


def _lengths(plan: TrainPlan) -> list[str]:
    if plan.steps is not None:
        return ["    epochs = math.ceil(STEPS / batches)"]
    if isinstance(plan.schedule, OneCycle | Cosine):
        return ["    steps = EPOCHS * batches"]
    return []


def _steps(plan: TrainPlan) -> str:
    return "steps" if plan.steps is None else "STEPS"


def _epochs(plan: TrainPlan) -> str:
    return "EPOCHS" if plan.steps is None else "epochs"


def _slice(plan: TrainPlan) -> str:
    return "batches" if plan.steps is None else " min(batches, STEPS - len(losses))"


def _optimizer(plan: TrainPlan) -> str:
    call = plan.optimizer.torch()
    kwargs = {name: value for name, value in call.kwargs.items() if name != "lr"}
    kwargs |= {"fused": True} if call.function in FUSED else {}
    written = [
        "model.parameters()",
        "lr=LEARNING_RATE",
        *(f"{name}={literal(value)}" for name, value in kwargs.items()),
    ]
    return f"{call.function}({', '.join(written)})"


def _forward(plan: TrainPlan) -> list[str]:
    step = "loss, _, _ = compute(model, batch)"
    if plan.precision == "float32":
        return [f"            {step}"]
    enabled = ", enabled=bf16" if plan.precision == "auto" else ""
    where = f"with torch.autocast(device.type, torch.bfloat16{enabled}):"
    return [f"            {where}", f"                {step}"]


def _clipped(plan: TrainPlan) -> list[str]:
    if plan.gradient_clip is None:
        return []
    return statement(
        "", f"nn.utils.clip_grad_norm_(model.parameters(), {literal(plan.gradient_clip)})", 12
    )


def _rate(plan: TrainPlan) -> list[str]:
    match plan.schedule:
        case OneCycle(warmup=warmup):
            factor = f"one_cycle(len(losses), {_steps(plan)}, {literal(warmup)})"
        case Cosine(warmup=warmup, final=final):
            factor = f"cosine(len(losses), {_steps(plan)}, {literal(warmup)}, {literal(final)})"
        case StepDecay(period=period, gamma=gamma):
            factor = f"step_decay(len(losses), batches, {literal(period)}, {literal(gamma)})"
        case Constant():
            raise AssertionError("a constant rate is never set")
    return [
        "            for group in optimizer.param_groups:",
        *statement('group["lr"] = ', f"LEARNING_RATE * {factor}", 16),
    ]


def _deciding(plan: TrainPlan) -> tuple[str, Metric | None]:
    """The figure that says which weights are best: the first metric, else the loss."""
    return (plan.metrics[0].kind_name(), plan.metrics[0]) if plan.metrics else ("loss", None)


def _best_before(plan: TrainPlan) -> list[str]:
    _, metric = _deciding(plan)
    worst = "-math.inf" if metric is not None and metric.higher_is_better else "math.inf"
    return [f"    best, best_weights = {worst}, model.state_dict()"]


def _validated(plan: TrainPlan, validated: bool, perhaps: bool) -> list[str]:
    if not validated:
        return []
    name, metric = _deciding(plan)
    sign = ">" if metric is not None and metric.higher_is_better else "<"
    weights = "{name: w.clone() for name, w in model.state_dict().items()}"
    body = [
        'figures = measure(model, splits["validation"])',
        "line += f\"  {shown(figures, 'val_')}\"",
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
        "            best_weights = model.state_dict()",
    ]

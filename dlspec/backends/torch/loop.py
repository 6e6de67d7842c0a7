"""The part of a training program that trains: loss, loop, figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dlspec.backends.torch import upkeep
from dlspec.backends.torch.borrowed import Borrowed, borrow
from dlspec.backends.torch.figures import (
    Measuring,
    best_before,
    measure_pieces,
    validated,
    watched_higher,
)
from dlspec.backends.torch.objectives import Functions
from dlspec.backends.torch.pace import epochs_text, lengths, rate_factor, slice_text
from dlspec.backends.torch.printer import literal, quoted, statement
from dlspec.ir.graph import Program
from dlspec.ir.optimizers import Muon
from dlspec.ir.schedules import Constant, Plateau
from dlspec.ir.training import StepPlan, TrainPlan

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
    order = ["epoch_order", "batches_per_epoch", *(["step_generator"] if augments else [])]
    borrowed = [borrow("training/order.py", *order)]
    kinds = [s.schedule.kind for s in plan.each_batch if not isinstance(s.schedule, Constant)]
    if kinds:
        borrowed.append(borrow("training/schedules.py", *dict.fromkeys(kinds)))
    borrowed += upkeep.borrowed_parts(plan)
    functions = Functions(program, plan, classes)
    borrowed += functions.borrowed
    pieces = list(functions.sources)
    measuring = Measuring(program, plan, functions)
    validates = "validation" in splits or "validation" in possible
    if validates or "test" in splits or "test" in possible:
        borrowed += [found for found in [measuring.borrowed()] if found is not None]
        pieces += measure_pieces(measuring)
    if len(plan.each_batch) > 1 or len(plan.models) > 1:
        from dlspec.backends.torch.stepped import stepped_train  # which uses parts of this loop

        split = "perhaps" if "validation" in possible else "yes" if validates else "no"
        pieces.append(stepped_train(program, plan, functions, split, augments=augments))
        return Part(tuple(borrowed), tuple(pieces))
    single = Single(program, plan, functions)
    pieces.append(_train(single, validates, "validation" in possible, augments))
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


def _train(single: Single, validates: bool, perhaps: bool, augments: bool) -> str:
    """`train`: the loop."""
    plan, step = single.plan, single.step
    kept = isinstance(step.schedule, Plateau)
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
        *(best_before(plan, ["model"]) if validates else []),
        *(["    decisions: list[float] = []"] if kept else []),
        *(["    watched: list[float] = []"] if plan.early_stopping is not None else []),
        f"    for epoch in range({epochs_text(plan)}):",
        "        model.train()",
        *upkeep.frozen(plan, {single.name: "model"}, 8),
        *upkeep.epoch_loop(plan, slice_text(plan)),
        *_stepped(single, augments),
        f"        mean = torch.stack(losses[epoch * {upkeep.per_epoch(plan)} :]).mean().item()",
        f'        line = f"epoch {{epoch + 1}}/{{{epochs_text(plan)}}}  loss {{mean:.4f}}"',
        *(validated(plan, ["model"], perhaps=perhaps, kept=kept) if validates else []),
        "        print(line, flush=True)",
        *upkeep.stopped(plan, watched_higher(plan)),
        *(
            ["    model.load_state_dict(best_weights)"]
            if validates
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

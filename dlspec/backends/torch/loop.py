"""The part of a training program that trains: loss, loop, figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dlspec.backends.torch.borrowed import Borrowed, borrow
from dlspec.backends.torch.figures import Measuring, best_before, measure_pieces, validated
from dlspec.backends.torch.objectives import Functions
from dlspec.backends.torch.printer import literal, quoted, statement
from dlspec.ir.graph import Program
from dlspec.ir.schedules import (
    Constant,
    Cosine,
    Exponential,
    Linear,
    MultiStepDecay,
    OneCycle,
    Plateau,
    Polynomial,
    StepDecay,
)
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
        self.model = next(iter(functions.classes.values()))
        objective = program.objectives[self.step.objective]
        self.counted = objective.inputs[0].name
        compared = objective.value("scores") is not None
        self.results = "loss, scores, target" if compared else "loss"
        self.in_training = functions.names[self.step.objective]


def _train(single: Single, validates: bool, perhaps: bool, augments: bool) -> str:
    """`train`: the loop."""
    plan, step = single.plan, single.step
    scheduled, kept = not isinstance(step.schedule, Constant), isinstance(step.schedule, Plateau)
    batch = "prepare_batch(data, numbers)"
    if augments:
        batch = "prepare_batch(data, numbers, step_generator(SEED, len(losses)))"
    lines = [
        f"def train(model: {single.model}, splits: dict[str, Batch]) -> list[float]:",
        '    """Train the model. Gives the loss of every step."""',
        '    data = splits["train"]',
        *statement("count = ", f"len(data[{quoted(single.counted)}])", 4),
        "    device = next(model.parameters()).device",
        "    batches = batches_per_epoch(count, BATCH_SIZE)",
        *lengths(plan),
        *(
            ['    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()']
            if plan.precision == "auto"
            else []
        ),
        *statement("optimizer = ", _optimizer(step), 4),
        "    losses: list[Tensor] = []",
        *(best_before(plan) if validates else []),
        *(["    decisions: list[float] = []"] if kept else []),
        f"    for epoch in range({epochs_text(plan)}):",
        "        model.train()",
        "        order = epoch_order(count, SEED, epoch).to(device)",
        f"        for numbers in order.split(BATCH_SIZE)[:{slice_text(plan)}]:",
        *statement("batch = ", batch, 12),
        *_forward(single),
        "            optimizer.zero_grad()",
        "            loss.backward()",
        *_clipped(step),
        *(_rate(plan, step) if scheduled else []),
        "            optimizer.step()",
        "            losses.append(loss.detach())",
        "        mean = torch.stack(losses[epoch * batches :]).mean().item()",
        f'        line = f"epoch {{epoch + 1}}/{{{epochs_text(plan)}}}  loss {{mean:.4f}}"',
        *(validated(plan, "model", perhaps=perhaps, kept=kept, whole="model") if validates else []),
        "        print(line, flush=True)",
        *(["    model.load_state_dict(best_weights)"] if validates else []),
        "    return torch.stack(losses).tolist()",
    ]
    return "\n".join(lines)


def lengths(plan: TrainPlan) -> list[str]:
    if plan.steps is not None:
        return ["    epochs = math.ceil(STEPS / batches)"]
    if any(
        isinstance(s.schedule, OneCycle | Cosine | Linear | Polynomial) for s in plan.each_batch
    ):
        return ["    steps = EPOCHS * batches"]
    return []


def _steps(plan: TrainPlan) -> str:
    return "steps" if plan.steps is None else "STEPS"


def epochs_text(plan: TrainPlan) -> str:
    return "EPOCHS" if plan.steps is None else "epochs"


def slice_text(plan: TrainPlan) -> str:
    return "batches" if plan.steps is None else " min(batches, STEPS - len(losses))"


def optimizer_text(step: StepPlan, weights: str, rate: str) -> str:
    """The constructor of a step's optimizer."""
    call = step.optimizer.torch()
    kwargs = {name: value for name, value in call.kwargs.items() if name != "lr"}
    kwargs |= {"fused": True} if call.function in FUSED else {}
    rest = (f"{name}={literal(value)}" for name, value in kwargs.items())
    return f"{call.function}({', '.join([weights, f'lr={rate}', *rest])})"


def _optimizer(step: StepPlan) -> str:
    return optimizer_text(step, "model.parameters()", "LEARNING_RATE")


def narrow(plan: TrainPlan, lines: list[str], indent: int) -> list[str]:
    """Lines of a forward pass in the precision of the plan."""
    pad = " " * indent
    if plan.precision == "float32":
        return [pad + line for line in lines]
    enabled = ", enabled=bf16" if plan.precision == "auto" else ""
    where = f"with torch.autocast(device.type, torch.bfloat16{enabled}):"
    return [pad + where, *(f"{pad}    {line}" for line in lines)]


def _forward(single: Single) -> list[str]:
    results = "loss, _, _" if single.results != "loss" else "loss"
    return narrow(single.plan, [f"{results} = {single.in_training}(model, batch)"], 12)


def _clipped(step: StepPlan) -> list[str]:
    if step.gradient_clip is None:
        return []
    return statement(
        "", f"nn.utils.clip_grad_norm_(model.parameters(), {literal(step.gradient_clip)})", 12
    )


def rate_factor(plan: TrainPlan, step: StepPlan, position: str) -> str:
    """The factor of a step's learning rate at a batch."""
    match step.schedule:
        case OneCycle(warmup=warmup):
            return f"one_cycle({position}, {_steps(plan)}, {literal(warmup)})"
        case Cosine(warmup=warmup, final=final):
            arguments = f"{_steps(plan)}, {literal(warmup)}, {literal(final)}"
            return f"cosine({position}, {arguments})"
        case Linear(warmup=warmup, final=final):
            return f"linear({position}, {_steps(plan)}, {literal(warmup)}, {literal(final)})"
        case Polynomial(power=power):
            return f"polynomial({position}, {_steps(plan)}, {literal(power)})"
        case MultiStepDecay(milestones=milestones, gamma=gamma):
            arguments = f"{literal(milestones)}, {literal(gamma)}"
            return f"multi_step_decay({position}, batches, {arguments})"
        case Exponential(gamma=gamma):
            return f"exponential({position}, batches, {literal(gamma)})"
        case Plateau(patience=patience, factor=factor):
            return f"plateau(decisions, {literal(patience)}, {literal(factor)})"
        case StepDecay(period=period, gamma=gamma):
            return f"step_decay({position}, batches, {literal(period)}, {literal(gamma)})"
        case Constant():
            raise AssertionError("a constant rate is never set")


def _rate(plan: TrainPlan, step: StepPlan) -> list[str]:
    factor = rate_factor(plan, step, "len(losses)")
    return [
        "            for group in optimizer.param_groups:",
        *statement('group["lr"] = ', f"LEARNING_RATE * {factor}", 16),
    ]

"""The loop of a training program that works in several steps, of one model or of several."""

from __future__ import annotations

from dlspec.backends.torch.figures import best_before, validated
from dlspec.backends.torch.loop import (
    epochs_text,
    lengths,
    narrow,
    optimizer_text,
    rate_factor,
    slice_text,
)
from dlspec.backends.torch.objectives import Functions
from dlspec.backends.torch.printer import WIDTH, literal, quoted, statement
from dlspec.ir.graph import Program
from dlspec.ir.schedules import Constant
from dlspec.ir.training import StepPlan, TrainPlan


def stepped_train(
    program: Program, plan: TrainPlan, functions: Functions, validation: str, *, augments: bool
) -> str:
    """`train`: for every batch one step after the other.

    validation: whether there is such a split, `yes`, `no` or `perhaps`.
    """
    models = functions.parameters()
    batch = "prepare_batch(data, numbers)"
    if augments:
        batch = "prepare_batch(data, numbers, step_generator(SEED, step))"
    whole = "models" if len(models) > 1 else next(iter(models.values()))
    best = best_before(plan, whole) if validation != "no" else []
    if best and len(models) > 1:
        best = [f"    models = nn.ModuleList([{', '.join(models.values())}])", *best]
    lines = [
        *_preparation(program, plan, functions, models),
        "    step = 0",
        *best,
        f"    for epoch in range({epochs_text(plan)}):",
        *(f"        {model}.train()" for model in models.values()),
        "        order = epoch_order(count, SEED, epoch).to(device)",
        f"        for numbers in order.split(BATCH_SIZE)[:{_slice(plan)}]:",
        *statement("batch = ", batch, 12),
    ]
    for step in plan.each_batch:
        lines += _step(plan, step, functions, models)
    lines += [
        "            step += 1",
        "        means = {n: torch.stack(v[-batches:]).mean() for n, v in losses.items() if v}",
        '        line = "  ".join(f"{name} {mean:.4f}" for name, mean in means.items())',
    ]
    if validation != "no":
        given, perhaps = ", ".join(models.values()), validation == "perhaps"
        lines += validated(plan, given, perhaps=perhaps, kept=False, whole=whole)
    lines += [
        f'        print(f"epoch {{epoch + 1}}/{{{epochs_text(plan)}}}  {{line}}", flush=True)',
        *([f"    {whole}.load_state_dict(best_weights)"] if best else []),
        "    return {name: torch.stack(v).tolist() for name, v in losses.items() if v}",
    ]
    return "\n".join(lines)


def _preparation(
    program: Program, plan: TrainPlan, functions: Functions, models: dict[str, str]
) -> list[str]:
    """The lines before the loop."""
    counted = program.objectives[plan.each_batch[0].objective].inputs[0].name
    first = next(iter(models.values()))
    lines = [
        *_head(functions, models),
        '    """Train in steps. Gives the losses of every step by its name."""',
        '    data = splits["train"]',
        *statement("count = ", f"len(data[{quoted(counted)}])", 4),
        f"    device = next({first}.parameters()).device",
        "    batches = batches_per_epoch(count, BATCH_SIZE)",
        *lengths(plan),
    ]
    if plan.precision == "auto":
        lines.append('    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()')
    for step in plan.each_batch:
        weights = _weights(step, models)
        text = optimizer_text(step, weights, literal(step.optimizer.lr))
        lines += statement(f"{_optimizer(step)} = ", text, 4)
    names = ", ".join(f"{quoted(step.name)}: []" for step in plan.each_batch)
    lines += statement("losses: dict[str, list[Tensor]] = ", f"{{{names}}}", 4)
    return lines


def _head(functions: Functions, models: dict[str, str]) -> list[str]:
    arguments = [f"{v}: {functions.classes[m]}" for m, v in models.items()]
    arguments.append("splits: dict[str, Batch]")
    line = f"def train({', '.join(arguments)}) -> dict[str, list[float]]:"
    if len(line) <= WIDTH:
        return [line]
    inner = f"    {', '.join(arguments)}"
    split = [inner] if len(inner) <= WIDTH else [f"    {argument}," for argument in arguments]
    return ["def train(", *split, ") -> dict[str, list[float]]:"]


def _slice(plan: TrainPlan) -> str:
    return slice_text(plan).replace("len(losses)", "step")


def _weights(step: StepPlan, models: dict[str, str]) -> str:
    updated = [f"{models[name]}.parameters()" for name in step.updates]
    return updated[0] if len(updated) == 1 else f"[{', '.join('*' + one for one in updated)}]"


def _optimizer(step: StepPlan) -> str:
    return f"{step.name}_optimizer"


def _step(
    plan: TrainPlan, step: StepPlan, functions: Functions, models: dict[str, str]
) -> list[str]:
    """The lines of one step in the loop."""
    indent = 12 if step.every == 1 else 16
    pad = " " * indent
    lines: list[str] = []
    if step.every > 1:
        lines.append(f"            if step % {literal(step.every)} == 0:")
    if len(models) > 1:
        lines += [
            f"{pad}{variable}.requires_grad_({name in step.updates})"
            for name, variable in models.items()
        ]
    call = f"{functions.names[step.objective]}({', '.join(models.values())}, batch)"
    optimizer = _optimizer(step)
    lines += narrow(plan, [f"loss = {call}"], indent)
    lines += [f"{pad}{optimizer}.zero_grad()", f"{pad}loss.backward()"]
    if step.gradient_clip is not None:
        weights, most = _weights(step, models), literal(step.gradient_clip)
        lines += statement("", f"nn.utils.clip_grad_norm_({weights}, {most})", indent)
    if not isinstance(step.schedule, Constant):
        rate = f"{literal(step.optimizer.lr)} * {rate_factor(plan, step, 'step')}"
        lines.append(f"{pad}for group in {optimizer}.param_groups:")
        lines += statement('group["lr"] = ', rate, indent + 4)
    return [
        *lines,
        f"{pad}{optimizer}.step()",
        f"{pad}losses[{quoted(step.name)}].append(loss.detach())",
    ]

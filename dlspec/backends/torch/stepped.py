"""The loop of a training program that works in several steps, of one model or of several."""

from __future__ import annotations

from dlspec.backends.torch import upkeep
from dlspec.backends.torch.figures import best_after, best_before, validated
from dlspec.backends.torch.loop import narrow, optimizer_text
from dlspec.backends.torch.objectives import Functions
from dlspec.backends.torch.pace import epochs_text, lengths, rate_factor, slice_text
from dlspec.backends.torch.printer import WIDTH, literal, quoted, statement
from dlspec.ir.graph import Program
from dlspec.ir.optimizers import Muon
from dlspec.ir.schedules import Constant
from dlspec.ir.training import StepPlan, TrainPlan


def stepped_train(
    program: Program, plan: TrainPlan, functions: Functions, validation: str, *, augments: bool
) -> str:
    """`train`: for every batch one step after the other.

    validation: whether there is such a split, `yes`, `no` or `perhaps`.
    """
    models = functions.parameters()
    counted = program.objectives[plan.each_batch[0].objective].inputs[0].name
    variables = list(models.values())
    lines = [
        *_preparation(program, plan, functions, counted),
        "    step = 0",
        *(best_before(plan, variables) if validation != "no" else []),
        f"    for epoch in range({epochs_text(plan)}):",
        *(f"        {model}.train()" for model in variables),
        *upkeep.frozen(plan, models, 8),
        *upkeep.epoch_loop(plan, _slice(plan)),
        *_prepared(plan, augments),
    ]
    for step in plan.each_batch:
        lines += _step(plan, step, functions, models, counted)
    last = f"v[-{upkeep.per_epoch(plan)}:]"
    lines += [
        *upkeep.followed(plan, variables, "step"),
        "            step += 1",
        *statement(
            "means = ", f"{{n: torch.stack({last}).mean() for n, v in losses.items() if v}}", 8
        ),
        '        line = "  ".join(f"{name} {mean:.4f}" for name, mean in means.items())',
    ]
    if validation != "no":
        lines += validated(plan, variables, perhaps=validation == "perhaps", kept=False)
    after = best_after if validation != "no" else upkeep.averages_kept
    lines += [
        f'        print(f"epoch {{epoch + 1}}/{{{epochs_text(plan)}}}  {{line}}", flush=True)',
        *after(plan, variables),
        "    return {name: torch.stack(v).tolist() for name, v in losses.items() if v}",
    ]
    return "\n".join(lines)


def _preparation(
    program: Program, plan: TrainPlan, functions: Functions, counted: str
) -> list[str]:
    """The lines before the loop."""
    models = functions.parameters()
    lines = [
        *_head(functions, models),
        '    """Train in steps. Gives the losses of every step by its name."""',
        '    data = splits["train"]',
        *statement("count = ", f"len(data[{quoted(counted)}])", 4),
        f"    device = next({next(iter(models.values()))}.parameters()).device",
        *upkeep.counted(plan),
        *lengths(plan),
    ]
    if plan.precision == "auto":
        lines.append('    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()')
    lines += upkeep.frozen(plan, models, 4)
    lines += _optimizers(program, plan, models)
    lines += upkeep.averages(plan, list(models.values()))
    names = ", ".join(f"{quoted(step.name)}: []" for step in plan.each_batch)
    lines += statement("losses: dict[str, list[Tensor]] = ", f"{{{names}}}", 4)
    return lines


def _optimizers(program: Program, plan: TrainPlan, models: dict[str, str]) -> list[str]:
    lines: list[str] = []
    for step in plan.each_batch:
        weights = _weights(plan, step, models)
        if isinstance(step.optimizer, Muon):
            updated = {name: models[name] for name in step.updates}
            weights = upkeep.muon_text(program, plan, step.optimizer, updated)
        text = optimizer_text(step, weights, literal(step.optimizer.lr))
        lines += statement(f"{_optimizer(step)} = ", text, 4)
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


def _prepared(plan: TrainPlan, augments: bool) -> list[str]:
    """The batch of a step, or the few of them whose gradients make one."""
    if plan.accumulate == 1:
        random = ", step_generator(SEED, step)" if augments else ""
        return statement("batch = ", f"prepare_batch(data, numbers{random})", 12)
    random = ", step_generator(SEED, step * ACCUMULATE + part)" if augments else ""
    each = "part, numbers in enumerate(together.split(BATCH_SIZE))" if augments else ""
    return [
        "            parts = [",
        *statement("", f"prepare_batch(data, numbers{random})", 16),
        f"                for {each or 'numbers in together.split(BATCH_SIZE)'}",
        "            ]",
    ]


def _weights(plan: TrainPlan, step: StepPlan, models: dict[str, str]) -> str:
    return upkeep.weights_text(plan, [models[name] for name in step.updates])


def _optimizer(step: StepPlan) -> str:
    return f"{step.name}_optimizer"


def _step(
    plan: TrainPlan,
    step: StepPlan,
    functions: Functions,
    models: dict[str, str],
    counted: str,
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
        lines += upkeep.frozen(plan, models, indent)
    call = f"{functions.names[step.objective]}({', '.join(models.values())}, batch)"
    optimizer, weights = _optimizer(step), _weights(plan, step, models)
    lines += _gradients(plan, call, optimizer, counted, indent)
    lines += upkeep.regularized(plan, weights, indent)
    if step.gradient_clip is not None:
        most = literal(step.gradient_clip)
        lines += statement("", f"nn.utils.clip_grad_norm_({weights}, {most})", indent)
    if not isinstance(step.schedule, Constant):
        factor = rate_factor(plan, step, "step") + upkeep.share_text(step)
        rate = f"{literal(step.optimizer.lr)} * {factor}"
        lines.append(f"{pad}for group in {optimizer}.param_groups:")
        lines += statement('group["lr"] = ', rate, indent + 4)
    loss = "loss.detach()" if plan.accumulate == 1 else "total"
    return [
        *lines,
        f"{pad}{optimizer}.step()",
        f"{pad}losses[{quoted(step.name)}].append({loss})",
    ]


def _gradients(plan: TrainPlan, call: str, optimizer: str, counted: str, indent: int) -> list[str]:
    """The lines that compute a step's gradients, of one batch or of several."""
    pad = " " * indent
    if plan.accumulate == 1:
        lines = narrow(plan, [f"loss = {call}"], indent)
        return [*lines, f"{pad}{optimizer}.zero_grad()", f"{pad}loss.backward()"]
    return [
        f"{pad}{optimizer}.zero_grad()",
        f"{pad}total = torch.zeros((), device=device)",
        f"{pad}for batch in parts:",
        *narrow(plan, [f"loss = {call}"], indent + 4),
        f"{pad}    loss = loss * (len(batch[{quoted(counted)}]) / len(together))",
        f"{pad}    loss.backward()",
        f"{pad}    total += loss.detach()",
    ]

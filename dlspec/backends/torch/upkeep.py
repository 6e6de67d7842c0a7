"""The settings of a `train` that act around a step, as lines of its loop: frozen layers, several
batches a step, regularization, averaged weights, early stopping, Muon's two kinds of weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dlspec.backends.torch.borrowed import Borrowed, borrow
from dlspec.backends.torch.printer import literal, quoted, statement
from dlspec.ir.graph import Program
from dlspec.ir.hidden import no_hidden_matrices
from dlspec.ir.optimizers import Muon
from dlspec.ir.paths import within
from dlspec.ir.training import StepPlan, TrainPlan
from dlspec.layers import snake_case


def borrowed_parts(plan: TrainPlan) -> list[Borrowed]:
    """The functions that the settings of a plan need."""
    found: list[Borrowed] = []
    if plan.freeze or plan.start_from is not None:
        found.append(borrow("ir/paths.py", "covers"))
    if plan.start_from is not None:
        found.append(borrow("training/weightsfile.py", "model_weights", "take_weights"))
    if plan.freeze:
        found.append(borrow("training/freezing.py", "freeze"))
    if plan.regularization is not None:
        found.append(borrow("training/penalties.py", f"add_{plan.regularization.kind}"))
    if plan.ema is not None:
        found.append(borrow("training/averaging.py", "follow"))
    if plan.early_stopping is not None:
        found.append(borrow("training/stopping.py", "epochs_without_better"))
    if any(isinstance(step.optimizer, Muon) for step in plan.each_batch):
        found.append(borrow("training/muon.py", "Muon", "muon_groups"))
    return found


def constants(plan: TrainPlan) -> list[str]:
    """The settings as constants of the program."""
    lines: list[str] = []
    if plan.accumulate > 1:
        lines.append(f"ACCUMULATE = {literal(plan.accumulate)}")
    if plan.ema is not None:
        lines.append(f"EMA = {literal(plan.ema)}")
    return lines


# --- weights ---------------------------------------------------------------------------------


def frozen(plan: TrainPlan, models: Mapping[str, str], indent: int) -> list[str]:
    """Lines that freeze layers. models: the variable of each model's name."""
    lines: list[str] = []
    for name, variable in models.items():
        patterns = within(snake_case(name) if len(models) > 1 else None, plan.freeze)
        if patterns:
            lines += statement("", f"freeze({variable}, {literal(patterns)})", indent)
    return lines


def weights_text(plan: TrainPlan, variables: Sequence[str]) -> str:
    """The weights of models that are to be changed, as an iterable."""
    if not plan.freeze:
        texts = [f"{variable}.parameters()" for variable in variables]
        return texts[0] if len(texts) == 1 else f"[{', '.join('*' + one for one in texts)}]"
    both = variables[0] if len(variables) == 1 else f"nn.ModuleList([{', '.join(variables)}])"
    return f"[w for w in {both}.parameters() if w.requires_grad]"


def muon_text(program: Program, plan: TrainPlan, optimizer: Muon, models: Mapping[str, str]) -> str:
    """The weights of models in Muon's two groups. models: variable of each name, those updated."""
    graphs = {program.graphs[key].name: program.graphs[key] for key in plan.models}
    several = len(models) > 1
    others: list[str] = []
    for name in models:
        head = f"{snake_case(name)}." if several else ""
        others += [head + weight for weight in no_hidden_matrices(program, graphs[name])]
    inner = ", ".join(f"{quoted(snake_case(name))}: {v}" for name, v in models.items())
    whole = f"nn.ModuleDict({{{inner}}})" if several else next(iter(models.values()))
    named = f"{whole}.named_parameters()"
    if plan.freeze:
        named = f"[(n, w) for n, w in {named} if w.requires_grad]"
    own = ", ".join(f"{n}={literal(v)}" for n, v in optimizer.of_others().items())
    return f"muon_groups({named}, {literal(tuple(others))}, {own})"


def share_text(step: StepPlan) -> str:
    """What follows a learning rate where groups have shares of it."""
    optimizer = step.optimizer
    shared = isinstance(optimizer, Muon) and "share" in optimizer.of_others()
    return ' * group["share"]' if shared else ""


# --- batches ---------------------------------------------------------------------------------


def per_epoch(plan: TrainPlan) -> str:
    """The steps of an epoch."""
    return "batches" if plan.accumulate == 1 else "steps_per_epoch"


def counted(plan: TrainPlan) -> list[str]:
    """Lines that count the steps of an epoch."""
    lines = ["    batches = batches_per_epoch(count, BATCH_SIZE)"]
    if plan.accumulate > 1:
        lines.append("    steps_per_epoch = math.ceil(batches / ACCUMULATE)")
    return lines


def epoch_loop(plan: TrainPlan, count: str) -> list[str]:
    """The order of an epoch, and the head of the loop over its steps."""
    if plan.accumulate == 1:
        return [
            "        order = epoch_order(count, SEED, epoch).to(device)",
            f"        for numbers in order.split(BATCH_SIZE)[:{count}]:",
        ]
    return [
        "        order = epoch_order(count, SEED, epoch)[: batches * BATCH_SIZE].to(device)",
        f"        for together in order.split(BATCH_SIZE * ACCUMULATE)[:{count}]:",
    ]


# --- after the gradients ---------------------------------------------------------------------


def regularized(plan: TrainPlan, weights: str, indent: int) -> list[str]:
    """Lines that add the slope of a penalty."""
    if plan.regularization is None:
        return []
    function = f"add_{plan.regularization.kind}"
    return statement("", f"{function}({weights}, {literal(plan.regularization.factor)})", indent)


def average_name(variable: str) -> str:
    return "averaged" if variable == "model" else f"averaged_{variable}"


def averages(plan: TrainPlan, variables: Sequence[str]) -> list[str]:
    """Lines that make the averaged models."""
    if plan.ema is None:
        return []
    return [f"    {average_name(v)} = copy.deepcopy({v})" for v in variables]


def followed(plan: TrainPlan, variables: Sequence[str], position: str) -> list[str]:
    """Lines that move averaged weights after a step."""
    if plan.ema is None:
        return []
    return [f"            follow({average_name(v)}, {v}, EMA, {position})" for v in variables]


def averages_kept(plan: TrainPlan, variables: Sequence[str]) -> list[str]:
    """Lines that put averaged weights into the models in the end."""
    if plan.ema is None:
        return []
    return [f"    {v}.load_state_dict({average_name(v)}.state_dict())" for v in variables]


def stopped(plan: TrainPlan, higher: bool) -> list[str]:
    """Lines that end training early. higher: whether more of the figure is better."""
    rule = plan.early_stopping
    if rule is None:
        return []
    call = f"epochs_without_better(watched, {higher}, {literal(rule.min_delta)})"
    return [
        *statement("waited = ", call, 8),
        f"        if waited >= {literal(rule.epochs)}:",
        *statement("print", f"({quoted(f'{rule.metric} has not got better')}, flush=True)", 12),
        "            break",
    ]


def begun(plan: TrainPlan, whole: str) -> list[str]:
    """Lines of `main` that put the weights of a file into the models."""
    start = plan.start_from
    if start is None:
        return []
    file = f"load_file(arguments.data_root / {quoted(start.path)})"
    call = f"({whole}, model_weights(weights), {literal(start.fresh)}, {literal(start.unused)})"
    return [*statement("weights = ", file, 4), *statement("take_weights", call, 4)]

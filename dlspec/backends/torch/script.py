"""A whole training program: settings, data, model, loop, as one file that a person can run."""

from __future__ import annotations

from collections.abc import Mapping

from dlspec.backends.problem import BackendProblem
from dlspec.backends.torch import upkeep
from dlspec.backends.torch.borrowed import Borrowed
from dlspec.backends.torch.data import DataPart, companion_files, data_part
from dlspec.backends.torch.docstrings import comment, docstring
from dlspec.backends.torch.imports import KNOWN, Import, import_lines, used_names
from dlspec.backends.torch.loop import loop_part
from dlspec.backends.torch.module import emit_module, imported, module_classes
from dlspec.backends.torch.objectives import model_variable
from dlspec.backends.torch.printer import literal, quoted, statement
from dlspec.ir.graph import Program
from dlspec.ir.metrics import Auroc, Confusion
from dlspec.ir.mixing import mixed_classes
from dlspec.ir.training import Requirement, TrainPlan
from dlspec.layers import snake_case

_CONSTANTS = (
    "BATCH_SIZE",
    "EPOCHS",
    "STEPS",
    "LEARNING_RATE",
    "SEED",
    "ACCUMULATE",
    "EMA",
    "Muon",
    "Batch",
    "Any",
    "NDArray",
    "Sequence",
    "ImageSteps",
    "Image",
    "UnidentifiedImageError",
    "ThreadPoolExecutor",
    "Future",
    "Iterator",
    "Path",
)
"""Names of a program beside its classes."""


def emit(program: Program, model_key: str, plan: TrainPlan | None = None) -> str:
    """The source of a file with a model, and with its training where there is a plan.

    model_key: the key of a graph in `program.graphs`; plan: one of `program.trains`.
    Raises BackendProblem where PyTorch cannot express a layer or a name.
    """
    if plan is None:
        return emit_module(program, model_key)
    classes, models = _classes(program, plan)
    data_plan = program.data[plan.data]
    fields = _fields(program, plan)
    data = data_part(data_plan, fields, _mixed(program, plan))
    loop = loop_part(program, plan, models, data.splits, data.possible, augments=data.augments)
    pieces = [
        *_comment_before("Data", data_plan.documentation, [*_sources(data.borrowed), *data.pieces]),
        *_comment_before("Model", "", list(classes.values())),
        *_comment_before("Training", plan.documentation, [*_sources(loop.borrowed), *loop.pieces]),
        _main(program, plan, models, data),
    ]
    code = "\n\n\n".join(pieces)
    settings = "\n".join(_settings(plan))
    head = "\n".join(_docstring(program, plan, data))
    layers = Borrowed((), imported(program, model_key))
    imports = _imports(f"{settings}\n{code}", (*data.borrowed, *loop.borrowed, layers))
    return "\n".join(
        [
            head,
            "",
            *imports,
            "",
            settings,
            "",
            "",
            code,
            "",
            "",
            'if __name__ == "__main__":',
            "    main()",
            "",
        ]
    )


def _classes(program: Program, plan: TrainPlan) -> tuple[dict[str, str], dict[str, str]]:
    """The sources of all classes by name, and the class of each model by the model's name."""
    classes: dict[str, str] = {}
    models: dict[str, str] = {}
    for key in plan.models:
        written = module_classes(program, key, (*_CONSTANTS, *classes))
        models[program.graphs[key].name] = list(written)[-1]
        classes |= written
    return classes, models


def _fields(program: Program, plan: TrainPlan) -> tuple[str, ...]:
    """The fields of the data that the objectives use."""
    used = (program.objectives[step.objective].inputs for step in plan.each_batch)
    return tuple(dict.fromkeys(port.name for ports in used for port in ports))


def _mixed(program: Program, plan: TrainPlan) -> dict[str, int]:
    """The fields that become shares of classes in training."""
    try:
        return mixed_classes(plan, program.data[plan.data], program.objectives)
    except ValueError as problem:
        raise BackendProblem("E0504", str(problem), graph=plan.model) from problem


def companions(program: Program, plan: TrainPlan | None) -> dict[str, bytes]:
    """The files that the program of a plan needs beside it, by name."""
    return companion_files(program.data[plan.data]) if plan is not None else {}


def _sources(borrowed: tuple[Borrowed, ...]) -> list[str]:
    return list(dict.fromkeys(source for one in borrowed for source in one.sources))


def _comment_before(title: str, text: str, pieces: list[str]) -> list[str]:
    """Pieces with a heading as a comment above the first."""
    lines = [f"# --- {title} ---", *(comment(text) if text.strip() else [])]
    return ["\n".join(lines) + "\n\n\n" + pieces[0], *pieces[1:]]


def _docstring(program: Program, plan: TrainPlan, data: DataPart) -> list[str]:
    graph = program.graphs[plan.model]
    text = program.documentation.strip() or graph.documentation.strip()
    pillow = any(i.module == "PIL" for one in data.borrowed for i in one.imports.values())
    ranked = any(isinstance(metric, Auroc) for metric in plan.metrics)
    needs = ["PyTorch", "NumPy"]
    needs += [name for name, used in (("Pillow", pillow), ("torchmetrics", ranked)) if used]
    needs += ["safetensors"] if plan.start_from is not None else []
    listed = f"{', '.join(needs[:-1])} and {needs[-1]}"
    what = f"Trains `{graph.name}` on `{plan.data}` with {listed}; `--gpu` uses a GPU."
    return docstring(f"{text}\n\n{what}" if text else what, 0)


def _settings(plan: TrainPlan) -> list[str]:
    lines = ["Batch = dict[str, Tensor]", "", f"BATCH_SIZE = {literal(plan.batch_size)}"]
    if plan.steps is not None:
        lines.append(f"STEPS = {literal(plan.steps)}")
    else:
        lines.append(f"EPOCHS = {literal(plan.epochs or 1)}")
    if len(plan.each_batch) == 1:
        lines.append(f"LEARNING_RATE = {literal(plan.each_batch[0].optimizer.lr)}")
    lines += upkeep.constants(plan)
    return [*lines, f"SEED = {literal(plan.seed)}"]


def _imports(code: str, borrowed: tuple[Borrowed, ...]) -> list[str]:
    used = used_names(code)
    wanted: dict[str, Import] = {name: one for name, one in KNOWN.items() if name in used}
    for one in borrowed:
        wanted |= one.imports
    return import_lines(wanted.values())


def _main(program: Program, plan: TrainPlan, models: Mapping[str, str], data: DataPart) -> str:
    lines = [
        "def main() -> None:",
        "    parser = argparse.ArgumentParser(description=__doc__)",
        '    parser.add_argument("--gpu", action="store_true", help="train on a GPU")',
    ]
    if data.rooted or plan.start_from is not None:
        lines += [
            "    parser.add_argument(",
            '        "--data-root",',
            "        type=Path,",
            "        default=Path(__file__).parent,",
            '        help="the folder where the paths of the data start",',
            "    )",
        ]
    lines += [
        "    arguments = parser.parse_args()",
        "    if arguments.gpu and not torch.cuda.is_available():",
        '        sys.exit("no GPU: PyTorch finds none; leave out --gpu to train on the CPU")',
        '    device = torch.device("cuda" if arguments.gpu else "cpu")',
        "    torch.backends.cudnn.allow_tf32 = False  # float32 means float32",
        "",
        f"    loaded = load_data({'arguments.data_root' if data.rooted else ''})",
        "    splits = {",
        "        name: {field: values.to(device) for field, values in split.items()}",
        "        for name, split in loaded.items()",
        "    }",
        "    torch.manual_seed(SEED)",
        *_models(plan, models),
        "",
        "    weights = {name: w.cpu().numpy() for name, w in model.state_dict().items()}",
        '    place = Path(__file__).with_name(f"{Path(__file__).stem}_weights.npz")',
        "    np.savez(place, **weights)",
        '    print(f"weights: {place}")',
    ]
    lines += _tested(plan, data, models)
    return "\n".join(lines)


def _models(plan: TrainPlan, models: Mapping[str, str]) -> list[str]:
    """Lines that make the models and train them; `model` is then all of them."""
    if len(models) == 1:
        (cls,) = models.values()
        begun = upkeep.begun(plan, "model")
        return [f"    model = {cls}().to(device)", *begun, "    train(model, splits)"]
    names = {model_variable(name): cls for name, cls in models.items()}
    inner = ", ".join(f'"{snake_case(n)}": {v}' for n, v in zip(models, names, strict=True))
    return [
        *(f"    {variable} = {cls}().to(device)" for variable, cls in names.items()),
        *upkeep.begun(plan, f"nn.ModuleDict({{{inner}}})"),
        f"    train({', '.join(names)}, splits)",
        *statement("model = ", f"nn.ModuleDict({{{inner}}})", 4),
    ]


def _tested(plan: TrainPlan, data: DataPart, models: Mapping[str, str]) -> list[str]:
    """The figures of the test split, and the promises on them."""
    if "test" not in (*data.splits, *data.possible):
        return []
    given = "model" if len(models) == 1 else ", ".join(map(model_variable, models))
    lines = [f'figures = measure({given}, splits["test"])', 'print(f"test  {shown(figures)}")']
    if any(isinstance(metric, Confusion) for metric in plan.metrics):
        lines += statement("matrix = ", f'confusion_matrix({given}, splits["test"])', 0)
        lines.append('print("confusion matrix, a row for each class:", matrix.tolist(), sep="\\n")')
    for requirement in plan.requires:
        lines += _required(requirement)
    if "test" in data.possible:
        return ['    if "test" in splits:', *(f"        {line}" for line in lines)]
    return [f"    {line}" for line in lines]


def _required(requirement: Requirement) -> list[str]:
    name, value = requirement.metric, literal(requirement.value)
    text = quoted(f"`require {name} {requirement.operator} {requirement.value:g}` does not hold")
    return [
        f"if not figures[{quoted(name)}] {requirement.operator} {value}:",
        *statement("sys.exit", f"({text})", 4),
    ]

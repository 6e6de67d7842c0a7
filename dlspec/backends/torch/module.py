"""A model as PyTorch source: one class a block, its imports, nothing else."""

from __future__ import annotations

from math import prod

from dlspec.backends.torch.docstrings import docstring
from dlspec.backends.torch.families import Family, families
from dlspec.backends.torch.imports import KNOWN, import_lines, used_names
from dlspec.backends.torch.methods import methods
from dlspec.backends.torch.printer import WIDTH, statement
from dlspec.backends.torch.starting import start_lines
from dlspec.backends.torch.steps import layer_form, with_logits
from dlspec.ir.graph import Graph, LayerNode, Program
from dlspec.ir.walk import walk, weight_shapes


def emit_module(program: Program, model_key: str) -> str:
    """The source of a model's module alone; its class is the last one.

    model_key: the key of a graph in `program.graphs`.
    Raises BackendProblem where PyTorch cannot express a layer or a name.
    """
    classes = "\n\n\n".join(module_classes(program, model_key).values())
    used = used_names(classes)
    lines = import_lines(one for name, one in KNOWN.items() if name in used)
    return "\n".join([*lines, "", "", classes, ""])


def module_classes(program: Program, model_key: str, taken: tuple[str, ...] = ()) -> dict[str, str]:
    """The sources of the classes and functions that a model needs, by name, its own class last.

    taken: names that a class cannot have.
    """
    written = definitions(program, model_key)
    found = families(program, model_key, (*taken, *written))
    peeled = with_logits(program, program.graphs[model_key])
    for key, family in found.items():
        if family.name not in written:
            peel = any(graph.key in peeled for graph in family.graphs)
            written[family.name] = _class(program, family, top=key == model_key, peel=peel)
    return written


def definitions(program: Program, model_key: str) -> dict[str, str]:
    """The helper classes and functions that layers bring, by name."""
    found: dict[str, str] = {}
    for _, graph, node in walk(program, program.graphs[model_key]):
        if isinstance(node, LayerNode):
            for source in layer_form(graph, node).definitions:
                name = source.split("(", 1)[0].split()[-1]
                found.setdefault(name, source.strip())
    return found


def _class(program: Program, family: Family, *, top: bool, peel: bool) -> str:
    lines = [f"class {family.name}(nn.Module):", *_documentation(program, family)]
    if family.constructors:
        lines += [*_init_head(family), "        super().__init__()"]
        for path, text in family.constructors:
            lines += statement(f"self.{path} = ", text, 8)
        lines += start_lines(family.graphs[0], 8)
        lines.append("")
    lines += methods(program, family, top=top, peel=peel)
    return "\n".join(lines)


def _documentation(program: Program, family: Family) -> list[str]:
    """The class's docstring: what the spec says of it, and its parameters where it is one."""
    text = family.graphs[0].documentation.strip()
    if len(family.graphs) == 1:
        count = parameters(program, family.graphs[0])
        noun = "parameter" if count == 1 else "parameters"
        text = f"{text}\n\n{count:,} {noun}." if text else f"{count:,} {noun}."
    return [*docstring(text, 4), ""] if text else []


def parameters(program: Program, graph: Graph) -> int:
    """The number of learned values of a graph."""
    return sum(prod(shape) for shape in weight_shapes(program, graph).values())


def _init_head(family: Family) -> list[str]:
    written = [f"{name}: {_annotation(values)}" for name, values in family.arguments.items()]
    line = f"    def __init__({', '.join(['self', *written])}) -> None:"
    if len(line) <= WIDTH:
        return [line]
    return [
        "    def __init__(",
        "        self,",
        *(f"        {one}," for one in written),
        "    ) -> None:",
    ]


def _annotation(values: tuple[object, ...]) -> str:
    kinds = dict.fromkeys(
        "tuple[int, ...]" if isinstance(v, tuple) else type(v).__name__ for v in values
    )
    return " | ".join(sorted(kinds))

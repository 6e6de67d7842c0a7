"""A model as PyTorch source: one class a block, its imports, nothing else."""

from __future__ import annotations

from itertools import pairwise
from math import prod

from dlspec.backends.problem import BackendProblem
from dlspec.backends.torch.docstrings import docstring
from dlspec.backends.torch.families import Family, families
from dlspec.backends.torch.imports import KNOWN, Import, import_lines, used_names
from dlspec.backends.torch.initializer import agreed, initializer
from dlspec.backends.torch.loops import Entry, loops
from dlspec.backends.torch.methods import Method, with_forward
from dlspec.backends.torch.names import variable
from dlspec.backends.torch.shapes import Shapes
from dlspec.backends.torch.steps import is_light, layer_form
from dlspec.ir.graph import Graph, LayerNode, Program
from dlspec.ir.walk import walk, weight_shapes


def emit_module(program: Program, model_key: str) -> str:
    """The source of a model's module alone; its class is the last one.

    model_key: the key of a graph in `program.graphs`.
    Raises BackendProblem where PyTorch cannot express a layer or a name.
    """
    classes = "\n\n\n".join(module_classes(program, model_key).values())
    used = used_names(classes)
    wanted = {name: one for name, one in KNOWN.items() if name in used}
    lines = import_lines((wanted | imported(program, model_key)).values())
    text = program.documentation.strip()
    opening = [*docstring(text, 0), ""] if text else []
    return "\n".join([*opening, *lines, "", "", classes, ""])


def module_classes(program: Program, model_key: str, taken: tuple[str, ...] = ()) -> dict[str, str]:
    """The sources of the classes and functions that a model needs, by name, its own class last.

    taken: names that a class cannot have.
    """
    written = definitions(program, model_key)
    found = families(program, model_key, (*taken, *written, *imported(program, model_key)))
    for family in found.values():
        if family.name not in written:
            written[family.name] = _class(program, family)
    return written


def definitions(program: Program, model_key: str) -> dict[str, str]:
    """The helper classes and functions that layers bring, by name.

    Raises BackendProblem where two layers mean different things by one name.
    """
    found: dict[str, str] = {}
    for _, graph, node in walk(program, program.graphs[model_key]):
        if isinstance(node, LayerNode):
            for source in layer_form(graph, node).definitions:
                name = source.split("(", 1)[0].split()[-1]
                _agree(found.setdefault(name, source.strip()), source.strip(), name, graph, node)
    return found


def imported(program: Program, model_key: str) -> dict[str, Import]:
    """What layers of other packages import from these, by name.

    Raises BackendProblem where two layers mean different things by one name.
    """
    defined = definitions(program, model_key)
    found: dict[str, Import] = {}
    for _, graph, node in walk(program, program.graphs[model_key]):
        if isinstance(node, LayerNode):
            for module, name in layer_form(graph, node).imports:
                one = Import(module, name)
                _agree(defined.get(name, found.setdefault(name, one)), one, name, graph, node)
    return found


def _agree(first: object, second: object, name: str, graph: Graph, node: LayerNode) -> None:
    if first != second:
        raise BackendProblem(
            "E0415",
            f"`{node.layer.kind}` and another layer each bring a `{name}` of their own, and one "
            "file cannot have both",
            graph=graph.key,
            node=node.path,
        )


def _class(program: Program, family: Family) -> str:
    base = "nn.Sequential" if family.straight else "nn.Module"
    lines = [f"class {family.name}({base}):", *_documentation(program, family)]
    shapes = Shapes(family.graphs, family.parameters)
    names = [one.name for one in family.parameters]
    if family.straight:
        entries = _commented(family, shapes)
        return "\n".join(
            [*lines, *initializer(family, entries, loops(entries), variable("number", names))]
        )
    method = Method(family, shapes)
    entries = family.constructors
    turns, found = agreed(entries, [record.key for record in method.records])
    number = variable("number", (*names, *method.variables.names.values()))
    if entries or family.attributes:
        lines += [*initializer(family, entries, found, number), ""]
    written = method.lines(turns, number)
    lines += with_forward(program, method, written) if family.peel else written
    return "\n".join(lines)


def _commented(family: Family, shapes: Shapes) -> list[Entry]:
    """The submodules of an `nn.Sequential` with the shapes of what comes out of them.

    A shape stands behind the last of the lines that it holds for.
    """
    graph = family.graphs[0]
    layers = {node.path: node for node in graph.nodes if isinstance(node, LayerNode)}
    light = {path for path, node in layers.items() if is_light(graph, node)}
    comments = {node.path: shapes.joined(node.outputs) for node in graph.nodes}
    entries = family.constructors
    behind = [
        one.path in layers and own.path in light and own.when == one.when
        for one, own in pairwise(entries)
    ]
    return [
        one._replace(comment="" if goes_on else comments[one.path])
        for one, goes_on in zip(entries, (*behind, False), strict=True)
    ]


def _documentation(program: Program, family: Family) -> list[str]:
    """The class's docstring: what the spec says of it, and the size of a whole model."""
    text = family.graphs[0].documentation.strip()
    if family.top:
        count = parameters(program, family.graphs[0])
        noun = "parameter" if count == 1 else "parameters"
        text = f"{text}\n\n{count:,} {noun}." if text else f"{count:,} {noun}."
    return [*docstring(text, 4), ""] if text else []


def parameters(program: Program, graph: Graph) -> int:
    """The number of learned values of a graph."""
    return sum(prod(shape) for shape in weight_shapes(program, graph).values())

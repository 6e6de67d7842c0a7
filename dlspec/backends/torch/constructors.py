"""The submodules that a class makes in `__init__`, and the numbers in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from dlspec.backends.problem import BackendProblem
from dlspec.backends.torch.names import checked_path
from dlspec.backends.torch.printer import literal
from dlspec.backends.torch.solver import MISSING, Solver
from dlspec.backends.torch.steps import layer_form
from dlspec.ir.forms import Argument
from dlspec.ir.graph import Graph, LayerNode, ParameterNode

_INITIAL = re.compile(r"(zeros|ones)|(normal|uniform)\((.+)\)")


class Constructor(NamedTuple):
    """A submodule: `wrap` around `function(values)`. Positional values have names "0", "1" …

    defaults: what a keyword that PyTorch's call leaves out stands for; fields: the layer's
    own arguments, in order.
    """

    path: str
    function: str
    values: Mapping[str, Argument]
    defaults: Mapping[str, Argument]
    fields: Mapping[str, Any]
    wrap: str = "{}"

    @property
    def form(self) -> object:
        """What two uses share where one class can make both."""
        kept = {
            name: "" if is_plain(value) else value
            for name, value in self.values.items()
            if name not in self.defaults
        }
        return self.function, self.wrap, tuple(sorted(kept.items()))


def is_plain(value: object) -> bool:
    """Whether a value is a number, a truth value, a word, or a tuple of them."""
    if isinstance(value, tuple):
        return bool(value) and all(is_plain(item) for item in value)
    return isinstance(value, int | float | str)


def constructor(
    graph: Graph, node: LayerNode | ParameterNode, *, straight: bool = False
) -> Constructor | None:
    """The submodule or parameter that a node brings; None where it has none of its own.

    straight: whether the class is an `nn.Sequential`, in which everything is a submodule.
    """
    if node.shares is not None:
        return None
    path = checked_path(graph, node.path)
    if isinstance(node, ParameterNode):
        return _parameter(graph, node)
    form = layer_form(graph, node)
    if form.module is None or (form.functional is not None and not straight):
        return None
    call = form.module
    values = {str(number): value for number, value in enumerate(call.args)} | dict(call.kwargs)
    fields = {name: getattr(node.layer, name) for name in type(node.layer).model_fields}
    # A keyword that PyTorch's call leaves out has the value of the layer's field of that name.
    left_out = {**fields, **form.left_out}
    defaults = {name: value for name, value in left_out.items() if is_plain(value)}
    return Constructor(path, call.function, values, defaults, fields)


def _parameter(graph: Graph, node: ParameterNode) -> Constructor:
    shape = graph.types[node.outputs[0]].shape
    sizes: dict[str, Argument] = {
        str(number): size for number, size in enumerate(shape) if isinstance(size, int)
    }
    found = _INITIAL.fullmatch(node.initial)
    if found is None or len(sizes) != len(shape):
        raise BackendProblem(
            "E0415",
            f"the learned tensor `{node.path}` cannot be made in PyTorch",
            graph=graph.key,
            node=node.path,
        )
    filled, drawn, size = found.groups()
    sizes = sizes or {"0": ()}
    if filled:
        return Constructor(node.path, f"torch.{filled}", sizes, {}, {}, "nn.Parameter({})")
    number = literal(float(size))
    wrap, function = (
        (f"nn.Parameter({number} * {{}})", "torch.randn")
        if drawn == "normal"
        else (f"nn.Parameter({number} * (2 * {{}} - 1))", "torch.rand")
    )
    return Constructor(node.path, function, sizes, {}, {}, wrap)


def written(made: tuple[Constructor | None, ...], solver: Solver) -> str:
    """The expression that makes a submodule in every use; None stands for a use without it."""
    present = [one for one in made if one is not None]
    first = present[0]
    parts = []
    for name in _in_order(present):
        values = tuple(
            MISSING if one is None else one.values.get(name, one.defaults.get(name)) for one in made
        )
        positional = name.isdigit()
        field = _field(values, made) if positional else name
        wanted = f"{first.path}_{field}" if field else first.path
        text = solver.expression(values, wanted, name)
        parts.append(text if positional else f"{name}={text}")
    return first.wrap.format(f"{first.function}({', '.join(parts)})")


def _in_order(made: list[Constructor]) -> Iterator[str]:
    """The names of all arguments: positional ones, then keywords in the order of the fields."""
    names = list(dict.fromkeys(name for one in made for name in one.values))
    fields = list(made[0].fields)
    together = all(len(one.values) == len(names) for one in made)
    positional = [name for name in names if name.isdigit()]
    keywords = [name for name in names if not name.isdigit()]
    yield from positional
    if not together:
        keywords.sort(key=lambda n: fields.index(n) if n in fields else len(fields))
    yield from keywords


def _field(values: tuple[Any, ...], made: tuple[Constructor | None, ...]) -> str:
    """The layer's own name for a positional argument, where it has one."""
    pairs = [(value, one) for value, one in zip(values, made, strict=True) if one is not None]
    for name in pairs[0][1].fields:
        if all(repr(one.fields.get(name)) == repr(value) for value, one in pairs):
            return name
    return ""

"""How weights start where the spec says it (`init=he_normal`), as lines of a constructor."""

from __future__ import annotations

from typing import TypeAlias

from dlspec.backends.torch.printer import call_text, literal, statement
from dlspec.ir.forms import Call
from dlspec.ir.graph import Graph, LayerNode, ParameterNode
from dlspec.ir.starts import Start, Zeros, chosen

_Calls: TypeAlias = tuple[tuple[str, str], ...]
"""Each weight's name with the call that starts it, over `{}` for the tensor."""


def start_lines(graph: Graph, indent: int) -> list[str]:
    """The lines that start the weights of a graph's own layers, those alike in one loop."""
    groups: dict[_Calls, list[str]] = {}
    lines: list[str] = []
    for node in graph.nodes:
        if isinstance(node, LayerNode) and node.start is not None:
            groups.setdefault(_calls(graph, node), []).append(f"self.{node.path}")
        elif isinstance(node, ParameterNode) and drawn(node.start) is None:
            lines += statement("", _over(node.start.torch()).format(f"self.{node.path}"), indent)
    for calls, modules in groups.items():
        if len(modules) == 1:
            lines += _all_started(modules[0], calls, indent)
        else:
            lines += [*_loop_head(modules, indent), *_all_started("layer", calls, indent + 4)]
    return lines


def drawn(start: Start) -> tuple[str, str] | None:
    """A function that makes a tensor from its sizes, and the expression around its result.

    None where no such function draws it, so that `nn.init` has to.
    """
    if start.least_axes:
        return None
    kind, amount = start.initial(())
    number = literal(amount)
    if kind == "constant":
        if amount in (0, 1):
            return ("torch.ones" if amount else "torch.zeros"), "{}"
        return "torch.ones", f"{number} * {{}}"
    if kind == "normal":
        return "torch.randn", f"{number} * {{}}"
    return ("torch.rand", f"{number} * (2 * {{}} - 1)") if kind == "uniform" else None


def _calls(graph: Graph, node: LayerNode) -> _Calls:
    assert node.start is not None
    inputs = graph.input_types(node)
    names, zeros = chosen(node.layer, inputs), Zeros.model_construct()
    return tuple(
        (name, _over((node.start if name in names else zeros).torch()))
        for name in node.layer.weights(inputs)
    )


def _all_started(module: str, calls: _Calls, indent: int) -> list[str]:
    return [
        line
        for name, call in calls
        for line in statement("", call.format(f"{module}.{name}"), indent)
    ]


def _over(call: Call) -> str:
    """`nn.init.normal_({}, std=0.02)`."""
    rest = call_text(call).removeprefix(f"{call.function}(")
    comma = ", " if call.args or call.kwargs else ""
    return f"{call.function}({{}}{comma}{rest}"


def _loop_head(modules: list[str], indent: int) -> list[str]:
    *before, last = statement("for layer in ", f"({', '.join(modules)})", indent, "")
    return [*before, f"{last}:"]

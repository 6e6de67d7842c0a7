"""The methods of an emitted class: `forward`, and `logits` where a loss wants that."""

from __future__ import annotations

import re

from dlspec.backends.torch.families import Family
from dlspec.backends.torch.names import variable
from dlspec.backends.torch.printer import WIDTH, quoted, statement
from dlspec.backends.torch.steps import Flow, Step, final_expression, flow
from dlspec.backends.torch.variables import Variables
from dlspec.ir.graph import Graph, Program

_CALL = re.compile(r"[\w.]+\(.*\)", re.DOTALL)
_POWER = re.compile(r"(\b[a-z_]\w*) \*\* (-?\d)")
"""A power of a plain name, which black writes without spaces."""
_LETTERS = {2: ("T", "…"), 3: ("C", "H", "W"), 4: ("C", "D", "H", "W")}
"""What stands for a size that differs from use to use, by the number of axes."""
_BUILTINS = ("len", "isinstance", "dict")


class Method:
    """One method that computes a flow.

    top: whether the class is the model itself, whose results are called by name.
    """

    def __init__(self, family: Family, name: str, computed: Flow, *, top: bool) -> None:
        self.family = family
        self.graph = family.graphs[0]
        self.name = name
        self.flow = computed
        self.top = top
        inputs = tuple(port.value for port in self.graph.inputs)
        self.variables = Variables(inputs, computed, _BUILTINS)
        self.inputs: tuple[str, ...] = tuple(self.variables.names[value] for value in inputs)

    def lines(self) -> list[str]:
        """The method from `def` on, indented as in its class."""
        steps = self.flow.steps
        body = self._body(0, len(steps), 8)
        result = self._result(self.flow.outputs)
        extra = self.flow.auxiliaries
        if extra:
            inner = self._body(len(steps), len(self.variables.steps), 12)
            both = self._named_result((*self.flow.outputs, *extra))
            body += ["        if self.training:", *inner, *statement("return ", both, 12)]
        body += statement("return ", result, 8)
        return [*self._head(), *_returned_directly(body)]

    def _head(self) -> list[str]:
        return head(self.name, self.inputs, self.returns)

    @property
    def returns(self) -> str:
        """The type of what the method returns."""
        return returned_type(self.graph, top=self.top)

    def _result(self, ports: tuple[tuple[str, str], ...]) -> str:
        if self.top and len(ports) > 1:
            return self._named_result(ports)
        return ", ".join(self.variables.names[value] for _, value in ports)

    def _named_result(self, ports: tuple[tuple[str, str], ...]) -> str:
        inner = ", ".join(f"{quoted(name)}: {self.variables.names[value]}" for name, value in ports)
        return "{" + inner + "}"

    def _body(self, start: int, end: int, indent: int) -> list[str]:
        lines: list[str] = []
        place = start
        while place < end:
            step = self.variables.steps[place]
            written = self._expression(step)
            comment = self._comment(step)  # folding keeps the shape
            folded = self._folded(place, end, written, comment, indent)
            if folded is not None:
                self.variables.fold(place)
                place += 1
                step, written = self.variables.steps[place], folded
            self.variables.assign(place)
            opening, target = self._target(step, indent)
            lines += [*opening, *statement(target, written, indent, comment)]
            place += 1
        return lines

    def _expression(self, step: Step) -> str:
        names = [self.variables.names[value] for value in step.inputs]
        text = step.expression.replace("{batch}", self.inputs[0] if self.inputs else "")
        return _POWER.sub(r"\1**\2", text.format(*names))

    def _folded(self, place: int, end: int, written: str, comment: str, indent: int) -> str | None:
        """The next step's expression around this one's, where that reads well on one line."""
        if place + 1 >= end:
            return None
        step, behind = self.variables.steps[place], self.variables.steps[place + 1]
        if (
            step.named
            or len(step.outputs) != 1
            or behind.inputs != step.outputs
            or not behind.keeps_shape
            or self.variables.uses[step.outputs[0]] > 1
        ):
            return None
        bracketed = re.search(r"\(\{0\}[,)]", behind.expression)
        if bracketed is None and not _CALL.fullmatch(written):
            return None
        text = behind.expression.format(written)
        name = self.variables.names.get(behind.outputs[0], "branch10")
        width = indent + len(f"{name} = {text}  # {comment}")
        return text if width <= WIDTH else None

    def _target(self, step: Step, indent: int) -> tuple[list[str], str]:
        """What stands before the expression; many names stand one a line before it."""
        names = [self.variables.names[value] for value in step.outputs]
        text = ", ".join(names) + " = "
        if len(names) > 1 and indent + len(text) > WIDTH // 2:
            pad = " " * indent
            return [f"{pad}(", *(f"{pad}    {name}," for name in names)], ") = "
        return [], text

    def _comment(self, step: Step) -> str:
        """The shapes behind a line. What differs within a family is said by its arguments."""
        shapes = [self.shape(value) for value in step.types]
        if len(shapes) > 2 and len(set(shapes)) == 1:
            return f"{len(shapes)} × {shapes[0]}"
        return ", ".join(shapes)

    def shape(self, value: str) -> str:
        shapes = [graph.types[value].shape for graph in self.family.graphs]
        letters = _LETTERS.get(len(shapes[0])) or ("…",) * len(shapes[0])
        sizes = [
            self._size(size, letter)
            for size, letter in zip(zip(*shapes, strict=True), letters, strict=True)
        ]
        return f"[{', '.join(sizes)}]"

    def _size(self, sizes: tuple[object, ...], letter: str) -> str:
        if len(set(map(str, sizes))) == 1:
            return "".join(c if c.isprintable() else "?" for c in str(sizes[0]))
        found = self.family.solver.solved(sizes)
        return found[1] if found is not None and found[0] in self.family.arguments else letter


def head(name: str, inputs: tuple[str, ...], returns: str) -> list[str]:
    """The `def` line of a method that takes tensors."""
    line = f"    def {name}(self, {', '.join(f'{i}: Tensor' for i in inputs)}) -> {returns}:"
    if len(line) <= WIDTH:
        return [line]
    return [
        f"    def {name}(",
        "        self,",
        *(f"        {i}: Tensor," for i in inputs),
        f"    ) -> {returns}:",
    ]


def returned_type(graph: Graph, *, top: bool) -> str:
    """What the methods of a class return."""
    count = len(graph.outputs)
    if not top:
        return "Tensor" if count == 1 else f"tuple[{', '.join(['Tensor'] * count)}]"
    if count > 1:
        return "dict[str, Tensor]"
    return "Tensor | dict[str, Tensor]" if graph.auxiliaries else "Tensor"


def methods(program: Program, family: Family, *, top: bool, peel: bool) -> list[str]:
    """`forward`, or `logits` and a `forward` that ends it with the activations."""
    graph = family.graphs[0]
    computed = flow(program, graph, top=top, peel=peel)
    if not peel:
        return Method(family, "forward", computed, top=top).lines()
    method = Method(family, "logits", computed, top=top)
    lines = method.lines()
    note = '        """What stands before the final activation; losses take it from here."""'
    ends = next(i for i, line in enumerate(lines) if line.endswith(":"))
    return [*lines[: ends + 1], note, *lines[ends + 1 :], "", *_final_forward(program, method)]


def _final_forward(program: Program, method: Method) -> list[str]:
    graph, top = method.graph, method.top
    call = f"self.logits({', '.join(method.inputs)})"
    lines = head("forward", method.inputs, method.returns)
    expressions = {
        port.name: final_expression(program, graph, port.value)
        for port in (*graph.outputs, *(graph.auxiliaries if top else ()))
    }
    if len(expressions) == 1:
        text = (expressions[graph.outputs[0].name] or "{0}").format(call)
        return [*lines, *statement("return ", text, 8, method.shape(graph.outputs[0].value))]
    if not top:
        names = [variable(port.name, method.inputs) for port in graph.outputs]
        results = ", ".join(
            (expressions[port.name] or "{0}").format(name)
            for port, name in zip(graph.outputs, names, strict=True)
        )
        return [
            *lines,
            *statement(f"{', '.join(names)} = ", call, 8),
            *statement("return ", results, 8),
        ]
    results = variable("results", method.inputs)
    lines += statement(f"{results} = ", call, 8)
    if len(graph.outputs) == 1:
        final = expressions[graph.outputs[0].name] or "{0}"
        lines += [
            f"        if not isinstance({results}, dict):",
            *statement("return ", final.format(results), 12),
        ]
    for name, expression in expressions.items():
        if expression is None:
            continue
        place = f"{results}[{quoted(name)}]"
        indent = 8
        if len(graph.outputs) > 1 and any(port.name == name for port in graph.auxiliaries):
            lines.append("        if self.training:")
            indent = 12
        lines += statement(f"{place} = ", expression.format(place), indent)
    return [*lines, f"        return {results}"]


def _returned_directly(body: list[str]) -> list[str]:
    """`return f(x)` for `x = f(x)` and `return x` behind it."""
    found = re.fullmatch(r"        return (x)", body[-1]) if len(body) > 1 else None
    if found is None or not body[-2].startswith("        x = "):
        return body
    line = body[-2].replace("x = ", "return ", 1)
    return [*body[:-2], line] if len(line) <= WIDTH and not line.endswith("(") else body

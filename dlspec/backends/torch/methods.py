"""The methods of an emitted class: `forward`, and `logits` where a loss wants that."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from dlspec.backends.torch.families import Family
from dlspec.backends.torch.loops import called_by_number, template
from dlspec.backends.torch.names import variable
from dlspec.backends.torch.printer import WIDTH, quoted, statement
from dlspec.backends.torch.shapes import Shapes
from dlspec.backends.torch.steps import Step, final_expression
from dlspec.backends.torch.variables import Variables
from dlspec.ir.graph import Graph, Program

_CALL = re.compile(r"[\w.]+\(.*\)", re.DOTALL)
_POWER = re.compile(r"(\b[a-z_]\w*) \*\* (-?\d)")
"""A power of a plain name, which black writes without spaces."""
_BUILTINS = ("len", "isinstance", "dict", "range")
_DEEPEST = 3
"""More calls within each other are hard to read."""


class Record(NamedTuple):
    """One line: `targets = expression  # comment`."""

    targets: tuple[str, ...]
    expression: str
    comment: str

    @property
    def key(self) -> str:
        """The line as text, by which equal lines are found."""
        return f"{', '.join(self.targets)} = {self.expression}  # {self.comment}"


class Method:
    """One method that computes a family's flow. `records` and `late` are its lines.

    late: those of what is computed in training alone.
    """

    def __init__(self, family: Family, shapes: Shapes) -> None:
        self.family = family
        self.graph = family.graphs[0]
        self.shapes = shapes
        self.flow = family.computed
        self._write(lone=False)
        if self.variables.branches == 1:
            self._write(lone=True)

    def _write(self, *, lone: bool) -> None:
        inputs = tuple(port.value for port in self.graph.inputs)
        self.variables = Variables(inputs, self.flow, _BUILTINS, lone=lone)
        self.inputs: tuple[str, ...] = tuple(self.variables.names[value] for value in inputs)
        main = len(self.flow.steps)
        self.records = list(self._records(0, main, 8))
        self.late = list(self._records(main, len(self.variables.steps), 12))

    # --- from steps to lines

    def _records(self, start: int, end: int, indent: int) -> Iterator[Record]:
        place = start
        while place < end:
            step = self.variables.steps[place]
            text = self._expression(step)
            comment = self.shapes.joined(step.types)  # folding keeps the shape
            chain = self._chain(place, end)
            folded = self._folded(place, chain, text, comment, indent)
            if folded is not None:
                text, place = folded, place + len(chain)
            self.variables.assign(place)
            targets = (self.variables.names[v] for v in self.variables.steps[place].outputs)
            yield Record(tuple(targets), text, comment)
            place += 1

    def _expression(self, step: Step) -> str:
        names = [self.variables.names[value] for value in step.inputs]
        text = step.expression.replace("{batch}", self.inputs[0] if self.inputs else "")
        return _POWER.sub(r"\1**\2", text.format(*names))

    def _chain(self, place: int, end: int) -> list[Step]:
        """The light steps behind a step that can stand around it on its line."""
        found: list[Step] = []
        steps, uses = self.variables.steps, self.variables.uses
        while place + 1 < end and len(found) + 1 < _DEEPEST:
            step, behind = steps[place], steps[place + 1]
            if (
                step.named
                or len(step.outputs) != 1
                or behind.inputs != step.outputs
                or not behind.light
                or uses[step.outputs[0]] > 1
                or (step.calls and "self." in behind.expression)
            ):
                break
            found.append(behind)
            place += 1
        return found

    def _folded(
        self, place: int, chain: list[Step], text: str, comment: str, indent: int
    ) -> str | None:
        """The expressions of a chain around a text, where that reads well on one line."""
        if not chain:
            return None
        for step in chain:
            bracketed = re.search(r"\(\{0\}[,)]", step.expression)
            if bracketed is None and not _CALL.fullmatch(text):
                return None
            text = step.expression.format(text)
        inner = range(place, place + len(chain))
        for one in inner:
            self.variables.fold(one)
        name = self.variables.foreseen(place + len(chain))
        if indent + len(f"{name} = {text}  # {comment}") <= WIDTH:
            return text
        for one in inner:
            self.variables.unfold(one)
        return None

    # --- from lines to text

    def lines(self, loops: dict[int, int], number: str) -> list[str]:
        """The method from `def` on, indented as in its class.

        loops: places of the first line of what is written as a loop, and behind the last;
        number: the name of the running number.
        """
        body: list[str] = []
        place = 0
        direct = self._is_direct(loops)
        while place < len(self.records) - direct:
            stop = loops.get(place)
            if stop is None:
                body += _line(self.records[place], 8)
                place += 1
            else:
                body += self._loop(place, stop, number)
                place = stop
        return [*self._head(), *body, *self._end(direct=direct)]

    def _loop(self, start: int, stop: int, number: str) -> list[str]:
        record = self.records[start]
        found = template(record.key)
        assert found is not None
        first = found.number
        turned = record._replace(expression=called_by_number(record.expression, number))
        head = f"        for {number} in range({first}, {first + stop - start}):"
        return [head, *_line(turned, 12)]

    def _is_direct(self, loops: dict[int, int]) -> bool:
        """Whether the last line is the result itself and needs no variable."""
        if not self.records or self.late or len(self.records) in loops.values():
            return False
        (target, *others) = self.records[-1].targets
        return not others and target == self._result(self.flow.outputs)

    def _end(self, *, direct: bool) -> list[str]:
        if direct:
            last = self.records[-1]
            return statement("return ", last.expression, 8, last.comment)
        lines: list[str] = []
        extra = self.flow.auxiliaries
        if extra:
            both = self._named_result((*self.flow.outputs, *extra))
            lines.append("        if self.training:")
            for record in self.late:
                lines += _line(record, 12)
            lines += statement("return ", both, 12)
        return [*lines, *statement("return ", self._result(self.flow.outputs), 8)]

    def _head(self) -> list[str]:
        return head("logits" if self.family.peel else "forward", self.inputs, self.returns)

    @property
    def returns(self) -> str:
        """The type of what the method returns."""
        return returned_type(self.graph, top=self.family.top)

    def _result(self, ports: tuple[tuple[str, str], ...]) -> str:
        if self.family.top and len(ports) > 1:
            return self._named_result(ports)
        return ", ".join(self.variables.names[value] for _, value in ports)

    def _named_result(self, ports: tuple[tuple[str, str], ...]) -> str:
        inner = ", ".join(f"{quoted(name)}: {self.variables.names[value]}" for name, value in ports)
        return "{" + inner + "}"


def _line(record: Record, indent: int) -> list[str]:
    """The lines of a statement; many names stand one a line before it."""
    text = ", ".join(record.targets) + " = "
    opening: list[str] = []
    if len(record.targets) > 1 and indent + len(text) > WIDTH // 2:
        pad = " " * indent
        opening, text = [f"{pad}(", *(f"{pad}    {name}," for name in record.targets)], ") = "
    return [*opening, *statement(text, record.expression, indent, record.comment)]


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


def with_forward(program: Program, method: Method, lines: list[str]) -> list[str]:
    """The lines of `logits`, and a `forward` that ends it with the activations."""
    note = '        """What stands before the final activation; losses take it from here."""'
    ends = next(i for i, line in enumerate(lines) if line.endswith(":"))
    return [*lines[: ends + 1], note, *lines[ends + 1 :], "", *_final_forward(program, method)]


def _final_forward(program: Program, method: Method) -> list[str]:
    graph, top = method.graph, method.family.top
    call = f"self.logits({', '.join(method.inputs)})"
    lines = head("forward", method.inputs, method.returns)
    expressions = {
        port.name: final_expression(program, graph, port.value)
        for port in (*graph.outputs, *(graph.auxiliaries if top else ()))
    }
    if len(expressions) == 1:
        text = (expressions[graph.outputs[0].name] or "{0}").format(call)
        return [*lines, *statement("return ", text, 8, method.shapes.text(graph.outputs[0].value))]
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

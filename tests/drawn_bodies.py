"""Random bodies as text: pipelines, side branches, merges, loops and conditions.

A body is written line by line. What flows is known at each, so that the next layer can be
drawn to fit it.
"""

from __future__ import annotations

import re
from random import Random

from drawn_stages import EXPRESSIONS, Text, expression, stage, tamed
from layer_draws import Types

from dlspec.ir.layer import Layer
from dlspec.ir.types import TensorType
from dlspec.layers import LAYERS, find


def layer_class(kind: str) -> type[Layer]:
    """The layer of a kind that there is."""
    found = find(kind)
    assert found is not None
    return found


KINDS = tuple(name for name, _ in LAYERS if layer_class(name).tied is None)
"""Every layer but those that are tied to a `layer` of their own text (tests/cases/model)."""
ELEMENTWISE = ("ReLU", "Tanh", "Sigmoid", "GELU", "Softsign", "Identity", "HardSwish", "Dropout")


class Body:
    """Lines of one body under construction, and what flows behind the last of them.

    `flow` is how the next line names what flows: `it`, or a name where `it` is something else.
    """

    def __init__(self, random: Random, sizes: dict[str, int], names: Names, type: TensorType):
        self.random, self.sizes, self.names = random, sizes, names
        self.lines: list[str] = []
        self.type = type
        self.flow = "it"

    def inner(self, type: TensorType | None = None) -> Body:
        """A body within this one, fed what flows here."""
        return Body(self.random, self.sizes, self.names, type or self.type)

    def put(self, line: str, type: TensorType) -> None:
        """A line whose result is the new `it`."""
        self.lines.append(line)
        self.type, self.flow = type, "it"

    # --- one layer

    def layer(self, kind: str) -> bool:
        """A line with a layer of a kind, fed what flows. False where it does not fit."""
        least, most = layer_class(kind).inputs
        if least > 1 or (most == 3 and self.random.random() < 0.3):
            return self._merge(kind, 2 if least > 1 else 3)
        return self.apply(kind, self.flow, self.type)

    def apply(self, kind: str, value: str, type: TensorType) -> bool:
        """A line that feeds a value to a layer of a kind, in one of the ways to write it."""
        if kind == "Split":
            return self._split(value, type)
        written = kind in EXPRESSIONS and (layer_class(kind).operator or self.random.random() < 0.4)
        (operand,) = tamed(kind, (value,))
        if written:
            found = expression(kind, (operand,), (type,), self.sizes, self.random)
            if found is not None:
                self.put(found.text, found.types[0])
            return found is not None
        found = stage(kind, (type,), self.sizes, self.random)
        if found is None:
            return False
        self._stage(operand, found, type)
        return True

    def _stage(self, value: str, found: Text, type: TensorType) -> None:
        (result,), name = found.types, self.names.fresh("v")
        way = self.random.randrange(6)
        if way == 0:
            self.lines.append(f"{name} = {value} -> {found.text}")
            self.flow, self.type = name, result
        elif way == 1:
            self.put(f"{value} -> {found.text} as {name}", result)
            if self.random.random() < 0.5:
                self.put(f"{name} -> Identity", result)
        elif way == 2:
            self.lines.append(f"layer {name} = {found.text}")
            again = f" -> {name}" if result == type else ""
            self.put(f"{value} -> {name}{again}", result)
        elif value == "it" and way < 5:
            self.put(found.text, result)
        else:
            self.put(f"{value} -> {found.text}", result)

    def _split(self, value: str, type: TensorType) -> bool:
        found = stage("Split", (type,), self.sizes, self.random)
        if found is None:
            return False
        names = [self.names.fresh("part") for _ in found.types]
        dropped = self.random.randrange(len(names))
        if len(names) > 1 and self.random.random() < 0.3:
            names[dropped] = "_"
        self.lines.append(f"{', '.join(names)} = {value} -> {found.text}")
        kept = [(n, t) for n, t in zip(names, found.types, strict=True) if n != "_"]
        self.flow, self.type = kept[0]
        if len(kept) > 1 and len({t for _, t in kept}) == 1:
            self.put(f"({', '.join(n for n, _ in kept)}) -> Maximum", kept[0][1])
        return True

    # --- several values

    def _merge(self, kind: str, count: int) -> bool:
        """A tuple or an operator over what flows and branches of it."""
        branches = [Text(self.flow, (self.type,))]
        if kind not in EXPRESSIONS and self.random.random() < 0.3:
            count += 1 if kind not in ("MatMul", "Dot", "Attention") else 0
        for _ in range(20):
            if len(branches) == count:
                break
            branches.append(self.branch())
        self.random.shuffle(branches)
        types = tuple(branch.types[0] for branch in branches)
        operands = tuple(branch.text for branch in branches)
        return self.merge(kind, operands, types)

    def merge(self, kind: str, operands: tuple[str, ...], types: Types) -> bool:
        """A line that joins values with a layer of a kind."""
        operator = layer_class(kind).operator
        if operator or (kind in EXPRESSIONS and len(types) == 2 and self.random.random() < 0.5):
            bracketed = tuple(x if x.isidentifier() else f"({x})" for x in operands)
            found = expression(kind, tamed(kind, bracketed), types, self.sizes, self.random)
            text = found.text if found else ""
        else:
            found = stage(kind, types, self.sizes, self.random)
            text = f"({', '.join(tamed(kind, operands))}) -> {found.text}" if found else ""
        if found is None:
            return False
        self.put(text, found.types[0])
        return True

    def branch(self) -> Text:
        """`x -> Tanh`, `x -> Conv(4, 1) -> ReLU`: stages that what flows goes through."""
        text, type = self.flow, self.type
        for _ in range(self.random.randint(1, 2)):
            kind = self.random.choice([*ELEMENTWISE, "Dense", "Conv", "LayerNorm", "BatchNorm"])
            found = stage(kind, (type,), self.sizes, self.random)
            if found is not None:
                text, (type,) = f"{text} -> {found.text}", found.types
        if text == self.flow:
            text = f"{text} -> Sign"
        return Text(text, (type,))

    # --- braces

    def residual(self) -> bool:
        """A side branch, the way past it, and their sum."""
        name = self.names.fresh("skip")
        branch = self.branch()
        main = self.branch()
        if main.types != branch.types:
            main = Text(self.flow, (self.type,))
        if main.types != branch.types:
            return False
        self.lines.append(f"{name} = {branch.text}")
        self.put(main.text, main.types[0])
        self.put(self.random.choice([f"it + {name}", f"({name}, it) -> Average"]), self.type)
        return True

    def loop(self) -> bool:
        """`repeat` or `for` around lines that keep the type."""
        inner = self.inner()
        inner.some(self.random.randint(1, 2))
        if inner.type != self.type or not inner.lines or inner.flow != "it":
            return False
        self.settle()
        times, name = self.random.randint(1, 3), self.names.fresh("n")
        head = self.random.choice(
            [
                f"repeat {times}",
                f"for {name} in range({times})",
                f"for ({name}, _) in enumerate([7, 8])",
            ]
        )
        self.braces(head, inner.lines)
        return True

    def widths(self) -> bool:
        """`for w in [4, 6] { Dense(w) … }`: every turn another size."""
        name, widths = self.names.fresh("w"), self.random.sample((2, 3, 4, 6), 2)
        kind = self.random.choice(["Dense", "Conv", "LSTM"])
        found = stage(kind, (self.type,), self.sizes, self.random)
        if found is None or not re.match(r"\w+\((\w+=)?\d+", found.text) or "groups" in found.text:
            return False
        line = re.sub(r"\((\w+=)?\d+", lambda m: f"({m[1] or ''}{name}", found.text, count=1)
        if self.random.random() < 0.5:
            line += " -> ReLU"
        return self.tried(f"for {name} in {widths} {{\n  {line}\n}}")

    def choice(self) -> bool:
        """`if`, with a condition that the type decides."""
        taken, other = self.inner(), self.inner()
        taken.some(self.random.randint(1, 2))
        other.some(1)
        if taken.flow != "it" or not taken.lines or not other.lines:
            return False
        self.settle()
        rank = self.type.rank
        if self.random.random() < 0.5:
            self.braces(f"if it.rank == {rank}", taken.lines, other.lines)
        else:
            self.braces(f"if it.rank > {rank} or {rank} == 9", other.lines, taken.lines)
        self.type = taken.type
        return True

    def settle(self) -> None:
        """Make what flows `it`."""
        if self.flow != "it":
            self.put(self.flow, self.type)

    def braces(self, head: str, lines: list[str], otherwise: list[str] | None = None) -> None:
        self.lines += [f"{head} {{", *(f"  {line}" for line in lines)]
        if otherwise is not None:
            self.lines += ["} else {", *(f"  {line}" for line in otherwise)]
        self.lines.append("}")

    def tried(self, text: str) -> bool:
        """Only a `Model` can ask the compiler what a line gives."""
        return False

    def some(self, count: int) -> None:
        """Up to `count` lines, each a layer or a residual connection."""
        for _ in range(count):
            if self.random.random() < 0.2:
                self.residual()
            else:
                self.layer(self.random.choice(KINDS))


class Names:
    """Names that no line has used."""

    def __init__(self) -> None:
        self._count = 0

    def fresh(self, word: str) -> str:
        self._count += 1
        return f"{word}{self._count}"

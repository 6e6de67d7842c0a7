"""Random networks as text: models with inputs, outputs and blocks, and every layer there is.

A layer that does not fit what flows gets inputs of its own, so each can stand in any network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from drawn_bodies import KINDS, Body, Names, layer_class
from layer_draws import Types, image
from layer_inputs import CASES

import dlspec
from dlspec.ir.dims import symbol
from dlspec.ir.types import TensorType


class Network(NamedTuple):
    """A spec with a model `Net`, and what its symbols stand for in a run."""

    text: str
    sizes: dict[str, int]


class Part(NamedTuple):
    """A block that is written: how it is used, what flows in, what comes out."""

    use: str
    given: TensorType
    results: Types


def draw_network(random: Random, first: str) -> Network:
    """A network of three to nine steps beyond its first layer, which is of a given kind."""
    model = Model(random)
    model.step_layer(first)
    for _ in range(random.randint(3, 9)):
        random.choice(model.steps)()
    return Network(model.finished(), model.sizes)


def fixed_text(text: str, sizes: Mapping[str, int]) -> str:
    """A spec with the sizes of one run written in the place of its symbols."""
    return re.sub(r"\?(\w+)", lambda m: str(sizes.get(m[1], m[0])), text)


class Model(Body):
    """The model `Net` of a spec under construction, and the blocks before it."""

    def __init__(self, random: Random) -> None:
        drawn = image(1, 2, 2, 3)(random)
        super().__init__(random, {}, Names(), drawn[0])
        self.headers: list[str] = []
        self.blocks: list[str] = []
        self.parts: list[Part] = []
        (self.type,) = self.general(drawn)
        self.flow = self.input(self.type)
        self.steps = (
            *(self.step_layer,) * 6,
            self.residual,
            self.loop,
            self.widths,
            self.choice,
            self.step_block,
            self.step_block,
            self.reuse,
            self.learned,
            self.output,
        )

    # --- inputs and outputs

    def input(self, type: TensorType) -> str:
        """A new input; its name."""
        name = self.names.fresh("x")
        self.headers.append(f"input {name}: {type}")
        return name

    def general(self, types: Types) -> Types:
        """The types, now and then with a symbol for a size that they have in common."""
        most = max(type.rank for type in types)
        if self.random.random() < 0.75 or most == 0:
            return types
        axis = -self.random.randint(1, most)
        size = max(d for t in types if t.rank >= -axis and isinstance(d := t.shape[axis], int))
        name = self.names.fresh("size")
        self.sizes[name] = size

        def changed(type: TensorType) -> TensorType:
            if type.rank < -axis or type.shape[axis] != size:
                return type
            place = type.rank + axis
            return type.with_shape(
                tuple(symbol(name) if i == place else d for i, d in enumerate(type.shape))
            )

        return tuple(changed(type) for type in types)

    def step_layer(self, kind: str = "") -> None:
        """A layer of any kind: fed what flows where it fits, else inputs of its own."""
        kind = kind or self.random.choice(KINDS)
        if self.random.random() < 0.1 or not self.layer(kind):
            self._layer_of_its_own(kind)

    def _layer_of_its_own(self, kind: str) -> None:
        flow, type, sizes = self.flow, self.type, dict(self.sizes)
        inputs, place = len(self.headers), len(self.lines)
        for _ in range(60):
            types = self.general(CASES[kind].inputs(self.random))
            given = tuple(self.input(type) for type in types)
            alone = len(given) == 1 and layer_class(kind).inputs == (1, 1)
            if self.apply(kind, given[0], types[0]) if alone else self.merge(kind, given, types):
                if flow == "it" or place:
                    self.lines.insert(place, f"output {self.names.fresh('y')} = {flow}")
                return
            del self.headers[inputs:], self.lines[place:]
            self.flow, self.type, self.sizes = flow, type, dict(sizes)
        raise AssertionError(f"{kind} takes none of 60 inputs made for it")

    def output(self) -> bool:
        """An output on the way, or one for training alone."""
        name = self.names.fresh("y")
        branch = self.branch()
        word = self.random.choice(["output", "output", "auxiliary"])
        self.lines.append(f"{word} {name} = {branch.text}")
        return True

    def learned(self) -> bool:
        """A learned tensor that joins what flows."""
        if self.type.dtype != "float" or not all(isinstance(d, int) for d in self.type.shape):
            return False
        name = self.names.fresh("p")
        sizes = [d if self.random.random() < 0.7 else 1 for d in self.type.shape]
        start = self.random.choice(["", " = ones", " = normal(0.5)", " = uniform(0.2)"])
        self.lines.append(f"parameter {name}: float{sizes}{start}")
        self.put(f"{self.flow} {self.random.choice('+*-')} {name}", self.type)
        return True

    # --- blocks

    def step_block(self) -> bool:
        """A new block for what flows, and its first use."""
        self.settle()
        inner = self.inner()
        inner.some(self.random.randint(1, 3))
        if not inner.lines or self.type.dtype != "float":
            return False
        name = self.names.fresh("Part")
        inner.settle()
        if self.parts and self.random.random() < 0.5:
            self._nest(inner)
        header, use = self._parameters(name, inner)
        results = (inner.type,)
        if self.random.random() < 0.25:
            branch = inner.branch()
            inner.lines += ["output first = it", f"output second = {branch.text}"]
            results = (inner.type, branch.types[0])
        word = "block"
        start = self.random.randrange(3)
        if start:
            inner.lines.insert(0, f"input given: {self._declared(start == 1)}")
            alone = "?" not in inner.lines[0] and not re.search(r"\(\w+\)", header)
            word = "model" if alone else "block"
        body = "\n".join(f"  {line}" for line in inner.lines)
        self.blocks.append(f"{word} {header} {{\n{body}\n}}\n")
        self.parts.append(Part(use, self.type, results))
        return self._use(self.parts[-1])

    def _nest(self, inner: Body) -> None:
        """A use of an earlier block in a later one, where it fits."""
        for part in self.parts:
            if part.given == inner.type and len(part.results) == 1:
                inner.put(part.use, part.results[0])
                return

    def _declared(self, general: bool) -> str:
        """The type of a block's input, perhaps with symbols for all sizes."""
        sizes = ", ".join(f"?d{i}" for i in range(self.type.rank))
        plain = all(re.fullmatch(r"\??\w+", str(size)) for size in self.type.shape)
        return str(self.type) if plain and not general else f"float[{sizes}]"

    def _parameters(self, name: str, inner: Body) -> tuple[str, str]:
        """The header of a block and a use of it: a size, an activation, a stage as arguments."""
        formal: list[str] = []
        given: list[str] = []
        text = "\n".join(inner.lines)
        size = re.search(r"\b(?:Dense|Conv|Conv[123]D|LSTM|GRU|RNN)\((\d+)\b", text)
        if size is not None and self.random.random() < 0.7:
            text = f"{text[: size.start(1)]}width{text[size.end(1) :]}"
            formal.append("width")
            given.append(self.random.choice([size[1], f"width={size[1]}", f"{size[1]} * 2 // 2"]))
        word = re.search(r"activation=(\w+)", text)
        if word is not None:
            text = text.replace(word[0], "activation=after", 1)
            formal.append(f"after={word[1]}")
            if self.random.random() < 0.5:
                given.append(f"after={word[1]}")
        if inner.type.dtype == "float" and self.random.random() < 0.3:
            text += "\n" + self.random.choice(["it + inside", "inside", "(it, inside) -> Average"])
            formal.append("inside=Tanh")
            if self.random.random() < 0.5:
                given.append(self.random.choice(["inside=ReLU", "inside=Sigmoid -> Softsign"]))
        inner.lines = text.split("\n")
        header = f"{name}({', '.join(formal)})" if formal else name
        return header, f"{name}({', '.join(given)})" if given else name

    def _use(self, part: Part) -> bool:
        if len(part.results) == 2:
            names = [self.names.fresh("r"), self.names.fresh("r")]
            self.lines.append(f"{', '.join(names)} = {self.flow} -> {part.use}")
            self.flow, self.type = names[0], part.results[0]
            if part.results[0] == part.results[1]:
                self.put(" + ".join(names), part.results[0])
            else:
                self.lines.append(f"output {self.names.fresh('y')} = {names[1]}")
            return True
        (result,) = part.results
        keeps = result == part.given
        if keeps and self.random.random() < 0.3:
            self.settle()
            self.lines.append(f"repeat {self.random.randint(1, 3)} {{ {part.use} }}")
        elif keeps and self.random.random() < 0.3:
            name = self.names.fresh("shared")
            self.lines.append(f"layer {name} = {part.use}")
            self.put(f"{self.flow} -> {name} -> {name}", result)
        else:
            self.put(f"{self.flow} -> {part.use}", result)
        return True

    def reuse(self) -> bool:
        """One more use of a block, for another type too where the compiler takes it."""
        if not self.parts:
            return False
        part = self.random.choice(self.parts)
        if part.given == self.type:
            return self._use(part)
        return len(part.results) == 1 and self.tried(f"{self.flow} -> {part.use}")

    # --- the whole

    def tried(self, text: str) -> bool:
        """Lines whose result only the compiler can tell; left out where it refuses them."""
        self.settle()
        lines = [*self.lines, *text.split("\n")]
        probe = self._assembled([*lines, "output probe = it"])
        try:
            dlspec.loads(fixed_text(probe, self.sizes))
            graph = dlspec.loads(probe).models["Net"].graph
        except dlspec.SpecError:
            return False
        (port,) = (port for port in graph.outputs if port.name == "probe")
        self.lines, self.type, self.flow = lines, graph.types[port.value], "it"
        return True

    def finished(self) -> str:
        """The text of the spec."""
        self.settle()
        if any(line.startswith("output ") for line in self.lines):
            self.lines.append("output last")
        elif self.random.random() < 0.3:
            self.lines.append(f"output last = {self.branch().text}")
        first = self.headers[0].split(":")[0].removeprefix("input ")
        if len(self.headers) == 1 and self.random.random() < 0.5:
            self.lines[0] = self.lines[0].removeprefix(f"{first} -> ")
        return self._with_a_name(self._assembled(self.lines))

    def _with_a_name(self, text: str) -> str:
        """One of the model's numbers as a `let` or as a parameter with a default."""
        blocks, model, body = text.partition("model Net {")
        number = re.search(r"\b(?:Dense|Conv|Conv[123]D|LSTM|GRU)\((\d+)\b", body)
        if number is None or self.random.random() < 0.5:
            return text
        body = f"{body[: number.start(1)]}wide{body[number.end(1) :]}"
        if self.random.random() < 0.5:
            return f"let wide = {number[1]}\n{blocks}{model}{body}"
        return f"{blocks}model Net(wide={number[1]} in [2, 5, {number[1]}]) {{{body}"

    def _assembled(self, lines: list[str]) -> str:
        body = "\n".join(f"  {line}" for text in [*self.headers, *lines] for line in [text])
        return "".join(self.blocks) + f"model Net {{\n{body}\n}}\n"

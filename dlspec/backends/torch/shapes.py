"""The shapes that stand behind lines: numbers, or what they are of the class's arguments."""

from __future__ import annotations

from collections.abc import Iterable

from dlspec.backends.torch.solver import Parameter, Solver
from dlspec.ir.graph import Graph

_LETTERS = {1: ("N",), 2: ("T", "C"), 3: ("C", "H", "W"), 4: ("C", "D", "H", "W")}
"""The sizes of the first input where they differ from use to use, by the number of axes."""
_SPATIAL = {3: (1, 2), 4: (1, 2, 3)}
_UNKNOWN = "…"


class Shapes:
    """The shapes of the values of a class that stands for several graphs.

    parameters: of its constructor.
    """

    def __init__(self, graphs: tuple[Graph, ...], parameters: Iterable[Parameter]) -> None:
        self.graphs = graphs
        self.solver = Solver(parameters)
        self._input = self._sizes(graphs[0].inputs[0].value) if graphs[0].inputs else ()
        self._texts: dict[str, str] = {}

    def joined(self, values: tuple[str, ...]) -> str:
        """The shapes of the results of one line."""
        shapes = [self.text(value) for value in values]
        if len(shapes) > 2 and len(set(shapes)) == 1:
            return f"{len(shapes)} × {shapes[0]}"
        return ", ".join(shapes)

    def text(self, value: str) -> str:
        """The shape of a value without its batch."""
        sizes = self._sizes(value)
        key = repr(sizes)
        if key not in self._texts:
            written = [self._size(one, axis, len(sizes)) for axis, one in enumerate(sizes)]
            # Axes in a row of which nothing is known are one `…`.
            for place in range(len(written) - 1, 0, -1):
                if written[place] == written[place - 1] == _UNKNOWN:
                    del written[place]
            self._texts[key] = f"[{', '.join(written)}]"
        return self._texts[key]

    def _sizes(self, value: str) -> tuple[tuple[object, ...], ...]:
        """For each axis the size in every graph."""
        shapes = [graph.types[value].shape for graph in self.graphs]
        return tuple(zip(*shapes, strict=True))

    def _size(self, sizes: tuple[object, ...], axis: int, rank: int) -> str:
        if len(set(map(str, sizes))) == 1:
            return "".join(c if c.isprintable() else "?" for c in str(sizes[0]))
        if axis not in _SPATIAL.get(rank, ()):
            found = self.solver.solved(sizes)
            if found is not None:
                return found.text
        if len(self._input) != rank or len(set(map(str, self._input[axis]))) == 1:
            return _UNKNOWN
        letter = _LETTERS.get(rank, (_UNKNOWN,) * rank)[axis]
        return self._relative(sizes, self._input[axis], letter)

    def _relative(self, sizes: tuple[object, ...], base: tuple[object, ...], letter: str) -> str:
        """Sizes as a multiple or a part of the input's."""
        if sizes == base:
            return letter
        pairs = [
            (size, own)
            for size, own in zip(sizes, base, strict=True)
            if isinstance(size, int) and isinstance(own, int) and size > 0
        ]
        if len(pairs) < len(sizes) or letter == _UNKNOWN:
            return _UNKNOWN
        parts = {own / size for size, own in pairs}
        if len(parts) == 1:
            (part,) = parts
            if part > 1 and part == int(part):
                return f"{letter}/{int(part)}"
            if part < 1 and 1 / part == int(1 / part):
                return f"{int(1 / part)} * {letter}"
        for name, one in self.solver.known.items():
            if all(type(value) is int and value > 0 for value in one.values):
                divided = [(own, value) for (_, own), value in zip(pairs, one.values, strict=True)]
                found = [size for size, _ in pairs]
                if found == [own / value for own, value in divided]:
                    return f"{letter}/{name}"
                if found == [-(-own // value) for own, value in divided]:
                    return f"ceil({letter}/{name})"
        return _UNKNOWN

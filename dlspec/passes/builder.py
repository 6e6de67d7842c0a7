"""Building one graph: its values and nodes in order, and the names they get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlspec.ir.dims import Dim
from dlspec.ir.graph import CallNode, LayerNode, ParameterNode, Port
from dlspec.ir.layer import Layer
from dlspec.ir.nodes import BaseNode
from dlspec.ir.reserved import path_for
from dlspec.ir.starts import Start
from dlspec.ir.types import TensorType
from dlspec.layers import snake_case
from dlspec.passes.values import Tensor, Value
from dlspec.source import Span
from dlspec.syntax import tree

if TYPE_CHECKING:
    from dlspec.passes.context import Frame


class Draft:
    """A node while its graph is being built: its names may still change.

    cls: what it becomes; rest: the fields of that beside path, inputs, outputs and `shares`.
    """

    __slots__ = ("cls", "inputs", "outputs", "path", "rest", "shares")

    def __init__(
        self,
        path: str,
        inputs: tuple[Tensor, ...],
        outputs: tuple[Tensor, ...],
        cls: type[BaseNode],
        shares: str | None = None,
        **rest: Any,
    ) -> None:
        self.path = path
        self.inputs = inputs
        self.outputs = outputs
        self.cls = cls
        self.shares = shares
        self.rest = rest

    @property
    def kind(self) -> str:
        """The name of the layer, or the key of the block or model that is called."""
        return self.rest["layer"].kind if "layer" in self.rest else self.rest.get("graph", "")

    def freeze(self) -> BaseNode:
        """The node. Its parts are the compiler's own, so they need not be checked again."""
        return self.cls.model_construct(
            path=self.path,
            inputs=tuple(value.name for value in self.inputs),
            outputs=tuple(value.name for value in self.outputs),
            shares=self.shares,
            **self.rest,
        )


class GraphBuilder:
    """One block or model being elaborated."""

    def __init__(self) -> None:
        self.inputs: list[tuple[str, Tensor]] = []
        self.drafts: list[Draft] = []
        self.outputs: list[tuple[str, Tensor]] = []
        self.auxiliaries: list[tuple[str, Tensor]] = []
        self.outputs_unknown = False
        self.requirements: list[tuple[tree.RequireStatement, Frame]] = []
        self.spans: dict[str, Span] = {}
        self.layers = 0
        self._kept: set[Tensor] = set()
        self._paths: set[str] = set()
        self._counters: dict[str, int] = {}
        self._values: set[str] = set()
        self._made: dict[Tensor, Draft] = {}

    # --- names

    def path(self, kind: str, given: str | None = None) -> str:
        """A free path: the given name, else the kind in snake case with a running number."""
        if given is not None:
            base = path_for(given)
            candidate, number = base, 1
            while candidate in self._paths:
                number += 1
                candidate = f"{base}{number}"
        else:
            base = snake_case(kind)
            number = self._counters.get(base, 0)
            candidate = ""
            while not candidate or candidate in self._paths:
                number += 1
                candidate = f"{base}{number}"
            self._counters[base] = number
        self._paths.add(candidate)
        return candidate

    def value_name(self, wanted: str) -> str:
        """A name that no value of the graph has yet."""
        candidate, number = wanted, 1
        while candidate in self._values:
            number += 1
            candidate = f"{wanted}_{number}"
        self._values.add(candidate)
        return candidate

    def rename(self, value: Tensor, name: str) -> None:
        """Call a fresh value by the name the spec gives it, where that is free."""
        if name not in self._values and name not in self._paths:
            self._values.discard(value.name)
            self._values.add(name)
            value.name = name

    def keep(self, value: Value) -> None:
        """Remember that the spec names these values, or says that it does not want them."""
        waiting: list[Value] = [value]
        while waiting:
            item = waiting.pop()
            if isinstance(item, Tensor):
                self._kept.add(item)
            elif isinstance(item, tuple):
                waiting += item

    # --- nodes

    def input(self, name: str, type: TensorType, span: Span) -> Tensor:
        """A new input."""
        value = Tensor(self.value_name(name), type, span, self)
        self.inputs.append((name, value))
        return value

    def layer(
        self,
        layer: Layer,
        inputs: tuple[Tensor, ...],
        types: tuple[TensorType, ...],
        span: Span,
        *,
        name: str | None = None,
        start: Start | None = None,
        shares: str | None = None,
    ) -> tuple[Tensor, ...]:
        """Append a layer; its results."""
        path = self.path(layer.kind, name)
        outputs = self._outputs(path, types, span)
        draft = Draft(path, inputs, outputs, LayerNode, shares, layer=layer, start=start)
        self._append(draft, span, 1)
        return outputs

    def call(
        self,
        key: str,
        kind: str,
        inputs: tuple[Tensor, ...],
        types: tuple[TensorType, ...],
        span: Span,
        layers: int,
        *,
        name: str | None = None,
        shares: str | None = None,
    ) -> tuple[Tensor, ...]:
        """Append a use of a block or model with `layers` layers; its results."""
        path = self.path(kind, name)
        outputs = self._outputs(path, types, span)
        self._append(Draft(path, inputs, outputs, CallNode, shares, graph=key), span, layers)
        return outputs

    def parameter(self, name: str, type: TensorType, start: Start, span: Span) -> Tensor:
        """Append a learned tensor."""
        path = self.path("parameter", name)
        outputs = self._outputs(path, (type,), span)
        self._append(Draft(path, (), outputs, ParameterNode, start=start), span, 0)
        return outputs[0]

    @property
    def last_path(self) -> str:
        """The path of the node appended last."""
        return self.drafts[-1].path

    def _outputs(self, path: str, types: tuple[TensorType, ...], span: Span) -> tuple[Tensor, ...]:
        names = [path] if len(types) == 1 else [f"{path}_{i}" for i in range(len(types))]
        return tuple(
            Tensor(self.value_name(name), type, span, self)
            for name, type in zip(names, types, strict=True)
        )

    def birthplace(self, value: Tensor, size: Dim) -> Tensor:
        """The first of the values on the way to this one that has a size along some axis."""
        while True:
            draft = self._made.get(value)
            before = [x for x in draft.inputs if size in x.type.shape] if draft is not None else []
            if not before:
                return value
            value = before[0]

    def _append(self, draft: Draft, span: Span, layers: int) -> None:
        self.drafts.append(draft)
        self._made.update(dict.fromkeys(draft.outputs, draft))
        self.spans[draft.path] = span
        self.layers += layers

    # --- the end

    def lines(self) -> tuple[set[tuple[Span, str]], dict[tuple[Span, str], None]]:
        """The stages, by place and kind, whose results something takes; and all the others."""
        taken = {value for draft in self.drafts for value in draft.inputs} | self._kept
        taken |= {value for _, value in (*self.outputs, *self.auxiliaries)}
        kept: set[tuple[Span, str]] = set()
        lost: dict[tuple[Span, str], None] = {}
        for draft in self.drafts:
            line = self.spans[draft.path], draft.kind
            if taken.isdisjoint(draft.outputs):
                lost[line] = None
            else:
                kept.add(line)
        return kept, lost

    def types(self) -> dict[str, TensorType]:
        """The type of every value by its final name."""
        found = {value.name: value.type for _, value in self.inputs}
        for draft in self.drafts:
            found.update((value.name, value.type) for value in draft.outputs)
        return found

    def nodes(self) -> tuple[Any, ...]:
        """The finished nodes."""
        return tuple(draft.freeze() for draft in self.drafts)


def ports(pairs: list[tuple[str, Tensor]]) -> tuple[Port, ...]:
    """Named values as ports."""
    return tuple(Port.model_construct(name=name, value=value.name) for name, value in pairs)

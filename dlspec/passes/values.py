"""What an expression of a spec can be while it is elaborated.

Plain values are Python's own: int, float, bool, str, None, symbolic dimensions,
and tuples of values (lists and tuples of a spec alike). Tensors, stages, option
words and functions are the classes here; none of them is a tuple.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.ir.dims import SymbolicDim
from dlspec.ir.layer import Layer
from dlspec.ir.starts import Start
from dlspec.ir.types import TensorType
from dlspec.source import Span
from dlspec.syntax import tree

if TYPE_CHECKING:
    from dlspec.passes.scope import Scope


class Tensor:
    """A value of the graph that is being built; `span` is the place that made it.

    `owner` is the builder of its graph: no other graph can use it.
    """

    __slots__ = ("name", "owner", "span", "type")

    def __init__(self, name: str, type: TensorType, span: Span, owner: object) -> None:
        self.name = name
        self.type = type
        self.span = span
        self.owner = owner


class Unknown:
    """Stands for a value after a mistake. Whatever it touches is unknown too, silently."""

    __slots__ = ()


UNKNOWN = Unknown()


class Word:
    """A bare lower-case option word, `same`, that is not (yet) bound to an argument."""

    __slots__ = ("id",)

    def __init__(self, id: str) -> None:
        self.id = id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Word) and other.id == self.id

    def __hash__(self) -> int:
        return hash(("Word", self.id))


class LayerStage:
    """A layer with its arguments, and the activation that `activation=` puts behind it.

    `rank` is what a suffix asserts (`Conv2D`); `start` is its `init=`; `shared` is the identity
    of a `layer` statement, whose uses have one set of weights; `tie` that of the layer whose
    weights it takes (`Unembed(embed)`).
    """

    __slots__ = ("activation", "layer", "name", "rank", "shared", "span", "start", "tie")

    def __init__(
        self,
        layer: Layer,
        name: str,
        span: Span,
        rank: int | None = None,
        activation: Layer | None = None,
        start: Start | None = None,
        shared: SharedUse | None = None,
        tie: SharedUse | None = None,
    ) -> None:
        self.layer = layer
        self.name = name
        self.span = span
        self.rank = rank
        self.activation = activation
        self.start = start
        self.shared = shared
        self.tie = tie

    def sharing(self, use: SharedUse) -> LayerStage:
        """The same layer with one set of weights for all uses."""
        return LayerStage(
            self.layer, self.name, self.span, self.rank, self.activation, self.start, use, self.tie
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LayerStage) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        shared = self.shared, self.tie
        return self.layer.kind, self.layer, self.rank, self.activation, self.start, *shared


class SharedUse:
    """What `layer name = …` makes: the first use places the weights, later ones share them.

    `owner` is the builder of the graph that it stands in: no other graph can use it.
    """

    __slots__ = ("graph", "input_types", "name", "owner", "path")

    def __init__(self, name: str, owner: object) -> None:
        self.name = name
        self.owner = owner
        self.graph: str | None = None
        self.path: str | None = None
        self.input_types: tuple[TensorType, ...] | None = None


class Network:
    """A declared block or model: the declaration and the scope of the file it stands in."""

    __slots__ = ("declaration", "scope", "used")

    def __init__(self, declaration: tree.NetworkDeclaration, scope: Scope) -> None:
        self.declaration = declaration
        self.scope = scope
        self.used = False

    @property
    def name(self) -> str:
        return self.declaration.name.id

    @property
    def heading(self) -> Span:
        """The place of its name and parameters."""
        name, parameters = self.declaration.name.span, self.declaration.parameters
        return name.to(parameters[-1].span) if parameters else name

    @property
    def noun(self) -> str:
        """`model` or `block`, for messages."""
        return "model" if self.declaration.is_model else "block"


class TrainedNetwork(Network):
    """A model within its `train`: a stage of that name is the one being trained, not a copy."""

    __slots__ = ("key", "original", "stage")

    def __init__(self, network: Network, stage: NetworkStage, key: str) -> None:
        super().__init__(network.declaration, network.scope)
        self.original = network
        self.stage = stage
        self.key = key


class UntypedField:
    """A field of data whose type is known only when its file is read: what uses it says it."""

    __slots__ = ("name", "span")

    def __init__(self, name: str, span: Span) -> None:
        self.name = name
        self.span = span


class Absent:
    """What a validation does without: an auxiliary output, and the terms made of it."""

    __slots__ = ()


ABSENT = Absent()


class NetworkStage:
    """A block or model with its arguments bound: parameter name to value, in their order."""

    __slots__ = ("arguments", "network", "shared", "span")

    def __init__(
        self,
        network: Network,
        arguments: tuple[tuple[str, Value], ...],
        span: Span,
        shared: SharedUse | None = None,
    ) -> None:
        self.network = network
        self.arguments = arguments
        self.span = span
        self.shared = shared

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, NetworkStage)
            and self.network is other.network
            and self.arguments == other.arguments
            and self.shared is other.shared
        )

    def __hash__(self) -> int:
        return hash((id(self.network), self.arguments))


class BodyStage:
    """An `if`, `repeat`, `for` or `{ … }` that waits for what flows into it."""

    __slots__ = ("expression", "scope", "span")

    def __init__(
        self, expression: tree.If | tree.Repeat | tree.For | tree.Body, scope: Scope
    ) -> None:
        self.expression = expression
        self.scope = scope
        self.span = expression.span


class Fork:
    """A tuple with stages in it that waits for what flows into every one of them."""

    __slots__ = ("items", "size", "span")

    def __init__(self, items: tuple[Value, ...], span: Span) -> None:
        self.items = items
        self.size = sum(stage_size(item) for item in items)
        self.span = span


class Composition:
    """`B -> C` without a value in front: stages in order, each with its `as` name if any."""

    __slots__ = ("scope", "size", "span", "stages")

    def __init__(
        self, stages: tuple[tuple[Stage, tree.Name | None], ...], scope: Scope, span: Span
    ) -> None:
        self.stages = stages
        self.size = sum(stage_size(stage) for stage, _ in stages)
        self.scope = scope
        self.span = span

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Composition) and [s for s, _ in self.stages] == [
            s for s, _ in other.stages
        ]

    def __hash__(self) -> int:
        return hash(tuple(stage for stage, _ in self.stages))


class Function:
    """A compile-time function, or a tensor function, by name."""

    __slots__ = ("apply", "name")

    def __init__(self, name: str, apply: Callable[..., Value]) -> None:
        self.name = name
        self.apply = apply


Stage: TypeAlias = LayerStage | NetworkStage | BodyStage | Composition | Fork
Plain: TypeAlias = "int | float | bool | str | SymbolicDim | tuple[Value, ...] | None"
Value: TypeAlias = (
    "Plain | Tensor | Word | Stage | Network | Function | Start | UntypedField | Absent | Unknown"
)

STAGES = (LayerStage, NetworkStage, BodyStage, Composition, Fork)


def stage_size(value: Value) -> int:
    """How many stages stand in a value, those of its parts counted."""
    return value.size if isinstance(value, Composition | Fork) else 1


def shared_stage(value: Value) -> LayerStage | NetworkStage | None:
    """A stage in a value whose weights are shared with others, or None."""
    if isinstance(value, LayerStage | NetworkStage):
        tied = isinstance(value, LayerStage) and value.tie is not None
        return value if value.shared is not None or tied else None
    parts: tuple[Value, ...] = ()
    if isinstance(value, tuple):
        parts = value
    elif isinstance(value, Composition):
        parts = tuple(stage for stage, _ in value.stages)
    elif isinstance(value, Fork):
        parts = value.items
    return next((found for part in parts if (found := shared_stage(part)) is not None), None)


def is_flow(value: Value) -> bool:
    """Whether data can flow from it: a tensor, or a tuple with a tensor in it."""
    if isinstance(value, tuple):
        return any(is_flow(item) for item in value)
    return isinstance(value, Tensor)


def contains_unknown(value: Value) -> bool:
    """Whether a mistake has made it, or a part of it, unknown."""
    if isinstance(value, tuple):
        return any(contains_unknown(item) for item in value)
    return isinstance(value, Unknown)


def describe(value: Value) -> str:
    """A value as messages name it: `the number 3`, `a tensor [64, 28, 28]`, `the layer Conv`."""
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, tuple):
        return "a list of tensors" if is_flow(value) else "a list"
    rule = next((rule for cls, rule in _DESCRIBED if isinstance(value, cls)), None)
    return rule(value) if rule is not None else "a stage"


_DESCRIBED: tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...] = (
    (type(None), lambda value: "`none`"),
    ((int, float), lambda value: f"the number {value}"),
    (str, lambda value: "a text in quotes"),
    (SymbolicDim, lambda value: f"the run-time size {value}"),
    (Tensor, lambda value: f"a tensor {value.type.shape_text()}"),
    (Word, lambda value: f"`{value.id}`"),
    (Function, lambda value: f"`{value.name}`"),
    (Start, lambda value: f"`{value.kind_name()}`"),
    (LayerStage, lambda value: f"the layer `{value.name}`"),
    (NetworkStage, lambda value: f"the {value.network.noun} `{value.network.name}`"),
    (Network, lambda value: f"the {value.noun} `{value.name}`"),
    (
        UntypedField,
        lambda value: f"the field `{value.name}`, whose type is known only when it is read",
    ),
    (Absent, lambda value: "an auxiliary output"),
)
"""Kinds of values and how messages name them."""

"""What one elaboration carries through all its functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dlspec.diagnostics import Report
from dlspec.ir.graph import Graph
from dlspec.ir.limits import MOST_LAYERS
from dlspec.ir.search import Search
from dlspec.ir.starts import Start
from dlspec.ir.types import TensorType
from dlspec.passes.builder import GraphBuilder
from dlspec.passes.scope import Binding, Scope
from dlspec.passes.values import UNKNOWN, Network, NetworkStage, Tensor, Unknown, Value
from dlspec.source import Span
from dlspec.syntax import tree

MOST_STATEMENTS = 400_000
MOST_ITEMS = 100_000
DEEPEST = 64

BodyExpression = tree.If | tree.Repeat | tree.For | tree.Body


class LimitReached(Exception):
    """A limit of the language is passed; it has been reported, and elaboration ends."""


class NoIt:
    """Stands for `it` where it has no value; `why` says so in a sentence."""

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why


@dataclass(eq=False)
class Instance:
    """A block or model elaborated for some arguments and input types.

    `key` names its graph; None where it has mistakes. `layers` counts all that are in it.
    """

    key: str | None
    outputs: tuple[TensorType, ...] = ()
    layers: int = 0


@dataclass(eq=False)
class Context:
    """The state of one elaboration; `run_body` and `instantiate` tie its modules together."""

    report: Report
    run_body: Callable[[BodyExpression, Frame], Value]
    instantiate: Callable[
        [NetworkStage, tuple[TensorType, ...], Context, tuple[Tensor, ...]], Instance
    ]
    graphs: dict[str, Graph] = field(default_factory=dict[str, Graph])
    instances: dict[object, Instance] = field(default_factory=dict[object, Instance])
    spans: dict[tuple[str, str], Span] = field(default_factory=dict[tuple[str, str], Span])
    active: list[Network] = field(default_factory=list[Network])
    inferred: dict[object, tuple[TensorType, ...]] = field(
        default_factory=dict[object, "tuple[TensorType, ...]"]
    )
    scope_of_builtins: Scope = field(default_factory=Scope)
    unused: list[tuple[str, Binding, Span]] = field(
        default_factory=list["tuple[str, Binding, Span]"]
    )
    """Names that nothing had read when their scope ended, with the declaration they stand in;
    promises may still read them."""
    used_places: set[Span] = field(default_factory=set[Span])
    """Where names stand that some use of their block reads."""
    biases_written: set[Span] = field(default_factory=set[Span])
    """Calls of layers that say `bias=`: what is written out is meant."""
    start: Start | None = None
    """How weights start in the model that is being elaborated, where its `train` says `init`."""
    kept: set[tuple[Span, str]] = field(default_factory=set[tuple[Span, str]])
    """Stages, by place and kind, whose results some use of their block takes."""
    lost: dict[tuple[Span, str], None] = field(default_factory=dict[tuple[Span, str], None])
    """Those whose results one use of their block does not take, in order."""
    ranges: dict[Span, Search] = field(default_factory=dict[Span, Search])
    """Search ranges that hold the value before them, by their places; their keys are not known."""
    statements: int = 0
    place: Span | None = None
    """The statement that ran last."""

    def count_statement(self, span: Span) -> None:
        """One more statement has run. Raises LimitReached beyond the bound."""
        self.statements += 1
        self.place = span
        if self.statements > MOST_STATEMENTS:
            self.report.error(
                "E0704", span, f"this spec unrolls to over {MOST_STATEMENTS:,} statements"
            )
            raise LimitReached

    def check_layers(self, count: int, span: Span) -> None:
        """Raises LimitReached where a network has more layers than the language allows."""
        if count > MOST_LAYERS:
            self.report.error(
                "E0704", span, f"this network has over {MOST_LAYERS:,} layers after unrolling"
            )
            raise LimitReached

    def check_list(self, value: Value, span: Span) -> None:
        """Raises LimitReached where a list is nested too deep, or too large with all in it.

        Lines that double a list would soon make one that nothing could walk through.
        """
        level: list[tuple[Value, ...]] = [value] if isinstance(value, tuple) else []
        items = depth = 0
        while level:
            depth += 1
            items += sum(map(len, level))
            if items > MOST_ITEMS:
                self.report.error("E0307", span, f"a list of more than {MOST_ITEMS:,} items")
                raise LimitReached
            if depth > DEEPEST:
                self.report.error("E0701", span, f"lists nested deeper than {DEEPEST} levels")
                raise LimitReached
            level = [item for inner in level for item in inner if isinstance(item, tuple)]

    def check_nesting(self, span: Span) -> None:
        """Raises LimitReached where blocks use each other in too long a chain."""
        if len(self.active) > DEEPEST:
            self.report.error("E0701", span, f"blocks nested deeper than {DEEPEST} levels")
            raise LimitReached


class Frame:
    """Where an expression stands: its scope, the graph it adds to, and its line's `it`.

    `arguments` is true inside the parentheses of a call, where a stage is a value to be
    handed on and not fed `it`.
    """

    __slots__ = ("arguments", "builder", "context", "it", "scope")

    def __init__(
        self,
        context: Context,
        scope: Scope,
        builder: GraphBuilder | None,
        it: Value | NoIt,
        *,
        arguments: bool = False,
    ) -> None:
        self.context = context
        self.scope = scope
        self.builder = builder
        self.it = it
        self.arguments = arguments

    @property
    def report(self) -> Report:
        return self.context.report

    def inside(self, scope: Scope, it: Value | NoIt) -> Frame:
        """The frame of a body within this one."""
        return Frame(self.context, scope, self.builder, it)

    def as_argument(self) -> Frame:
        """The frame of a call's arguments."""
        return (
            self
            if self.arguments
            else Frame(self.context, self.scope, self.builder, self.it, arguments=True)
        )

    def as_flow(self) -> Frame:
        """The frame of a tensor expression again."""
        return Frame(self.context, self.scope, self.builder, self.it) if self.arguments else self

    def current(self, span: Span) -> Value:
        """The line's `it`. Reports E0205 where there is none."""
        if isinstance(self.it, NoIt):
            self.report.error("E0205", span, self.it.why)
            return UNKNOWN
        return self.it


def unknown(*values: Value) -> bool:
    """Whether any of the values comes from a mistake."""
    return any(isinstance(value, Unknown) for value in values)

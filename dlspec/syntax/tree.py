"""The syntax tree: what was written, with its spans, and nothing of what it means.

Every node is a named tuple with a `span`: as frozen as a frozen dataclass, and
seven times cheaper to define, which a cold `dlspec check` feels (two nodes of
different classes with the same fields compare equal, so compare by class too).
Walking the tree recursively is safe: the parser bounds its depth. Brackets nest
64 levels at most, and no path from the root passes more than 256 expressions; a
chain of binary operators, calls or attributes hangs to the left.
"""

from __future__ import annotations

from typing import NamedTuple

from dlspec.source import Span

# --- expressions -----------------------------------------------------------


class Number(NamedTuple):
    """`28`, `0.5`, `10%` (0.1). An int stays an int; `percent` keeps how it was written."""

    value: int | float
    span: Span
    percent: bool = False


class String(NamedTuple):
    value: str
    span: Span


class Bool(NamedTuple):
    value: bool
    span: Span


class NoneValue(NamedTuple):
    """`none`."""

    span: Span


class It(NamedTuple):
    """`it`, the value that flows down the page."""

    span: Span


class Name(NamedTuple):
    """A lower-case name: a value, a function or an option word. `_` too."""

    id: str
    span: Span


class TypeName(NamedTuple):
    """A capitalised name: a layer, a block, a model, a transform."""

    id: str
    span: Span


class Symbol(NamedTuple):
    """`?length`, a dimension known only at run time. `id` is without the question mark."""

    id: str
    span: Span


class ListExpr(NamedTuple):
    """`[a, b]`."""

    items: tuple[Expr, ...]
    span: Span


class TupleExpr(NamedTuple):
    """`(a, b)`, `(a,)` or `()`. A single parenthesised expression is that expression."""

    items: tuple[Expr, ...]
    span: Span


class Argument(NamedTuple):
    """One argument of a call: `value` or `name=value`, with the search range behind `in`."""

    name: Name | None
    value: Expr
    search: Expr | None
    span: Span


class Call(NamedTuple):
    """`callee(arguments)`."""

    callee: Expr
    arguments: tuple[Argument, ...]
    span: Span


class Attribute(NamedTuple):
    """`value.name`."""

    value: Expr
    name: Name
    span: Span


class Index(NamedTuple):
    """`value[subscript]`; the subscript may be a `Range`."""

    value: Expr
    subscript: Expr
    span: Span


class Unary(NamedTuple):
    """`-operand` or `not operand`."""

    operator: str
    operand: Expr
    span: Span


class Binary(NamedTuple):
    """`left operator right`: `+ - * / // % ** == != < <= > >= and or`."""

    operator: str
    left: Expr
    right: Expr
    operator_span: Span
    span: Span


class Range(NamedTuple):
    """`start .. stop`."""

    start: Expr
    stop: Expr
    span: Span


class As(NamedTuple):
    """`value as name`."""

    value: Expr
    name: Name
    span: Span


class Pipeline(NamedTuple):
    """`first -> second -> …`, flattened; at least two stages."""

    stages: tuple[Expr, ...]
    span: Span


class Body(NamedTuple):
    """`{ statements }`; also the body of a declaration."""

    statements: tuple[Statement, ...]
    span: Span


class If(NamedTuple):
    """`if condition { … } else { … }`. `else if` gives a body whose one statement is an If."""

    condition: Expr
    then: Body
    otherwise: Body | None
    span: Span


class Repeat(NamedTuple):
    """`repeat times { … }`."""

    times: Expr
    body: Body
    span: Span


class For(NamedTuple):
    """`for name in values { … }` or `for (a, b) in values { … }`."""

    targets: tuple[Name, ...]
    values: Expr
    body: Body
    span: Span


class ErrorExpr(NamedTuple):
    """Stands where nothing could be parsed; it has been reported already."""

    span: Span


Expr = (
    Number
    | String
    | Bool
    | NoneValue
    | It
    | Name
    | TypeName
    | Symbol
    | ListExpr
    | TupleExpr
    | Call
    | Attribute
    | Index
    | Unary
    | Binary
    | Range
    | As
    | Pipeline
    | Body
    | If
    | Repeat
    | For
    | ErrorExpr
)

# --- statements ------------------------------------------------------------


class TypeExpr(NamedTuple):
    """`float[3, ?height, width]`. `dimensions` is None for a scalar written without brackets."""

    dtype: Name
    dimensions: tuple[Expr, ...] | None
    span: Span


class ExprStatement(NamedTuple):
    value: Expr
    span: Span


class Bind(NamedTuple):
    """`skip = …` or `q, k, v = …`."""

    names: tuple[Name, ...]
    value: Expr
    span: Span
    search: Expr | None = None


class LayerStatement(NamedTuple):
    """`layer embed = Embedding(vocab, width)`."""

    name: Name
    value: Expr
    span: Span


class ParameterStatement(NamedTuple):
    """`parameter token: float[1, width] = normal(0.02)`."""

    name: Name
    type: TypeExpr
    initial: Expr | None
    span: Span


class InputStatement(NamedTuple):
    """`input image: float[3, 224, 224]`."""

    name: Name
    type: TypeExpr
    span: Span


class OutputStatement(NamedTuple):
    """`output logits = …`, `output logits` (the value of that name), or `auxiliary aux = …`."""

    name: Name
    value: Expr | None
    auxiliary: bool
    span: Span


class RequireStatement(NamedTuple):
    """`require parameters <= 1_300_000`."""

    condition: Expr
    span: Span


class MinimizeStatement(NamedTuple):
    """`minimize cross_entropy(logits, label)`."""

    value: Expr
    span: Span


class StepStatement(NamedTuple):
    """`step critic updates Critic every 5 { … }`."""

    name: Name
    updates: tuple[TypeName, ...]
    every: Expr | None
    body: Body
    span: Span


class ErrorStatement(NamedTuple):
    """Stands where a statement could not be parsed; it has been reported already."""

    span: Span


Statement = (
    ExprStatement
    | Bind
    | LayerStatement
    | ParameterStatement
    | InputStatement
    | OutputStatement
    | RequireStatement
    | MinimizeStatement
    | StepStatement
    | ErrorStatement
)

# --- declarations ----------------------------------------------------------


class Parameter(NamedTuple):
    """One parameter of a block or model, with its default and search range."""

    name: Name
    default: Expr | None
    search: Expr | None
    span: Span


class UseDeclaration(NamedTuple):
    """`use A, B from "file.dlnet"`."""

    names: tuple[TypeName | Name, ...]
    path: String
    span: Span


class LetDeclaration(NamedTuple):
    """`let width = 64`."""

    name: Name
    value: Expr
    documentation: str
    span: Span


class NetworkDeclaration(NamedTuple):
    """`block Name(params) { … }` or `model Name(params) { … }`."""

    is_model: bool
    name: TypeName
    parameters: tuple[Parameter, ...]
    body: Body
    documentation: str
    span: Span


class DataDeclaration(NamedTuple):
    """`data Name { settings }`: its statements are Binds."""

    name: TypeName
    body: Body
    documentation: str
    span: Span


class TrainDeclaration(NamedTuple):
    """`train Model, Other(args) on Data { … }`: a model is a TypeName or a Call of one.

    The body holds Binds (settings), minimize, require and step statements.
    """

    models: tuple[TypeName | Call, ...]
    data: TypeName
    body: Body
    documentation: str
    span: Span


class ErrorDeclaration(NamedTuple):
    """Stands where a declaration could not be parsed. `name` is set where it was readable."""

    name: TypeName | Name | None
    span: Span


Declaration = (
    UseDeclaration
    | LetDeclaration
    | NetworkDeclaration
    | DataDeclaration
    | TrainDeclaration
    | ErrorDeclaration
)


class Module(NamedTuple):
    """A whole file. `documentation` is the comment at its head when a blank line ends it."""

    declarations: tuple[Declaration, ...]
    documentation: str
    span: Span

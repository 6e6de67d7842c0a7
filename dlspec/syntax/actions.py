"""What each rule of the grammar makes: the tree's nodes, from the bottom up.

The functions are called while the parser reduces, so nothing here or above it
recurses, however deep a text is nested.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dlspec.source import Span
from dlspec.syntax import tree
from dlspec.syntax.comments import above, at_head
from dlspec.syntax.lexer import Token, string_value
from dlspec.syntax.mistakes import Mistakes

# The children of a rule are tokens, nodes and lists of them, in the order of the
# grammar; which, the grammar says on the line that names the function.
Children = list[Any]
Action = Callable[[Mistakes, Children, Span], Any]


def _name(mistakes: Mistakes, token: Token) -> tree.Name:
    return tree.Name(token.text, mistakes.span(token.start, token.end))


def _type_name(mistakes: Mistakes, token: Token) -> tree.TypeName:
    return tree.TypeName(token.text, mistakes.span(token.start, token.end))


def _ordered(mistakes: Mistakes, arguments: tuple[tree.Argument, ...]) -> tuple[tree.Argument, ...]:
    """The arguments of a call, which come by position first and then by name."""
    named = False
    for argument in arguments:
        named = named or argument.name is not None
        if named and argument.name is None:
            span = argument.span
            if mistakes.is_silent(span.start, span.end):
                break
            mistakes.error(
                "E0101",
                span.start,
                span.end,
                "an argument by position stands behind one by name",
                help="give it its name too, or put it before them",
            )
            break
    return arguments


def _settings(mistakes: Mistakes, body: tree.Body) -> tree.Body:
    """A body of settings, in which `name == value` can only have been meant as `name = value`."""
    return tree.Body(tuple(_setting(mistakes, s) for s in body.statements), body.span)


def _setting(mistakes: Mistakes, statement: tree.Statement) -> tree.Statement:
    value = statement.value if isinstance(statement, tree.ExprStatement) else None
    if not (
        isinstance(value, tree.Binary)
        and value.operator == "=="
        and isinstance(value.left, tree.Name)
    ):
        return statement
    sign = value.operator_span
    mistakes.error(
        "E0101",
        sign.start,
        sign.end,
        "a setting is given with `=`",
        replacement="=",
        title="write `=`",
    )
    return tree.Bind((value.left,), value.right, statement.span)


# --- lists -------------------------------------------------------------------


def nothing(mistakes: Mistakes, children: Children, span: Span) -> list[Any]:
    return []


def one(mistakes: Mistakes, children: Children, span: Span) -> list[Any]:
    return [children[0]]


def more(mistakes: Mistakes, children: Children, span: Span) -> list[Any]:
    children[0].append(children[2])
    return children[0]


def line(mistakes: Mistakes, children: Children, span: Span) -> list[Any]:
    children[0].append(children[1])
    return children[0]


def inner(mistakes: Mistakes, children: Children, span: Span) -> Any:
    return children[1]


def one_name(mistakes: Mistakes, children: Children, span: Span) -> list[tree.Name]:
    return [_name(mistakes, children[0])]


def more_names(mistakes: Mistakes, children: Children, span: Span) -> list[tree.Name]:
    children[0].append(_name(mistakes, children[2]))
    return children[0]


def one_type(mistakes: Mistakes, children: Children, span: Span) -> list[tree.TypeName]:
    return [_type_name(mistakes, children[0])]


def more_types(mistakes: Mistakes, children: Children, span: Span) -> list[tree.TypeName]:
    children[0].append(_type_name(mistakes, children[2]))
    return children[0]


# --- declarations --------------------------------------------------------------


def module(mistakes: Mistakes, children: Children, span: Span) -> tree.Module:
    text = mistakes.source.text
    whole = Span(mistakes.source, 0, len(text))
    return tree.Module(tuple(children[0]), at_head(text), whole)


def use(mistakes: Mistakes, children: Children, span: Span) -> tree.Declaration:
    _, names, _, path = children
    if not path.text:
        return tree.ErrorDeclaration(names[0], span)
    value = tree.String(string_value(path.text), mistakes.span(path.start, path.end))
    return tree.UseDeclaration(tuple(names), value, span)


def let(mistakes: Mistakes, children: Children, span: Span) -> tree.Declaration:
    _, name, _, value = children
    comment = above(mistakes.source.text, span.start)
    return tree.LetDeclaration(_name(mistakes, name), value, comment, span)


def network(mistakes: Mistakes, children: Children, span: Span) -> tree.Declaration:
    keyword, token, parameters, body = children
    name = _type_name(mistakes, token)
    if not keyword.text:
        return tree.ErrorDeclaration(name, span)
    comment = above(mistakes.source.text, span.start)
    return tree.NetworkDeclaration(
        keyword.kind == "model", name, tuple(parameters), body, comment, span
    )


def data(mistakes: Mistakes, children: Children, span: Span) -> tree.Declaration:
    keyword, token, body = children
    name = _type_name(mistakes, token)
    body = _settings(mistakes, body)
    if not keyword.text:
        return tree.ErrorDeclaration(name, span)
    return tree.DataDeclaration(name, body, above(mistakes.source.text, span.start), span)


def train(mistakes: Mistakes, children: Children, span: Span) -> tree.Declaration:
    keyword, models, _, token, body = children
    body = _settings(mistakes, body)
    if not keyword.text:
        return tree.ErrorDeclaration(None, span)
    comment = above(mistakes.source.text, span.start)
    return tree.TrainDeclaration(tuple(models), _type_name(mistakes, token), body, comment, span)


def trained(mistakes: Mistakes, children: Children, span: Span) -> tree.Call:
    arguments = tuple(children[2]) if len(children) > 3 else ()
    return tree.Call(_type_name(mistakes, children[0]), _ordered(mistakes, arguments), span)


def formal(mistakes: Mistakes, children: Children, span: Span) -> tree.Parameter:
    default, search_range = (children[2], children[3]) if len(children) > 1 else (None, None)
    return tree.Parameter(_name(mistakes, children[0]), default, search_range, span)


# --- statements ----------------------------------------------------------------


def body(mistakes: Mistakes, children: Children, span: Span) -> tree.Body:
    return tree.Body(tuple(children[1]), span)


def flow(mistakes: Mistakes, children: Children, span: Span) -> tree.ExprStatement:
    return tree.ExprStatement(children[0], span)


def bind(mistakes: Mistakes, children: Children, span: Span) -> tree.Bind:
    names, _, value, search_range = children
    return tree.Bind(tuple(names), value, span, search_range)


def layer(mistakes: Mistakes, children: Children, span: Span) -> tree.LayerStatement:
    return tree.LayerStatement(_name(mistakes, children[1]), children[3], span)


def parameter(mistakes: Mistakes, children: Children, span: Span) -> tree.ParameterStatement:
    initial = children[5] if len(children) > 4 else None
    name = _name(mistakes, children[1])
    return tree.ParameterStatement(name, children[3], initial, span)


def input_statement(mistakes: Mistakes, children: Children, span: Span) -> tree.InputStatement:
    return tree.InputStatement(_name(mistakes, children[1]), children[3], span)


def output_statement(mistakes: Mistakes, children: Children, span: Span) -> tree.OutputStatement:
    value = children[3] if len(children) > 2 else None
    name = _name(mistakes, children[1])
    auxiliary = children[0].kind == "auxiliary"
    return tree.OutputStatement(name, value, auxiliary, span)


def require(mistakes: Mistakes, children: Children, span: Span) -> tree.RequireStatement:
    return tree.RequireStatement(children[1], span)


def minimize(mistakes: Mistakes, children: Children, span: Span) -> tree.MinimizeStatement:
    return tree.MinimizeStatement(children[1], span)


def step(mistakes: Mistakes, children: Children, span: Span) -> tree.StepStatement:
    every = children[5] if len(children) > 5 else None
    name = _name(mistakes, children[1])
    return tree.StepStatement(name, tuple(children[3]), every, children[-1], span)


def tensor_type(mistakes: Mistakes, children: Children, span: Span) -> tree.TypeExpr:
    dimensions = None
    if len(children) > 1:
        dimensions = tuple(children[2]) if len(children) > 3 else ()
    return tree.TypeExpr(_name(mistakes, children[0]), dimensions, span)


def no_search(mistakes: Mistakes, children: Children, span: Span) -> None:
    return None


def search(mistakes: Mistakes, children: Children, span: Span) -> tree.Expr:
    return children[1]


# --- expressions -----------------------------------------------------------------


def pipeline(mistakes: Mistakes, children: Children, span: Span) -> tree.Pipeline:
    return tree.Pipeline(tuple(children[0]), span)


def two_stages(mistakes: Mistakes, children: Children, span: Span) -> list[tree.Expr]:
    return [children[0], children[2]]


def as_name(mistakes: Mistakes, children: Children, span: Span) -> tree.As:
    return tree.As(children[0], _name(mistakes, children[2]), span)


def binary(mistakes: Mistakes, children: Children, span: Span) -> tree.Binary:
    left, sign, right = children
    return tree.Binary(sign.kind, left, right, mistakes.span(sign.start, sign.end), span)


def power(mistakes: Mistakes, children: Children, span: Span) -> tree.Binary:
    return binary(mistakes, children, span)


def unary(mistakes: Mistakes, children: Children, span: Span) -> tree.Unary:
    return tree.Unary(children[0].kind, children[1], span)


def interval(mistakes: Mistakes, children: Children, span: Span) -> tree.Range:
    return tree.Range(children[0], children[2], span)


def attribute(mistakes: Mistakes, children: Children, span: Span) -> tree.Attribute:
    return tree.Attribute(children[0], _name(mistakes, children[2]), span)


def index(mistakes: Mistakes, children: Children, span: Span) -> tree.Index:
    return tree.Index(children[0], children[2], span)


def call(mistakes: Mistakes, children: Children, span: Span) -> tree.Call:
    arguments = tuple(children[2]) if len(children) > 3 else ()
    return tree.Call(children[0], _ordered(mistakes, arguments), span)


def positional(mistakes: Mistakes, children: Children, span: Span) -> tree.Argument:
    return tree.Argument(None, children[0], children[1], span)


def keyword(mistakes: Mistakes, children: Children, span: Span) -> tree.Argument:
    return tree.Argument(_name(mistakes, children[0]), children[2], children[3], span)


def number(mistakes: Mistakes, children: Children, span: Span) -> tree.Number | tree.ErrorExpr:
    text = children[0].text
    if not text:
        return tree.ErrorExpr(span)
    if text.isdigit():
        return tree.Number(int(text), span)
    digits = text.replace("_", "")
    if text.endswith("%"):
        # One rounding, so that 10% is the very 0.1 that is written.
        return tree.Number(float(digits[:-1] + "e-2"), span, True)
    return tree.Number(int(digits) if digits.isdigit() else float(digits), span)


def string(mistakes: Mistakes, children: Children, span: Span) -> tree.String | tree.ErrorExpr:
    text = children[0].text
    return tree.String(string_value(text), span) if text else tree.ErrorExpr(span)


def truth(mistakes: Mistakes, children: Children, span: Span) -> tree.Bool:
    return tree.Bool(children[0].kind == "true", span)


def none(mistakes: Mistakes, children: Children, span: Span) -> tree.NoneValue:
    return tree.NoneValue(span)


def it(mistakes: Mistakes, children: Children, span: Span) -> tree.It:
    return tree.It(span)


def name(mistakes: Mistakes, children: Children, span: Span) -> tree.Name:
    return tree.Name(children[0].text, span)


def type_name(mistakes: Mistakes, children: Children, span: Span) -> tree.TypeName:
    return tree.TypeName(children[0].text, span)


def symbol(mistakes: Mistakes, children: Children, span: Span) -> tree.Symbol:
    return tree.Symbol(children[0].text[1:], span)


def list_of(mistakes: Mistakes, children: Children, span: Span) -> tree.ListExpr:
    return tree.ListExpr(tuple(children[1]) if len(children) > 2 else (), span)


def tuple_of(mistakes: Mistakes, children: Children, span: Span) -> tree.TupleExpr:
    if len(children) == 2:
        return tree.TupleExpr((), span)
    rest: list[tree.Expr] = children[3] if len(children) > 4 else []
    return tree.TupleExpr((children[1], *rest), span)


def repeat(mistakes: Mistakes, children: Children, span: Span) -> tree.Repeat:
    return tree.Repeat(children[1], children[2], span)


def loop(mistakes: Mistakes, children: Children, span: Span) -> tree.For:
    _, targets, _, values, body = children
    return tree.For(tuple(targets), values, body, span)


def choice(mistakes: Mistakes, children: Children, span: Span) -> tree.If:
    otherwise = children[4] if len(children) > 4 else None
    if otherwise is not None and not isinstance(otherwise, tree.Body):
        statement = tree.ExprStatement(otherwise, otherwise.span)
        otherwise = tree.Body((statement,), otherwise.span)
    return tree.If(children[1], children[2], otherwise, span)


ACTIONS: dict[str, Action] = {
    action.__name__: action
    for action in (
        nothing,
        one,
        more,
        line,
        inner,
        one_name,
        more_names,
        one_type,
        more_types,
        module,
        use,
        let,
        network,
        data,
        train,
        trained,
        formal,
        body,
        flow,
        bind,
        layer,
        parameter,
        input_statement,
        output_statement,
        require,
        minimize,
        step,
        tensor_type,
        no_search,
        search,
        pipeline,
        two_stages,
        as_name,
        binary,
        power,
        unary,
        interval,
        attribute,
        index,
        call,
        positional,
        keyword,
        number,
        string,
        truth,
        none,
        it,
        name,
        type_name,
        symbol,
        list_of,
        tuple_of,
        repeat,
        loop,
        choice,
    )
}

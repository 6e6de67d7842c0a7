"""Python text in the layout of black at width 88, from expressions and neutral values.

An expression stands on its line where it fits. Where it does not, the elements of a call, tuple
or list stand on a line of their own, or one a line with a comma behind each; anything else goes
into parentheses.
"""

from __future__ import annotations

import ast
import re
from math import isfinite

from dlspec.ir.forms import Argument, Call

WIDTH = 88


def quoted(text: str) -> str:
    """A string literal as black wants it: double quotes unless single ones need fewer escapes."""
    body = repr(text + '"')[1:-2].replace("\\'", "'")  # repr that never chooses double quotes
    double = '"' + body.replace('"', '\\"') + '"'
    single = "'" + body.replace("'", "\\'") + "'"
    return single if body.count('"') > body.count("'") else double


def literal(value: Argument) -> str:
    """The literal of an int, a finite float, a str, a bool, None, or a tuple of these.

    Raises TypeError or ValueError for anything else: no other value reaches emitted code.
    """
    if value is None or isinstance(value, bool):
        return repr(value)
    if type(value) is int or type(value) is float:
        if not isfinite(value):
            raise ValueError(f"{value} has no literal")
        return repr(value)
    if type(value) is str:
        return quoted(value)
    if type(value) is tuple:
        inner = ", ".join(literal(item) for item in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    raise TypeError(f"a {type(value).__name__} has no place in emitted code")


def call_text(call: Call) -> str:
    """A call on one line."""
    written = [literal(argument) for argument in call.args]
    written += [f"{name}={literal(value)}" for name, value in call.kwargs.items()]
    return f"{call.function}({', '.join(written)})"


def statement(head: str, expression: str, indent: int, comment: str = "") -> list[str]:
    """The lines of `head expression  # comment`, for example with `x = ` or `return ` as head."""
    pad = " " * indent
    note = f"  # {comment}" if comment else ""
    line = f"{pad}{head}{expression}"
    if len(line + note) <= WIDTH:
        return [line + note]
    parts = _broken(expression, indent, len(head))
    if parts is None and len(line) <= WIDTH:
        return [f"{pad}# {comment}", line]
    if parts is None:
        parts = _parenthesised(expression, indent)
    lines = [f"{pad}{head}{parts[0]}", *parts[1:]]
    lines[-1] += note
    return lines


def _broken(expression: str, indent: int, used: int) -> list[str] | None:
    """A call, tuple, list or dict with an element a line; None for what has no such brackets.

    The first line comes without its indentation. used: the width of what stands before it.
    """
    node = ast.parse(expression, mode="eval").body
    if isinstance(node, ast.Call) and (node.args or node.keywords):
        elements = sorted([*node.args, *node.keywords], key=lambda e: e.col_offset)
        opening = _piece(expression, 0, node.func.end_col_offset) + "("
    elif isinstance(node, ast.Tuple | ast.List) and node.elts:
        elements, opening = list(node.elts), expression[0]
    elif isinstance(node, ast.Dict) and node.values:
        pairs = zip(node.keys, node.values, strict=True)
        texts = [_piece(expression, k.col_offset, v.end_col_offset) for k, v in pairs if k]
        return ["{", *(f"{' ' * indent}    {text}," for text in texts), " " * indent + "}"]
    else:
        return None
    pad = " " * indent
    if used and indent + used + len(opening) > WIDTH >= indent + 4 + len(opening):
        if indent + 4 + len(expression) <= WIDTH:
            return ["(", f"{pad}    {expression}", f"{pad})"]
        inner = _broken(expression, indent + 4, 0)
        assert inner is not None
        return ["(", f"{pad}    {inner[0]}", *inner[1:], f"{pad})"]
    texts = [_piece(expression, one.col_offset, one.end_col_offset) for one in elements]
    together = f"{pad}    {', '.join(texts)}"
    if isinstance(node, ast.Call) and len(together) <= WIDTH:
        return [opening, together, pad + expression[-1]]
    lines = [opening]
    for text in texts:
        lines += _element(text, indent + 4)
    return [*lines, pad + expression[-1]]


def _piece(expression: str, start: int, end: int | None) -> str:
    """A part of an expression. `ast` counts bytes, not characters."""
    return expression.encode()[start:end].decode()


def _element(text: str, indent: int) -> list[str]:
    """An argument on its own line, or broken further."""
    pad = " " * indent
    if indent + len(text) + 1 <= WIDTH:
        return [f"{pad}{text},"]
    name, equals, value = text.partition("=") if _is_keyword(text) else ("", "", text)
    parts = _broken(value, indent, len(name) + len(equals))
    if parts is None:
        return [f"{pad}{text},"]
    return [f"{pad}{name}{equals}{parts[0]}", *parts[1:-1], f"{parts[-1]},"]


def _is_keyword(text: str) -> bool:
    name, equals, _ = text.partition("=")
    return bool(equals) and name.isidentifier()


def _parenthesised(expression: str, indent: int) -> list[str]:
    """An operator's operands in parentheses, one a line where they do not fit on one."""
    pad = " " * indent
    choice = ast.parse(expression, mode="eval").body
    if isinstance(choice, ast.IfExp):
        return ["(", *_choice(expression, choice, indent + 4), f"{pad})"]
    group = re.fullmatch(r"\((.*)\)( [*/] \S+)", expression)
    if group is not None:  # a sum in parentheses, such as a mean: these are the ones to break
        inner, tail = group.groups()
        whole = indent + 4 + len(inner) <= WIDTH
        return [
            "(",
            *(f"{pad}    {part}" for part in ([inner] if whole else _operands(inner))),
            f"{pad}){tail}",
        ]
    whole = indent + 4 + len(expression) <= WIDTH
    parts = [expression] if whole else _operands(expression)
    if not whole and len(parts) == 1:
        return [expression]
    return ["(", *(f"{pad}    {part}" for part in parts), f"{pad})"]


def _choice(expression: str, choice: ast.IfExp, indent: int) -> list[str]:
    """`a if b else c` on one line, or a line for each of its parts."""
    pad = " " * indent
    if indent + len(expression) <= WIDTH:
        return [pad + expression]
    body, test = choice.body.end_col_offset, choice.test.end_col_offset
    assert body is not None and test is not None
    first = _piece(expression, 0, body)
    broken = _broken(first, indent, 0) if indent + len(first) > WIDTH else None
    lines = [pad + first] if broken is None else [pad + broken[0], *broken[1:]]
    rest = (_piece(expression, body + 1, test), _piece(expression, test + 1, None))
    return [*lines, *(pad + part for part in rest)]


def _operands(expression: str) -> list[str]:
    """The operands of the operators of lowest rank, each with its operator before it."""
    for operators in ("+-", "*/@"):
        parts, start, depth = [], 0, 0
        for place, character in enumerate(expression):
            depth += (character in "([") - (character in ")]")
            if depth == 0 and character in operators and expression[place - 1] == " ":
                parts.append(expression[start:place].rstrip())
                start = place
        if parts:
            return [*parts, expression[start:]]
    return [expression]

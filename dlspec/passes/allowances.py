"""Leaving out the warnings that a spec's own comments allow, `# dlspec: allow W0401`.

Errors cannot be allowed, and an allowance that does nothing is told: a warning that is silenced
for good by a comment nobody reads any more would come back with other words one day.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from dlspec.diagnostics import Report
from dlspec.diagnostics.codes import CODES
from dlspec.passes.scope import did_you_mean
from dlspec.source import Source, Span
from dlspec.syntax import tree
from dlspec.syntax.allowances import Allowance, allowances
from dlspec.syntax.names import mentions

EXAMPLE = "write `# dlspec: allow W0401`, for example"
ABOUT_ALLOWANCES = ("W0101", "W0102")


class Idle(NamedTuple):
    """A code in a comment that silences nothing, and the line of the statement it speaks of."""

    code: Span
    line: int


def without_allowed(report: Report, sources: Iterable[Source]) -> tuple[Report, list[Idle]]:
    """What is left of a report, with W0101 for comments that cannot be read; and what silences
    nothing."""
    left = Report()
    allowed: dict[tuple[Source, int, str], list[Idle]] = {}
    idle: dict[Idle, None] = {}
    statements: dict[Source, Mapping[int, int]] = {}
    for source in sources:
        found, statements[source] = allowances(source)
        for one in found:
            for code in _readable(one, left):
                allowed.setdefault((source, one.line, code.text), []).append(Idle(code, one.line))
                idle[Idle(code, one.line)] = None
    for diagnostic in report.diagnostics:
        source, line = diagnostic.span.source, diagnostic.span.line
        line = statements.get(source, {}).get(line, line)
        places = allowed.get((source, line, diagnostic.code))
        if places is None or diagnostic.severity == "error":
            left.add(diagnostic)
        else:
            for place in places:
                idle.pop(place, None)
    return left, list(idle)


def _readable(allowance: Allowance, report: Report) -> list[Span]:
    """The codes of a comment that can be allowed. Reports W0101 for the rest."""
    word = allowance.word.text
    if word != "allow":
        report.warning(
            "W0101", allowance.word, f"a comment cannot ask dlspec to `{word}`", help=EXAMPLE
        )
        return []
    if not allowance.codes:
        report.warning("W0101", allowance.span, "this comment allows no code", help=EXAMPLE)
    return [code for code in allowance.codes if _can_be_allowed(code, report)]


def _can_be_allowed(place: Span, report: Report) -> bool:
    code = place.text
    warnings = [known for known in CODES if known.startswith("W")]
    if code in warnings and code not in ABOUT_ALLOWANCES:
        return True
    if code in CODES:
        what = "is about allowances" if code in ABOUT_ALLOWANCES else "is an error"
        message, help = f"`{code}` {what} and cannot be allowed", None
    else:
        message, help = f"there is no warning `{code}`", did_you_mean(code, warnings)
    report.warning("W0101", place, message, help=help)
    return False


def tell_idle(
    idle: Iterable[Idle], module: tree.Module, spans: Mapping[tuple[str, str], Span], report: Report
) -> None:
    """Report W0102 for codes in comments of a file that silence nothing, whatever its arguments.

    Where a line hangs on parameters or branches, other arguments may give the warning.
    """
    source = module.span.source
    statements = allowances(source).statements
    hanging = {statements.get(line, line) for line in _hanging_lines(module, spans)}
    for code, line in idle:
        if code.source is source and line not in hanging:
            report.warning(
                "W0102",
                code,
                f"line {line} gives no `{code.text}`: there is nothing to allow",
                help="remove the comment",
            )


def _hanging_lines(module: tree.Module, spans: Mapping[tuple[str, str], Span]) -> set[int]:
    """The lines that give other warnings for other arguments, or have not been elaborated."""
    source = module.span.source
    constants = {d.name.id for d in module.declarations if isinstance(d, tree.LetDeclaration)}
    elaborated = sorted(span.start for span in spans.values() if span.source is source)
    found: set[int] = set()
    for declaration in module.declarations:
        if not isinstance(declaration, tree.NetworkDeclaration):
            continue
        span, mentioned = declaration.span, mentions(declaration.span)
        first = bisect_left(elaborated, span.start)
        if first == len(elaborated) or elaborated[first] >= span.end or "if" in mentioned:
            found |= set(range(span.line, span.end_line + 1))
        for name in {p.name.id for p in declaration.parameters} | constants:
            found |= {source.position(place)[0] for place in mentioned.get(name, ())}
    return found

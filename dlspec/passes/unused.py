"""What a spec says and nothing uses: values, lines, parameters, constants, blocks.

Asked once there are no errors, since a mistake where a name was meant to be used makes it look
unused. What is named in a branch that these arguments do not take is used by others.
"""

from __future__ import annotations

from dlspec.diagnostics import Report
from dlspec.passes.context import Context
from dlspec.passes.declarations import Declarations
from dlspec.source import Span
from dlspec.syntax import tree
from dlspec.syntax.names import mentions


def warn_of_unused(found: Declarations, module: tree.Module, context: Context) -> None:
    """Report W0201 to W0203 for a file; of the files that it uses, for their values and lines."""
    report = context.report
    if report.failed:
        return
    _values(context, _named_by_trains(module))
    _lines(context)
    if not any(network.declaration.is_model for network in found.networks):
        return  # a file of blocks is for other files
    everywhere = mentions(module.span)
    for declaration in module.declarations:
        if isinstance(declaration, tree.LetDeclaration):
            if not _elsewhere(everywhere, declaration.name):
                _unused(declaration.name.span, f"the constant `{declaration.name.id}`", report)
        elif isinstance(declaration, tree.UseDeclaration):
            for name in declaration.names:
                if not _elsewhere(everywhere, name):
                    _unused(name.span, f"`{name.id}` of `{declaration.path.value}`", report)
        elif isinstance(declaration, tree.NetworkDeclaration):
            _parameters(declaration, report)
    _blocks(found, report)


def _unused(span: Span, what: str, report: Report) -> None:
    report.warning("W0201", span, f"nothing uses {what}", help="remove it")


def _elsewhere(mentioned: dict[str, tuple[int, ...]], name: tree.Name | tree.TypeName) -> bool:
    """Whether a name stands in another place than where it is bound."""
    return any(place != name.span.start for place in mentioned.get(name.id, ()))


def _named_by_trains(module: tree.Module) -> frozenset[str]:
    """What the settings of `train`s name: with `freeze = [stem]`, the layer that has this name."""
    trains = [d for d in module.declarations if isinstance(d, tree.TrainDeclaration)]
    return frozenset(name for train in trains for name in mentions(train.body.span))


def _values(context: Context, named: frozenset[str]) -> None:
    """Names bound in bodies that nothing reads, nor would with other arguments.

    named: what names layers from outside their bodies.
    """
    texts: dict[Span, dict[str, tuple[int, ...]]] = {}
    for name, binding, declaration in context.unused:
        span = binding.span
        if binding.used or name in named or span is None or span in context.used_places:
            continue
        if declaration not in texts:
            texts[declaration] = mentions(declaration)
        if all(place <= span.start for place in texts[declaration].get(name, ())):
            context.report.warning(
                "W0201", span, f"nothing uses the value `{name}`", help="remove it, or name it `_`"
            )


def _lines(context: Context) -> None:
    """Lines whose results are lost: no later line, name or output takes them."""
    for span, kind in context.lost:
        if (span, kind) not in context.kept:
            context.report.warning(
                "W0203",
                span,
                f"nothing uses what `{kind}` makes here",
                help="give the result a name and use it, or remove the line",
            )


def _parameters(declaration: tree.NetworkDeclaration, report: Report) -> None:
    mentioned = mentions(declaration.span)
    for parameter in declaration.parameters:
        if not _elsewhere(mentioned, parameter.name):
            noun = "model" if declaration.is_model else "block"
            name, owner = parameter.name.id, declaration.name.id
            _unused(parameter.name.span, f"the parameter `{name}` of the {noun} `{owner}`", report)


def _blocks(found: Declarations, report: Report) -> None:
    """Blocks that no model leads to, by other arguments either."""
    declarations = {network.name: network.declaration for network in found.networks}
    waiting = [n.name for n in found.networks if n.used or n.declaration.is_model]
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in declarations and name not in reached:
            reached.add(name)
            waiting += mentions(declarations[name].span)
    for network in found.networks:
        if network.name not in reached:
            place = network.declaration.name.span
            report.warning(
                "W0202", place, f"nothing uses the block `{network.name}`", help="remove it"
            )

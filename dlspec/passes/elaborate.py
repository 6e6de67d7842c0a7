"""From syntax tree to IR: names, loops, arguments and shapes, in one walk down the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from dlspec.diagnostics import Label, Report
from dlspec.ir.data import DataPlan
from dlspec.ir.graph import Graph, Program
from dlspec.ir.training import TrainPlan
from dlspec.passes import body, networks
from dlspec.passes.context import Context, Frame, LimitReached, NoIt
from dlspec.passes.declarations import Declarations, OpenFile, collect
from dlspec.passes.evaluate import evaluate
from dlspec.passes.fitting import train_plan
from dlspec.passes.scope import did_you_mean, nearest
from dlspec.passes.settings import data_plan
from dlspec.passes.values import Network, NetworkStage
from dlspec.passes.warnings import warn_of_graphs
from dlspec.passes.whence import similar
from dlspec.source import Span
from dlspec.syntax import tree


class Elaborated(NamedTuple):
    """A program, and the place of every node by its graph's key and its path."""

    program: Program
    spans: Mapping[tuple[str, str], Span]


def elaborate(
    module: tree.Module, open_file: OpenFile, path: Path | None, report: Report
) -> Elaborated:
    """The program that a module means. Mistakes go to `report`; what they spoil is left out."""
    context = Context(report, body.run_body, networks.instantiate)
    context.scope_of_builtins.bind("channels", 0, None, "builtin")
    models: list[str] = []
    plans: dict[str, DataPlan] = {}
    trains: tuple[TrainPlan, ...] = ()
    try:
        found = collect(module, context, open_file, (path,) if path is not None else ())
        models = _models(found, context)
        plans = _data(found, context)
        trains = _trains(found, plans, models, context)
        _unused(found, context)
    except LimitReached:
        pass
    except RecursionError:
        # Each block keeps to 64 levels; blocks in one another's braces can add up to more.
        place = context.place or module.span
        report.error("E0701", place, "blocks and braces nested too deep in one another")
    program = Program.model_construct(
        version=1,
        documentation=module.documentation,
        graphs=context.graphs,
        models=tuple(models),
        data=plans,
        trains=trains,
    )
    warn_of_graphs(program, context)
    return Elaborated(program, context.spans)


def _frame(found: Declarations, context: Context) -> Frame:
    return Frame(context, found.scope, None, NoIt("a setting cannot use `it`"))


# --- models ------------------------------------------------------------------------


def _models(found: Declarations, context: Context) -> list[str]:
    """Every model of the file that can stand alone, with its default arguments."""
    given = {
        name.callee.id
        for train in found.trains
        for name in train.models
        if isinstance(name, tree.Call) and isinstance(name.callee, tree.TypeName)
    }
    written = [network for network in found.networks if network.declaration.is_model]
    # Those that lack an argument come last, when it is known whether another model uses them.
    keys: dict[str, str] = {}
    for network in sorted(written, key=_lacks_argument):
        name = network.declaration.name
        if _lacks_argument(network) and (network.used or name.id in given):
            continue
        key = _standing(NetworkStage(network, (), name.span), context)
        if key is not None:
            keys[name.id] = key
    return [keys[network.name] for network in written if network.name in keys]


def _lacks_argument(network: Network) -> bool:
    return any(parameter.default is None for parameter in network.declaration.parameters)


def _standing(stage: NetworkStage, context: Context) -> str | None:
    """The key of a model elaborated for its own declared inputs. None after a mistake."""
    types = networks.model_inputs(stage, context)
    if types is None:
        return None
    return networks.instantiate(stage, types, context, ()).key


# --- data and training ---------------------------------------------------------------


def _data(found: Declarations, context: Context) -> dict[str, DataPlan]:
    plans: dict[str, DataPlan] = {}
    for name, declaration in found.data.items():
        plan = data_plan(declaration, _frame(found, context))
        if plan is not None:
            plans[name] = plan
    return plans


def _trains(
    found: Declarations, plans: Mapping[str, DataPlan], models: list[str], context: Context
) -> tuple[TrainPlan, ...]:
    trains: list[TrainPlan] = []
    for declaration in found.trains:
        graph = _trained(declaration, found, models, context)
        _data_known(declaration, found, context.report)
        data = plans.get(declaration.data.id)
        plan = train_plan(declaration, graph, data, _frame(found, context))
        if plan is not None:
            trains.append(plan)
    return tuple(trains)


def _trained(
    declaration: tree.TrainDeclaration, found: Declarations, models: list[str], context: Context
) -> Graph | None:
    """The graph of the model that is trained. Reports E0503 where there is none."""
    for written in declaration.models:
        callee = written.callee if isinstance(written, tree.Call) else written
        name = callee.id if isinstance(callee, tree.TypeName) else ""
        binding = found.scope.find(name)
        if binding is None or (
            isinstance(binding.value, Network) and not binding.value.declaration.is_model
        ):
            noun = "model" if binding is None else "model, but a block,"
            known = [
                n
                for n, b in found.scope.names.items()
                if isinstance(b.value, Network) and b.value.declaration.is_model
            ]
            verb = (
                f"there is no model `{name}`"
                if binding is None
                else f"`{name}` is no {noun} and cannot be trained"
            )
            context.report.error(
                "E0503",
                written.span,
                verb,
                labels=similar(name, found.scope) if binding is None else (),
                help=did_you_mean(name, known),
            )
            return None
    stage = evaluate(declaration.models[0], _frame(found, context).as_argument())
    if not isinstance(stage, NetworkStage):
        return None
    key = _standing(stage, context)
    if key is None:
        return None
    if key not in models:
        models.append(key)
    return context.graphs[key]


def _data_known(declaration: tree.TrainDeclaration, found: Declarations, report: Report) -> None:
    name = declaration.data.id
    if name not in found.data and name not in found.broken:
        like = nearest(name, found.data)
        report.error(
            "E0503",
            declaration.data.span,
            f"there is no `data {name}`",
            labels=[Label(found.data[like].name.span, "declared here")] if like else (),
            help=did_you_mean(name, found.data),
        )


def _unused(found: Declarations, context: Context) -> None:
    """Warn of names and blocks that nothing uses, once there are no errors: a mistake where a
    name was meant to be used makes it look unused."""
    if context.report.failed:
        return
    for name, binding in context.unused:
        span = binding.span
        if not binding.used and span is not None and span not in context.used_places:
            context.report.warning(
                "W0201", span, f"nothing uses the value `{name}`", help="remove it, or name it `_`"
            )
    if not any(network.declaration.is_model for network in found.networks):
        return
    for network in found.networks:
        if not network.declaration.is_model and not network.used:
            context.report.warning(
                "W0202", network.declaration.name.span, f"nothing uses the block `{network.name}`"
            )

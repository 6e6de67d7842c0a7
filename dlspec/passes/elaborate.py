"""From syntax tree to IR: names, loops, arguments and shapes, in one walk down the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from dlspec.diagnostics import Label, Report
from dlspec.ir.data import DataPlan
from dlspec.ir.graph import Program
from dlspec.ir.objective import Objective
from dlspec.ir.search import Search
from dlspec.ir.starts import Start
from dlspec.ir.training import TrainPlan
from dlspec.passes import body, networks
from dlspec.passes.context import Context, Frame, LimitReached, NoIt
from dlspec.passes.declarations import Declarations, collect
from dlspec.passes.evaluate import evaluate
from dlspec.passes.fitting import train_plan, train_start
from dlspec.passes.scope import did_you_mean, nearest
from dlspec.passes.searches import searches
from dlspec.passes.settings import data_plan
from dlspec.passes.unused import warn_of_unused
from dlspec.passes.uses import OpenFile, brought
from dlspec.passes.values import Network, NetworkStage, TrainedNetwork
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
    objectives: dict[str, Objective] = {}
    ranges: tuple[Search, ...] = ()
    try:
        found = collect(module, context, open_file, (path,) if path is not None else ())
        starts = [train_start(train, _frame(found, context)) for train in found.trains]
        models = _models(found, starts, context)
        plans = _data(found, context)
        trains, objectives = _trains(found, starts, plans, models, context)
        warn_of_unused(found, module, context)
        ranges = _searches(found, module, open_file, context)
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
        objectives=objectives,
        data=plans,
        trains=trains,
        searches=ranges,
    )
    warn_of_graphs(program, context)
    return Elaborated(program, context.spans)


def _searches(
    found: Declarations, module: tree.Module, open_file: OpenFile, context: Context
) -> tuple[Search, ...]:
    if not context.ranges and not any(map(_may_range, module.declarations)):
        return ()
    used = brought(module, open_file, context.report)
    return searches(module, used, _frame(found, context))


def _may_range(declaration: tree.Declaration) -> bool:
    return isinstance(declaration, tree.DataDeclaration | tree.TrainDeclaration) and any(
        isinstance(statement, tree.Bind) and statement.search is not None
        for statement in declaration.body.statements
    )


def _frame(found: Declarations, context: Context) -> Frame:
    return Frame(context, found.scope, None, NoIt("a setting cannot use `it`"))


# --- models ------------------------------------------------------------------------


def _models(found: Declarations, starts: list[Start | None], context: Context) -> list[str]:
    """Every model of the file that can stand alone, with its default arguments.

    Its weights start as the first `train` of it says.
    """
    told = dict[str, Start | None]()
    for train, start in zip(found.trains, starts, strict=True):
        for name in train.models:
            if isinstance(name, tree.TypeName):
                told.setdefault(name.id, start)
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
        context.start = told.get(name.id)
        key = _standing(NetworkStage(network, (), name.span), context)
        context.start = None
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
    found: Declarations,
    starts: list[Start | None],
    plans: Mapping[str, DataPlan],
    models: list[str],
    context: Context,
) -> tuple[tuple[TrainPlan, ...], dict[str, Objective]]:
    trains: list[TrainPlan] = []
    objectives: dict[str, Objective] = {}
    for declaration, start in zip(found.trains, starts, strict=True):
        context.start = start
        trained = _trained(declaration, found, models, context)
        _data_known(declaration, found, context.report)
        data = plans.get(declaration.data.id)
        program = Program.model_construct(graphs=context.graphs, models=tuple(models))
        frame = _frame(found, context)
        made = train_plan(declaration, trained, data, program, frame, objectives)
        context.start = None
        if made is not None:
            trains.append(made[0].model_copy(update={"init": start}))
            objectives |= made[1]
    return tuple(trains), objectives


def _trained(
    declaration: tree.TrainDeclaration, found: Declarations, models: list[str], context: Context
) -> list[TrainedNetwork]:
    """The models that are trained. Reports E0503 where there is none; then there are none."""
    trained: list[TrainedNetwork] = []
    for written in declaration.models:
        if not _is_model(written, found, context):
            return []
        stage = evaluate(written, _frame(found, context).as_argument())
        key = _standing(stage, context) if isinstance(stage, NetworkStage) else None
        if key is None or not isinstance(stage, NetworkStage):
            return []
        if any(stage.network is other.original for other in trained):
            name = stage.network.name
            context.report.error("E0203", written.span, f"`{name}` stands twice in this `train`")
            return []
        if key not in models:
            models.append(key)
        trained.append(TrainedNetwork(stage.network, stage, key))
    return trained


def _is_model(written: tree.TypeName | tree.Call, found: Declarations, context: Context) -> bool:
    callee = written.callee if isinstance(written, tree.Call) else written
    name = callee.id if isinstance(callee, tree.TypeName) else ""
    binding = found.scope.find(name)
    if binding is not None and not (
        isinstance(binding.value, Network) and not binding.value.declaration.is_model
    ):
        return True
    known = [
        n
        for n, b in found.scope.names.items()
        if isinstance(b.value, Network) and b.value.declaration.is_model
    ]
    verb = (
        f"there is no model `{name}`"
        if binding is None
        else f"`{name}` is no model, but a block, and cannot be trained"
    )
    context.report.error(
        "E0503",
        written.span,
        verb,
        labels=similar(name, found.scope) if binding is None else (),
        help=did_you_mean(name, known),
    )
    return False


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

"""What is said of a capitalised name that stands for nothing."""

from __future__ import annotations

from dlspec.layers import broken, layer_names
from dlspec.passes.context import Frame
from dlspec.passes.scope import Scope, did_you_mean
from dlspec.passes.spellings import foreign_help
from dlspec.passes.whence import similar
from dlspec.syntax import tree


def unknown_type(callee: tree.TypeName, frame: Frame) -> None:
    problem = broken(callee.id)
    if problem is not None:
        frame.report.error("E0212", callee.span, str(problem), help="tell its authors")
        return
    help = foreign_help(callee.id) or did_you_mean(
        callee.id, [*_capitalised(frame.scope), *layer_names()]
    )
    frame.report.error(
        "E0202",
        callee.span,
        f"there is no layer, block or model `{callee.id}`",
        labels=similar(callee.id, frame.scope),
        help=help,
    )


def _capitalised(scope: Scope) -> list[str]:
    return [name for name in scope.visible() if name[:1].isupper()]

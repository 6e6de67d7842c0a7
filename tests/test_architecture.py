"""The rules of the house, read off the source: who imports whom, who knows layers by name."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlspec.layers import all_layers

PACKAGE = Path(__file__).parent.parent / "dlspec"
FILES = sorted(PACKAGE.rglob("*.py"))

MAY_IMPORT: dict[str, set[str]] = {
    "source": set(),
    "packaged": set(),
    "diagnostics": {"source"},
    "syntax": {"source", "diagnostics", "packaged"},
    "ir": set(),
    "layers": {"ir"},
    "passes": {"source", "diagnostics", "packaged", "syntax", "ir", "layers"},
    "pipeline": {"source", "diagnostics", "packaged", "syntax", "ir", "layers", "passes"},
    "backends": {"ir", "layers"},
    "data": {"ir"},
    "training": {"ir", "layers", "passes", "backends", "data"},
    "tuning": {"ir", "pipeline", "data", "training"},
    "inference": {"ir", "layers", "backends", "data"},
    "editor": {"source", "diagnostics", "packaged", "syntax", "ir", "layers", "passes", "pipeline"},
}
"""Each room and the rooms it may import beside itself; `cli` and the public face import all."""

LIBRARIES: dict[str, set[str]] = {
    "torch": {"training", "data", "backends", "cli"},
    "onnx": {"backends", "inference", "cli"},
    "onnxruntime": {"inference", "backends", "cli"},
    "numpy": {"data", "training", "inference", "backends", "cli"},
    "pygraphviz": {"backends"},
    "resvg_py": {"backends"},
    "optuna": {"tuning"},
    "sqlalchemy": {"tuning"},
    "lark": {"syntax"},
    "click": {"cli"},
    "rich": {"cli", "diagnostics", "training"},
}
"""The rooms that may import a library at all."""


def room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every module imported anywhere in a file, in functions too, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            module = node.module or ""
            if module == "dlspec":
                for alias in node.names:
                    yield f"dlspec.{alias.name}", node.lineno
            else:
                yield module, node.lineno


def parsed() -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in FILES]


def test_imports_run_only_downwards() -> None:
    wrong: list[str] = []
    for path, tree in parsed():
        allowed = MAY_IMPORT.get(room(path))
        if allowed is None:
            continue
        for module, line in imports(tree):
            if module.partition(".")[0] != "dlspec":
                continue
            target = module.split(".")[1]
            if target not in {room(path), "__version__"} | allowed:
                wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {module}")
    assert not wrong


def test_every_room_has_its_rule() -> None:
    faces = {"__init__", "__main__", "cli", "api"}
    assert {room(path) for path in FILES} - faces <= set(MAY_IMPORT)


def test_heavy_libraries_stay_in_their_rooms() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)}:{line} imports {module}"
        for path, tree in parsed()
        for module, line in imports(tree)
        if room(path) not in LIBRARIES.get(module.partition(".")[0], {room(path)})
    ]
    assert not wrong


def _strings(node: ast.expr) -> Iterator[str]:
    parts = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    for part in parts:
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def _classes(call: ast.Call) -> Iterator[str]:
    """The class names that an `isinstance` or `issubclass` asks for."""
    if not isinstance(call.func, ast.Name) or call.func.id not in ("isinstance", "issubclass"):
        return
    for node in ast.walk(call.args[1]):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def branches_on_layers(tree: ast.AST, names: set[str], known: set[str]) -> Iterator[int]:
    """Lines that compare with a layer's name or ask for its class.

    names: the layers; known: those of them that the file imports from the layers' room
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            if any(text in names for operand in operands for text in _strings(operand)):
                yield node.lineno
        elif isinstance(node, ast.MatchValue) and set(_strings(node.value)) & names:
            yield node.value.lineno
        elif isinstance(node, ast.Call) and set(_classes(node)) & known:
            yield node.lineno


def _imported_layers(tree: ast.AST, names: set[str]) -> set[str]:
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dlspec.layers")
        for alias in node.names
        if alias.name in names
    }


def test_no_branch_on_a_layers_name_outside_layers() -> None:
    every = {layer.kind for layer in all_layers()}
    written = {layer.kind for layer in all_layers() if not layer.operator}
    wrong: list[str] = []
    for path, tree in parsed():
        # What expressions make has no name in a spec: in `syntax`, "Shift" is the parser's own.
        names = written if room(path) == "syntax" else every
        if room(path) != "layers":
            lines = branches_on_layers(tree, names, _imported_layers(tree, names))
            wrong += [f"{path.relative_to(PACKAGE)}:{line}" for line in lines]
    assert not wrong


@pytest.mark.parametrize(
    "text",
    [
        'if layer.kind == "Dense": pass',
        'if layer.kind in ("Add", "Dense"): pass',
        'match layer.kind:\n    case "Dense": pass',
        "from dlspec.layers.dense import Dense\nisinstance(layer, Dense)",
        "from dlspec.layers.dense import Dense as D\nisinstance(layer, (int, D))",
    ],
)
def test_the_rule_about_names_can_fail(text: str) -> None:
    tree = ast.parse(text)
    names = {"Dense"}
    assert list(branches_on_layers(tree, names, _imported_layers(tree, names)))


def test_files_and_functions_are_short() -> None:
    wrong: list[str] = []
    for path, tree in parsed():
        text = path.read_text(encoding="utf-8")
        lines = sum(1 for line in text.splitlines() if line.strip())
        if lines > 300:
            wrong.append(f"{path.relative_to(PACKAGE)} has {lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > 45:
                    wrong.append(f"{path.relative_to(PACKAGE)}:{node.lineno} has {length} lines")
    assert not wrong


def test_every_module_says_why_it_exists() -> None:
    silent = [
        str(path.relative_to(PACKAGE))
        for path, tree in parsed()
        if tree.body and ast.get_docstring(tree) is None
    ]
    assert not silent


HEAVY = ("torch", "onnx", "numpy", "rich", "onnxruntime", "pydantic", "lark")


def loaded(code: str, exit_code: int = 0) -> set[str]:
    """Which of the heavy libraries a program has imported at its end."""
    program = f"""
import atexit, sys
def report():
    print("loaded:", *(m for m in {HEAVY} if m in sys.modules))
atexit.register(report)
{code}
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == exit_code, done.stderr
    return set(done.stdout.splitlines()[-1].removeprefix("loaded:").split())


def test_importing_dlspec_is_light() -> None:
    assert loaded("import dlspec") == set()


@pytest.mark.parametrize(
    ("spec", "exit_code"), [("specs/lenet.dlnet", 0), ("tests/broken/two_mistakes.dlnet", 1)]
)
def test_check_is_light(spec: str, exit_code: int) -> None:
    path = PACKAGE.parent / spec
    code = f"sys.argv = ['dlspec', 'check', {str(path)!r}]\n"
    assert loaded(code + "from dlspec.cli import main; main()", exit_code) == set()


def test_the_rule_about_lightness_can_fail() -> None:
    assert loaded("import numpy") == {"numpy"}


@pytest.mark.parametrize(
    "package", sorted(PACKAGE.rglob("__init__.py")), ids=lambda path: path.parent.name
)
def test_no_name_of_a_package_is_a_modules_too(package: Path) -> None:
    """Importing the module would put it in the place of what the package defines."""
    tree = ast.parse(package.read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    modules = {path.stem for path in package.parent.iterdir()}
    assert defined & modules == set()

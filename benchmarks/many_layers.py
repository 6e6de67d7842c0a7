"""Specs of 100, 1,000 and 10,000 different layers: what each command takes, beside Keras.

    python benchmarks/many_layers.py [--rounds 3] [--keras PYTHON] [--layers 100 1000 10000]

Three shapes: one deep chain, many branches from one value, many blocks each used once. Every
time is that of a whole process. Keras builds the same model in its functional API, with
PyTorch behind it; PYTHON is the interpreter of an environment that has keras and torch. It
has to be allowed deeper recursion than Python's own limit, which 1,000 layers in a row pass.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

SPREAD = 13
"""Widths that follow each other before they begin anew; no layer is like the one before it."""


def width(number: int) -> int:
    return 4 + number * 5 % SPREAD


def chain(layers: int) -> str:
    lines = "".join(f"  Dense({width(n)}) -> ReLU\n" for n in range(layers // 2))
    return f"model Net {{\n  input x: float[16]\n{lines}}}\n"


def branches(layers: int) -> str:
    stages = ",\n    ".join(f"Dense({width(n)}) -> ReLU" for n in range(layers // 2))
    return f"model Net {{\n  input x: float[16]\n  ( {stages} ) -> Concat\n}}\n"


def blocks(layers: int) -> str:
    parts = "".join(
        f"block Part{n}(width) {{\n  Dense(width) -> ReLU\n}}\n" for n in range(layers // 2)
    )
    lines = "".join(f"  Part{n}({width(n)})\n" for n in range(layers // 2))
    return f"{parts}model Net {{\n  input x: float[16]\n{lines}}}\n"


SHAPES: dict[str, Callable[[int], str]] = {"chain": chain, "branches": branches, "blocks": blocks}
COMMANDS = {
    "check": ["check"],
    "summary": ["summary"],
    "compile --to torch": ["compile", "--to", "torch"],
    "compile --to onnx": ["compile", "--to", "onnx"],
}


def keras_model(shape: str, layers: int) -> None:
    """Build the model in this process; prints the seconds without the import, as JSON."""
    import keras

    sys.setrecursionlimit(10**6)  # Keras walks a model recursively, 1,000 layers are too deep
    start = time.perf_counter()
    x = inputs = keras.Input((16,))
    ends = []
    for number in range(layers // 2):
        source = inputs if shape == "branches" else x
        x = keras.layers.ReLU()(keras.layers.Dense(width(number))(source))
        ends.append(x)
    if shape == "branches":
        x = keras.layers.Concatenate()(ends)
    keras.Model(inputs, x)
    print(json.dumps(time.perf_counter() - start))


def seconds_of(command: list[str]) -> float:
    """The wall time of a process that must succeed."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return time.perf_counter() - start


def seconds_of_keras(python: str, shape: str, layers: int) -> float:
    """The time that Keras takes to build a model, its import left out."""
    done = subprocess.run(
        [python, __file__, "--child", shape, str(layers)],
        env={**os.environ, "KERAS_BACKEND": "torch"},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def ways(folder: Path, python: str | None) -> dict[str, Callable[[str, int], float]]:
    """What is measured, by its name."""

    def dlspec(arguments: list[str], shape: str, layers: int) -> float:
        spec = folder / f"{shape}{layers}.dlnet"
        if not spec.exists():
            spec.write_text(SHAPES[shape](layers))
        writes = ["-o", str(folder / "out")] if arguments[0] == "compile" else []
        return seconds_of([sys.executable, "-m", "dlspec", *arguments, str(spec), *writes])

    found: dict[str, Callable[[str, int], float]] = {
        f"dlspec {name}": lambda shape, layers, arguments=arguments: dlspec(
            arguments, shape, layers
        )
        for name, arguments in COMMANDS.items()
    }
    if python is not None:
        found["Keras, import left out"] = lambda shape, layers: seconds_of_keras(
            python, shape, layers
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--keras", metavar="PYTHON", help="interpreter with keras and torch")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        measured = ways(Path(name), options.keras)
        print(f"seconds, median of {options.rounds}, at {options.layers} layers")
        for shape in options.shapes:
            for way, measure in measured.items():
                middle = [
                    median(measure(shape, layers) for _ in range(options.rounds))
                    for layers in options.layers
                ]
                figures = "".join(f"{value:10.2f}" for value in middle)
                print(f"  {shape:10}{way:28}{figures}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        keras_model(sys.argv[2], int(sys.argv[3]))
    else:
        main()

"""A cold `dlspec check`, beside a Python that only imports the libraries it stands on.

    python benchmarks/cold_check.py [SPEC ...] [--rounds 21]

Every round starts each program once, one after the other, so that a busy machine slows
all alike; what counts is the median of the ratios within rounds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

SPECS = Path(__file__).parent.parent / "specs"
FLOOR = [sys.executable, "-c", "import lark, pydantic, click"]
CLASSES = [sys.executable, "-c", "import lark, click; from pydantic import BaseModel, Field"]


def seconds(command: list[str]) -> float:
    """The wall time of a process that must succeed."""
    # Modules that a package manager has installed lie there compiled; a clone's do after once.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("specs", nargs="*", default=[str(SPECS / "lenet.dlnet")])
    parser.add_argument("--rounds", type=int, default=21)
    options = parser.parse_args()
    commands = {"import lark, pydantic, click": FLOOR, "the same with BaseModel, Field": CLASSES}
    for spec in options.specs:
        name = f"dlspec check {Path(spec).name}"
        commands[name] = [sys.executable, "-m", "dlspec", "check", spec]
    for command in commands.values():
        seconds(command)
    rounds = [{name: seconds(c) for name, c in commands.items()} for _ in range(options.rounds)]
    first = next(iter(commands))
    print(f"whole processes, {options.rounds} rounds")
    for name in commands:
        milliseconds = median(r[name] for r in rounds) * 1000
        ratio = median(r[name] / r[first] for r in rounds)
        print(f"  {name:32}{milliseconds:8.0f} ms{ratio:8.2f} times")


if __name__ == "__main__":
    main()

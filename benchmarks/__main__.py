"""Every benchmark, one after the other: `make bench` (`MNIST=folder` for those that train)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def run(script: str, *arguments: str) -> None:
    """One benchmark in a process of its own."""
    print(f"\n{script} {' '.join(arguments)}".rstrip(), flush=True)
    subprocess.run([sys.executable, str(HERE / script), *arguments], check=True)


def main() -> None:
    run("cold_check.py")
    run("many_layers.py")
    run("onnx_build.py")
    run("train_resnet18.py")
    run("large_data.py")
    folder = os.environ.get("MNIST")
    if folder is None:
        print("\nnot run: train_lenet.py, time_to_99.py; MNIST=FOLDER names the four IDX files")
        return
    run("train_lenet.py", folder)
    run("time_to_99.py", folder)


main()

"""Direct ONNX building against `torch.onnx.export`, on a ResNet-50, in fresh processes.

    python benchmarks/onnx_build.py [REPEATS]

Both start from the model in memory with its weights and end with the file on the disk; the
libraries are imported before the clock starts, what they import themselves later counts.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

RESNET = Path(__file__).parent.parent / "specs" / "resnet.dlnet"
WAYS = ("direct", "direct and checked", "torch.onnx.export")


def direct(path: str, check: bool) -> float:
    """Seconds of our own builder, the checks of `dlspec compile` included if `check`."""
    import numpy as np

    from dlspec.backends.onnx import build_file
    from dlspec.ir.walk import buffer_shapes, weight_shapes
    from dlspec.pipeline import compile_file

    program = compile_file(RESNET).checked()
    graph = program.model("ResNet")
    shapes = weight_shapes(program, graph) | buffer_shapes(program, graph)
    weights = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    start = time.perf_counter()
    content = build_file(program, graph.key, weights, checked=check)
    Path(path).write_bytes(content)
    return time.perf_counter() - start


def traced(path: str) -> float:
    """Seconds of PyTorch's exporter with its defaults, on the module that dlspec emits."""
    import torch
    import torch.onnx

    from dlspec.backends.torch import emit_module, load_module
    from dlspec.pipeline import compile_file

    program = compile_file(RESNET).checked()
    module = load_module(emit_module(program, program.models[0]))().eval()
    image = torch.zeros(1, 3, 224, 224)
    start = time.perf_counter()
    torch.onnx.export(module, (image,), path)
    return time.perf_counter() - start


def child(way: str) -> None:
    """One measurement, printed as JSON on the last line."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/model.onnx"
        seconds = traced(path) if way == WAYS[2] else direct(path, way == WAYS[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak}))


def measure(way: str) -> dict[str, float]:
    """One measurement in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", way], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure all ways in turn, so that a busy machine slows each alike; print medians."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(repeats):
        for way in WAYS:
            found[way].append(measure(way))
    middle = {
        way: {key: median(run[key] for run in runs) for key in runs[0]}
        for way, runs in found.items()
    }
    theirs = middle[WAYS[2]]
    print(f"ResNet-50 to an ONNX file, median of {repeats}")
    for way, run in middle.items():
        print(
            f"  {way:<20} {run['seconds']:7.2f} s  {run['peak_mib']:6.0f} MiB"
            f"  {theirs['seconds'] / run['seconds']:6.1f} times as fast"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
    else:
        main()

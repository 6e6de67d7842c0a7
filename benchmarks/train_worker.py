"""dlspec's training loop as a worker that a benchmark of several programs can drive.

It prints one line `@@{"event": "ready", …}` when prepared, trains on the examples of round R
for each line `go R` on standard input, and answers with seconds, examples and loss; `eval`
asks for the accuracy on the test images, `quit` ends it.

    peers_train.py --external dlspec='python benchmarks/train_worker.py --data mnist'
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch

from dlspec.pipeline import compile_file
from dlspec.training.device import float32_products
from dlspec.training.examples import Examples
from dlspec.training.loop import take_step
from dlspec.training.measuring import measure
from dlspec.training.preparing import prepare_training
from dlspec.training.settings import TrainOptions
from dlspec.training.speed import choose_fastest, settle
from dlspec.training.training import Training

HERE = Path(__file__).parent


def prepare(
    data: str,
    batch: int,
    precision: str,
    device: str = "auto",
    spec: str = "lenet.dlnet",
    further: Mapping[str, str] = MappingProxyType({}),
    speed: Literal["eager", "compile", "graphs", "measured"] = "eager",
) -> Training:
    """The model of a spec of this folder on `data` (`mnist:FOLDER`), ready for its first step.

    speed: how steps are computed; `measured` takes what is fastest here, and prints the figures.
    """
    overrides = {"train.batch_size": str(batch), "train.precision": precision, **further}
    program = compile_file(HERE / spec, overrides).checked()
    folder = Path(tempfile.mkdtemp(prefix="dlspec-bench-")) / "run"
    way = "eager" if speed == "measured" else speed
    options = TrainOptions(folder, data=data, device=device, speed=way, show="nothing")
    training = prepare_training(program, program.trains[0], options)
    training.state.model.train()
    with float32_products(tf32=training.numerics.tf32):
        if speed == "measured":
            choose_fastest(training, _note)
        else:
            settle(training, _note)
    return training


def _note(text: str) -> None:
    print(text, file=sys.stderr)


def synthetic_images(samples: int) -> str:
    """A file of random 32×32 images, as `--data` names it."""
    count = max(samples, 512)
    chance = np.random.default_rng(0)
    path = Path(tempfile.mkdtemp(prefix="dlspec-bench-")) / "images.npz"
    images = chance.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    np.savez(path, image=images, label=chance.integers(0, 10, count))
    return f"npz:{path}"


def train_on(training: Training, numbers: np.ndarray) -> tuple[int, float]:
    """Steps on the examples with these numbers, in order. Gives how many, and the mean loss."""
    state, size = training.state, training.plan.batch_size
    steps = len(numbers) // size
    training.orders = {0: torch.from_numpy(numbers).to(training.examples.home)}
    training.steps = training.steps_per_epoch = steps
    state.step = state.seen = 0
    state.totals.zero_()
    with float32_products(tf32=training.numerics.tf32):
        for _ in range(steps):
            take_step(training)
    return steps * size, state.totals[0].item() / state.seen


def say(**facts: Any) -> None:
    print("@@" + json.dumps(facts), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=["lenet", "resnet18"], default="lenet")
    parser.add_argument("--data", help="folder of MNIST, for lenet")
    parser.add_argument("--samples", type=int, default=12800)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--precision", default="float32", help="float32, bf16 or auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    start = time.perf_counter()
    model, data = options.model, options.data
    data = f"mnist:{data}" if model == "lenet" else synthetic_images(options.samples)
    training = prepare(data, options.batch, options.precision, options.device, f"{model}.dlnet")
    built = time.perf_counter()
    train_on(training, np.arange(2 * options.batch))
    parameters = sum(p.numel() for p in training.state.model.parameters())
    say(
        event="ready", build_s=built - start, first_s=time.perf_counter() - built, params=parameters
    )
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "go":
            say(event="round", **_round(training, int(rest[0]), options.samples))
        elif word == "eval":
            test = Examples(training.dataset.test, training.numerics)
            figures = measure(
                training.state.model, training.objective, test, training.prepare_for_evaluation, 500
            )
            say(event="eval", acc=figures["accuracy"])
        else:
            break


def _round(training: Training, number: int, samples: int) -> dict[str, float]:
    """One timed round, on the examples that every program takes in it."""
    order = np.random.default_rng(1000 + number).permutation(training.examples.count)[:samples]
    cpu, start = time.process_time(), time.perf_counter()
    count, loss = train_on(training, order)
    return {
        "seconds": time.perf_counter() - start,
        "samples": count,
        "loss": loss,
        "cpu_s": time.process_time() - cpu,
    }


if __name__ == "__main__":
    main()

"""LeNet on MNIST: dlspec's loop beside the loop that a person writes over tensors in memory.

    python benchmarks/train_lenet.py MNIST [--rounds 9] [--samples 2560] [--device auto]

The rounds go A B C, A B C …, so that a busy machine slows all alike; what counts is the
median of the ratios within rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from torch import nn
from train_worker import prepare, train_on

from dlspec.training.device import synchronize
from dlspec.training.training import Training

Round = Callable[[np.ndarray], int]


def lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 20, 5, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(20, 50, 5, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2450, 500),
        nn.ReLU(),
        nn.Linear(500, 10),
    )


def by_hand(model: nn.Module, training: Training, batch: int) -> Round:
    """Float images and labels in memory, batches by index, Adam: nothing else."""
    device = training.numerics.device
    model = model.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    images = training.examples.fields["image"].float() / 255
    labels = training.examples.fields["label"]

    def one(numbers: np.ndarray) -> int:
        order = torch.from_numpy(numbers).to(device)
        for chosen in order[: len(order) // batch * batch].split(batch):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images[chosen]), labels[chosen])
            loss.backward()
            optimizer.step()
        return len(order) // batch * batch

    return one


def dlspec_loop(training: Training) -> Round:
    return lambda numbers: train_on(training, numbers)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="folder of MNIST")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--samples", type=int, default=2560)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--speed", default="eager", help="eager, compile, graphs or measured")
    options = parser.parse_args()
    exact, automatic = (
        prepare(
            f"mnist:{options.data}",
            options.batch,
            precision,
            options.device,
            speed=options.speed,
        )
        for precision in ("float32", "auto")
    )
    rounds: dict[str, Round] = {
        "by hand, float32": by_hand(lenet(), exact, options.batch),
        "dlspec, float32": dlspec_loop(exact),
        f"dlspec, auto ({'bf16' if automatic.numerics.bf16 else 'float32'})": dlspec_loop(
            automatic
        ),
    }
    compare(rounds, exact, options.rounds, options.samples, options.batch)


def compare(
    rounds: dict[str, Round], training: Training, count: int, samples: int, batch: int
) -> dict[str, float]:
    """Time the candidates in turn and print what they made: the medians of samples a second."""
    device = training.numerics.device
    for run in rounds.values():
        run(np.arange(2 * batch))
    rates: dict[str, list[float]] = {name: [] for name in rounds}
    for number in range(count):
        numbers = np.random.default_rng(number).permutation(training.examples.count)
        for name, run in rounds.items():
            synchronize(device)
            start = time.perf_counter()
            done = run(numbers[:samples])
            synchronize(device)
            rates[name].append(done / (time.perf_counter() - start))
    threads = torch.get_num_threads()
    report(rates, f"{device}, {threads} threads, batch {batch}, {count} rounds of {samples}")
    return {name: median(found) for name, found in rates.items()}


def report(rates: dict[str, list[float]], title: str) -> None:
    """Samples a second, and the median ratio to the first."""
    reference = next(iter(rates.values()))
    print(title)
    for name, found in rates.items():
        ratio = median(one / other for one, other in zip(found, reference, strict=True))
        print(
            f"  {name:<24} {median(found):>9,.0f} samples/s  {max(found):>9,.0f} at best"
            f"  {ratio:5.2f} times"
        )


if __name__ == "__main__":
    main()

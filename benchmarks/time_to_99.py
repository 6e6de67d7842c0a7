"""Seconds of training to 99.0% of MNIST's test images: dlspec beside a plain float32 loop.

    python benchmarks/time_to_99.py MNIST [--rounds 3] [--device auto]

The plain loop is Adam at batch 128 over float tensors in memory, two passes of a one-cycle
schedule up to 3e-3, which is what it needs; dlspec trains `mnist99.dlnet`. Each round takes
another seed; both models are measured on the test images afterwards, outside the clock.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from torch import nn
from train_lenet import lenet
from train_worker import HERE, prepare

from dlspec.pipeline import compile_file
from dlspec.training.device import choose_device, synchronize
from dlspec.training.loop import train
from dlspec.training.settings import TrainOptions

GOAL = 0.99


class Done(NamedTuple):
    seconds: float
    accuracy: float


def by_hand(data: str, seed: int, device: torch.device, passes: int = 2) -> Done:
    """The plain loop. Its images come from the reader that dlspec uses, before the clock."""
    stored = prepare(f"mnist:{data}", 128, "float32", str(device))
    images = stored.examples.fields["image"].float() / 255
    labels = stored.examples.fields["label"]
    torch.manual_seed(seed)
    model = lenet().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    steps = len(images) // 128
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=passes * steps)
    synchronize(device)
    start = time.perf_counter()
    for _ in range(passes):
        order = torch.randperm(len(images), device=device)
        for chosen in order[: steps * 128].split(128):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images[chosen]), labels[chosen])
            loss.backward()
            optimizer.step()
            schedule.step()
    synchronize(device)
    seconds = time.perf_counter() - start
    test = stored.dataset.test.fields
    images = torch.from_numpy(test["image"]).to(device).float() / 255
    with torch.inference_mode():
        found = torch.cat([model(part).argmax(1) for part in images.split(500)])
    right = found == torch.from_numpy(test["label"]).to(device)
    return Done(seconds, right.float().mean().item())


def by_dlspec(data: str, seed: int, device: str) -> Done:
    """The seconds that the run itself counts: everything from the first step to the last."""
    program = compile_file(HERE / "mnist99.dlnet", {"train.seed": str(seed)}).checked()
    folder = Path(tempfile.mkdtemp(prefix="dlspec-bench-")) / "run"
    options = TrainOptions(folder, data=f"mnist:{data}", device=device, show="nothing")
    run = train(program, program.trains[0], options)
    assert run.test is not None
    return Done(run.history[-1]["seconds"], run.test.figures["accuracy"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="folder of MNIST")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = choose_device(options.device)
    rounds: list[tuple[Done, Done]] = []
    for seed in range(options.rounds):
        hand = by_hand(options.data, seed, device)
        ours = by_dlspec(options.data, seed, options.device)
        rounds.append((hand, ours))
        print(
            f"  seed {seed}: by hand {hand.seconds:.1f} s, {hand.accuracy:.2%};"
            f" dlspec {ours.seconds:.1f} s, {ours.accuracy:.2%}",
            flush=True,
        )
    ratio = median(ours.seconds / hand.seconds for hand, ours in rounds)
    reached = sum(ours.accuracy >= GOAL for _, ours in rounds)
    print(
        f"dlspec took {ratio:.2f} of the plain loop's time; {reached} of {len(rounds)} reached 99%"
    )


if __name__ == "__main__":
    main()

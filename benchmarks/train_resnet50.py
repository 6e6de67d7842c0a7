"""ResNet-50 at 224×224 on a GPU: dlspec's loop beside a tuned one, and the share of the roofline.

    python benchmarks/train_resnet50.py --device cuda [--peak 989] [--compile]

The loop by hand computes in bf16, channels last, with a fused SGD, cuDNN's search for the best
kernels, its images on the device and no wait within a step. `--peak` is the device's greatest
rate of bf16 products in TFLOP/s without sparsity: 989 for an H100 SXM or an H200.
`--device cpu --size 32 --batch 8 --samples 16 --rounds 1 --speed eager` shows that the script
works.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn
from train_lenet import Round, compare, dlspec_loop
from train_worker import prepare

from dlspec.backends.torch import emit_module, load_module
from dlspec.pipeline import compile_file
from dlspec.training.training import Training

HERE = Path(__file__).parent
PASSES = 3
"""Forward, and backward through activations and weights: each costs as much as the first."""


def random_images(count: int, size: int) -> str:
    chance = np.random.default_rng(0)
    path = Path(tempfile.mkdtemp(prefix="dlspec-bench-")) / "images.npz"
    images = chance.integers(0, 256, (count, 3, size, size), dtype=np.uint8)
    np.savez(path, image=images, label=chance.integers(0, 1000, count))
    return f"npz:{path}"


def resnet50() -> tuple[nn.Module, int]:
    """The network as `dlspec compile` prints it, and its multiply-adds at 224×224."""
    from dlspec.passes.measure import totals

    program = compile_file(HERE / "resnet50.dlnet").checked()
    key = program.trains[0].model
    macs = totals(program, program.graphs[key]).macs
    assert isinstance(macs, int)
    return load_module(emit_module(program, key))(), macs


def tuned(model: nn.Module, training: Training, batch: int, compiled: bool) -> Round:
    device = training.numerics.device
    torch.backends.cudnn.benchmark = True
    model = model.to(device).to(memory_format=torch.channels_last)
    step = torch.compile(model, mode="max-autotune") if compiled else model
    fused = {"fused": True} if device.type == "cuda" else {}
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, **fused
    )
    stored, labels = training.examples.fields["image"], training.examples.fields["label"]
    mean = torch.tensor([0.485, 0.456, 0.406], device=device).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225], device=device).view(3, 1, 1)

    def one(numbers: np.ndarray) -> int:
        order = torch.from_numpy(numbers).to(stored.device)
        steps = len(order) // batch
        for chosen in order[: steps * batch].split(batch):
            images = ((stored[chosen].to(device).float() / 255 - mean) / std).contiguous(
                memory_format=torch.channels_last
            )
            with torch.autocast(device.type, torch.bfloat16):
                loss = nn.functional.cross_entropy(step(images), labels[chosen].to(device))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        return steps * batch

    return one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--samples", type=int, default=5120)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--peak", type=float, default=989)
    parser.add_argument("--compile", action="store_true", help="torch.compile the loop by hand")
    parser.add_argument("--speed", default="measured", help="eager, compile, graphs or measured")
    options = parser.parse_args()
    model, macs = resnet50()
    training = prepare(
        random_images(options.samples, options.size),
        options.batch,
        "bf16",
        options.device,
        "resnet50.dlnet",
        {"ResNet.size": str(options.size)} if options.size != 224 else {},
        options.speed,
    )
    rounds = {
        "by hand, tuned": tuned(model, training, options.batch, options.compile),
        "dlspec": dlspec_loop(training),
    }
    rates = compare(rounds, training, options.rounds, options.samples, options.batch)
    if options.size == 224:
        limit = options.peak * 1e12 / (2 * PASSES * macs)
        print(f"  dlspec at {rates['dlspec'] / limit:.1%} of the {limit:,.0f} images/s of the peak")


if __name__ == "__main__":
    main()

"""ResNet-18 for 32×32 images: dlspec's loop beside the loop that a person writes.

    python benchmarks/train_resnet18.py [--rounds 7] [--samples 512] [--device auto]

As `train_lenet.py` does it, on random images.
"""

from __future__ import annotations

import argparse

import torch
from torch import nn
from train_lenet import Round, by_hand, compare, dlspec_loop
from train_worker import prepare, synthetic_images


class Basic(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or channels != width:
            self.skip = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.main(x) + self.skip(x))


def resnet18() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    channels = 64
    for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Basic(channels, width, stride), Basic(width, width, 1)]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--speed", default="eager", help="eager, compile, graphs or measured")
    options = parser.parse_args()
    data = synthetic_images(options.samples)
    exact, automatic = (
        prepare(
            data,
            options.batch,
            precision,
            options.device,
            "resnet18.dlnet",
            speed=options.speed,
        )
        for precision in ("float32", "auto")
    )
    kind = "bf16" if automatic.numerics.bf16 else "float32"
    rounds: dict[str, Round] = {
        "by hand, float32": by_hand(resnet18(), exact, options.batch),
        "dlspec, float32": dlspec_loop(exact),
        f"dlspec, auto ({kind})": dlspec_loop(automatic),
    }
    compare(rounds, exact, options.rounds, options.samples, options.batch)


if __name__ == "__main__":
    main()

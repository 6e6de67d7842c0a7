"""CIFAR-10 to 94%: the `airbench94` recipe by hand beside dlspec's spec of it, in seconds.

    python benchmarks/airbench94.py DATA [--device cuda] [--rounds 5]

DATA holds `cifar10/{train,test}/CLASS/*.jpg`. The loop by hand follows the published recipe:
whitening filters from the training images, Dirac starts, a large rate for BatchNorm's shifts,
flips that alternate between passes, lookahead. Reading and decoding stay outside both clocks.
`--epochs 1 --device cpu` on a few images shows that the script works.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from torch import nn

from dlspec.data import load
from dlspec.pipeline import compile_file
from dlspec.training.device import choose_device, synchronize
from dlspec.training.loop import train
from dlspec.training.settings import TrainOptions

SPEC = Path(__file__).parent / "airbench94.dlnet"
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
BATCH, MOMENTUM = 1024, 0.85
SCALE = 1 + 1 / (1 - MOMENTUM)
RATE, DECAY, SHIFTS = 11.5 / SCALE, 0.0153 / SCALE, 64


def group(channels: int, width: int) -> list[nn.Module]:
    parts: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1, bias=False)]
    parts += [nn.MaxPool2d(2), nn.BatchNorm2d(width, eps=1e-12, momentum=0.4), nn.GELU()]
    parts.append(nn.Conv2d(width, width, 3, padding=1, bias=False))
    return [*parts, nn.BatchNorm2d(width, eps=1e-12, momentum=0.4), nn.GELU()]


def network(images: torch.Tensor) -> nn.Sequential:
    """The network, its first layer the whitening filters of these images."""
    first = nn.Conv2d(3, 24, 2)
    model = nn.Sequential(
        first, nn.GELU(), *group(24, 64), *group(64, 256), *group(256, 256),
        nn.MaxPool2d(3), nn.Flatten(), nn.Linear(256, 10, bias=False),
    ).to(images.device)  # fmt: skip
    for part in model:
        if isinstance(part, nn.Conv2d) and part.bias is None:
            nn.init.dirac_(part.weight.data[: part.in_channels])
        elif isinstance(part, nn.BatchNorm2d):
            part.weight.requires_grad_(False)
    patches = F.unfold(images, 2).transpose(1, 2).reshape(-1, 12)
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    filters = (vectors / torch.sqrt(values + 5e-4)).T.reshape(12, 3, 2, 2)
    first.weight.data.copy_(torch.cat([filters, -filters]))
    first.weight.requires_grad_(False)
    nn.init.zeros_(first.bias)
    return model.to(memory_format=torch.channels_last)


def factor(step: int, steps: int) -> float:
    """Of the rate: from 0.2 up to 1 at 23% of the steps, down to 0.07 at the end."""
    peak = max(int(0.23 * steps), 1)
    if step < peak:
        return 0.2 + 0.8 * step / peak
    return 1 - 0.93 * (step - peak) / max(steps - peak, 1)


def moved(images: torch.Tensor) -> torch.Tensor:
    """Each image moved by up to two pixels."""
    padded = F.pad(images, (2, 2, 2, 2), mode="reflect")
    rows, columns = torch.randint(0, 5, (2, len(images), 1, 1, 1), device=images.device)
    span = torch.arange(32, device=images.device)
    number = torch.arange(len(images), device=images.device)[:, None, None, None]
    channel = torch.arange(3, device=images.device)[:, None, None]
    return padded[number, channel, rows + span[:, None], columns + span]


def by_hand(images: torch.Tensor, labels: torch.Tensor, epochs: float) -> nn.Sequential:
    device = images.device
    batch = min(BATCH, len(images))
    model = network(images[:5000])
    shifts = [m.bias for m in model if isinstance(m, nn.BatchNorm2d)]
    others = [p for p in model.parameters() if p.requires_grad and all(p is not s for s in shifts)]
    rates = [SHIFTS * RATE, RATE]
    optimizer = torch.optim.SGD(
        [
            {"params": group, "lr": rate, "weight_decay": DECAY / rate}
            for group, rate in zip((shifts, others), rates, strict=True)
        ],
        momentum=MOMENTUM,
        nesterov=True,
    )
    slow = {name: value.clone() for name, value in model.state_dict().items()}
    per_epoch = len(images) // batch
    steps = max(int(per_epoch * epochs), 1)
    mirrored = torch.rand(len(images), 1, 1, 1, device=device) < 0.5
    source = torch.where(mirrored, images.flip(-1), images)
    for step in range(steps):
        if step % per_epoch == 0:
            epoch = step // per_epoch
            order = torch.randperm(len(images), device=device)
            whole = moved(source if epoch % 2 == 0 else source.flip(-1))
            model[0].bias.requires_grad_(epoch < 3)
        chosen = order[step % per_epoch * batch :][:batch]
        for part, rate in zip(optimizer.param_groups, rates, strict=True):
            part["lr"] = rate * factor(step, steps)
        inputs = whole[chosen].contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            scores = model(inputs) / 9
        loss = F.cross_entropy(scores.float(), labels[chosen], label_smoothing=0.2)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if (step + 1) % 5 == 0:
            decay = 0.95**5 * (step / steps) ** 3
            for name, value in model.state_dict().items():
                if value.is_floating_point():
                    slow[name].lerp_(value, 1 - decay)
                    value.copy_(slow[name])
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=float, default=9.9)
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    device = choose_device(options.device)
    settings = {"train.epochs": str(max(round(options.epochs), 1))}
    program = compile_file(SPEC, settings).checked()
    stored = load(program.data["Cifar"], options.data)
    mean, std = (torch.tensor(x, device=device).view(3, 1, 1) for x in (MEAN, STD))

    def split(name: str) -> tuple[torch.Tensor, torch.Tensor]:
        fields = getattr(stored, name).fields
        images = torch.from_numpy(fields["image"]).to(device).float() / 255
        return (images - mean) / std, torch.from_numpy(fields["label"]).to(device)

    (images, labels), (tests, right) = split("train"), split("test")
    ratios: list[float] = []
    for seed in range(options.rounds):
        torch.manual_seed(seed)
        synchronize(device)
        start = time.perf_counter()
        model = by_hand(images, labels, options.epochs).eval()
        synchronize(device)
        hand = time.perf_counter() - start
        with torch.inference_mode():
            found = torch.cat([(model(x) + model(x.flip(-1))).argmax(1) for x in tests.split(500)])
        folder = Path(tempfile.mkdtemp(prefix="dlspec-bench-")) / "run"
        made = compile_file(SPEC, {**settings, "train.seed": str(seed)}).checked()
        run = train(
            made,
            made.trains[0],
            TrainOptions(folder, data_root=options.data, device=options.device, show="nothing"),
        )
        assert run.test is not None
        ours = run.history[-1]["seconds"]
        ratios.append(ours / hand)
        print(
            f"  seed {seed}: by hand {hand:.2f} s, {(found == right).float().mean().item():.2%}; "
            f"dlspec {ours:.2f} s, {run.test.figures['accuracy']:.2%}",
            flush=True,
        )
    print(f"{device}: dlspec took {median(ratios):.2f} of the time of the loop by hand")


if __name__ == "__main__":
    main()

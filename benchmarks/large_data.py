"""Training on decoded images of ten times the memory that they may take, beside all in memory.

    python benchmarks/large_data.py [--images 4000] [--size 256] [--rounds 3]

Writes JPEG files into a temporary folder, decodes them once, then trains a network so small that
reading is what counts, in processes of its own: on a few of the images, on all of them in memory,
on all of them with a limit of a tenth. Memory is the peak of all resident pages (VmHWM), those
of files included, over that of the run on few. The rounds go A B, A B …; what counts is the
median of the ratios of samples a second within rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

SPEC = """
model Small {
  input image: float[3, SIZE, SIZE]
  AvgPool(8) -> Conv(16, 3, padding=1) -> BatchNorm -> ReLU
  GlobalAvgPool -> Dense(10)
}
data Photos {
  source    = image_folder("photos")
  transform = Resize(SIZE) -> Normalize(0.5, 0.25)
  augment   = RandomFlip
}
train Small on Photos {
  loss       = cross_entropy
  optimizer  = sgd(lr=0.01, momentum=0.9)
  batch_size = 64
  epochs     = 1
}
"""


def write_photos(folder: Path, count: int, size: int) -> None:
    """JPEG files in ten class folders, each with another gradient and some noise.

    They are a quarter as high and as wide as what reading makes of them, to be written quickly.
    """
    random = np.random.default_rng(0)
    rise = np.linspace(0, 200, size, dtype=np.float32)
    for number in range(count):
        colours = random.random((2, 3), np.float32)
        picture = rise[:, None, None] * colours[0] + rise[None, :, None] * colours[1] / 4
        picture += random.integers(0, 20, (size, size, 1))
        path = folder / "photos" / f"class{number % 10}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.astype(np.uint8)).save(path, quality=90)


def one_run(spec: str, folder: str, limit: str) -> None:
    """Train once in this process; print what it took."""
    from dlspec.pipeline import compile_text
    from dlspec.training.loop import train
    from dlspec.training.settings import TrainOptions

    made = compile_text(spec).checked()
    with tempfile.TemporaryDirectory() as place:
        options = TrainOptions(
            Path(place) / "run",
            device="cpu",
            data_root=Path(folder),
            cache_limit=int(limit),
            show="nothing",
        )
        run = train(made, made.trains[0], options)
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
    rate = run.history[-1]["samples_per_second"]
    print(json.dumps({"peak": peak, "rate": rate, "loss": run.history[-1]["loss"]}))


def measured(spec: str, folder: Path, limit: int) -> dict[str, float]:
    """The figures of one run in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", spec, str(folder), str(limit)],
        env={**os.environ, "DLSPEC_CACHE": str(folder / "cache")},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        one_run(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    spec = SPEC.replace("SIZE", str(options.size))
    size = options.images * options.size**2 * 3
    with tempfile.TemporaryDirectory() as place:
        few, many = Path(place) / "few", Path(place) / "many"
        write_photos(few, 640, options.size // 4)
        write_photos(many, options.images, options.size // 4)
        base = measured(spec, few, 0)
        measured(spec, many, 0)  # decodes
        rounds = [(measured(spec, many, 2**40), measured(spec, many, size // 10))
                  for _ in range(options.rounds)]  # fmt: skip
    print(f"{options.images:,} images of {options.size}×{options.size}: {size / 2**20:,.0f} MiB")
    print(f"limit {size / 10 / 2**20:,.0f} MiB; peak of few {base['peak'] / 2**20:,.0f} MiB")
    for name, runs in zip(("in memory", "limited"), zip(*rounds, strict=True), strict=True):
        more = max(run["peak"] for run in runs) - base["peak"]
        rate = median(run["rate"] for run in runs)
        print(f"  {name:<10} {more / 2**20:>7,.0f} MiB more  {rate:>9,.0f} samples/s")
    ratio = median(limited["rate"] / free["rate"] for free, limited in rounds)
    same = all(free["loss"] == limited["loss"] for free, limited in rounds)
    print(f"  samples a second, limited / in memory: {ratio:.2f}; same losses: {same}")


if __name__ == "__main__":
    main()

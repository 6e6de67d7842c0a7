"""How training scales with devices: samples a second of `dlspec train --devices N`, as ratios.

`python benchmarks/devices.py SPEC --devices 1 2 4 8 [--shard] [--rounds 3] [-- OPTIONS OF TRAIN]`

The spec's batch is the global one, so that every run trains the same (strong scaling);
`--per-device B` gives each device B examples instead. The figure of a run is the rate of its last
epoch, without the first, in which things are still being set up.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def rate(spec: str, devices: int, options: list[str]) -> float:
    """Samples a second of the last epoch of a run in `devices` processes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "dlspec", "train", spec, "--out", f"{folder}/run"]
        command += ["--quiet", "--format", "json", *options]
        if devices > 1:
            command += ["--devices", str(devices)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    epochs = json.loads(done.stdout)["epochs"]
    if len(epochs) < 2:
        sys.exit("the spec trains one epoch; two or more are needed")
    return epochs[-1]["samples_per_second"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("spec", type=Path)
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--per-device", type=int)
    parser.add_argument("--shard", action="store_true")
    given, rest = parser.parse_known_args()
    options = [option for option in rest if option != "--"]
    rates: dict[int, list[float]] = {devices: [] for devices in given.devices}
    for _ in range(given.rounds):
        for devices in given.devices:
            more = list(options)
            if given.shard and devices > 1:
                more.append("--shard")
            if given.per_device:
                more += ["--set", f"train.batch_size={given.per_device * devices}"]
            rates[devices].append(rate(str(given.spec), devices, more))
    first = given.devices[0]
    print("| devices | samples/s | ratio | of ideal |\n| --: | --: | --: | --: |")
    for devices, found in rates.items():
        ratios = [here / there for here, there in zip(found, rates[first], strict=True)]
        ratio = statistics.median(ratios)
        ideal = devices / first
        print(
            f"| {devices} | {statistics.median(found):,.0f} | {ratio:.2f} | {ratio / ideal:.0%} |"
        )


if __name__ == "__main__":
    main()

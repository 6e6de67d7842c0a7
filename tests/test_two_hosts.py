"""Training on two hosts: two network namespaces that see each other by one wire alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")

from test_devices import ENVIRONMENT, EVERYTHING, close
from training_setup import program, run

HOSTS = ("dlspec-a", "dlspec-b")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


@pytest.fixture
def hosts() -> Iterator[tuple[str, ...]]:
    """Two namespaces joined by a pair of virtual network cards, 10.77.0.1 and 10.77.0.2."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("network namespaces are for root alone")
    if shutil.which("ip") is None:
        pytest.skip("this machine has no `ip` (iproute2)")
    names = tuple(f"{name}-{os.getpid()}" for name in HOSTS)
    cards = tuple(f"dl{letter}{os.getpid() % 10**7}" for letter in "ab")
    made: list[str] = []
    try:
        try:
            for name in names:
                ip("netns", "add", name)
                made.append(name)
            ip("link", "add", cards[0], "type", "veth", "peer", "name", cards[1])
        except subprocess.CalledProcessError as problem:
            pytest.skip(f"no network namespaces here: {problem.stderr.strip()}")
        for number, (name, card) in enumerate(zip(names, cards, strict=True), start=1):
            ip("link", "set", card, "netns", name)
            ip("-n", name, "link", "set", card, "name", "wire")
            ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", "wire")
            ip("-n", name, "link", "set", "wire", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], check=False)
        subprocess.run(["ip", "link", "del", cards[0]], check=False, capture_output=True)


def test_two_hosts_train_as_one(hosts: tuple[str, ...], tmp_path: Path) -> None:
    """By torchrun on each; only the first host has the folder of the run."""
    processes: list[subprocess.Popen[str]] = []
    for number, name in enumerate(hosts):
        home = tmp_path / name
        home.mkdir()
        (home / "small.dlnet").write_text(EVERYTHING)
        place = ["--nnodes", "2", "--node-rank", str(number), "--nproc-per-node", "1"]
        place += ["--master-addr", "10.77.0.1", "--master-port", "29411"]
        command = [sys.executable, "-m", "torch.distributed.run", *place, "-m", "dlspec"]
        command += ["train", "small.dlnet", "--out", "run", "--device", "cpu"]
        processes.append(
            subprocess.Popen(
                ["ip", "netns", "exec", name, *command],
                cwd=home,
                env={**ENVIRONMENT, "GLOO_SOCKET_IFNAME": "wire"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    said = [process.communicate(timeout=200) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert "the run is in run" in said[0][0] and not said[1][0]
    assert not (tmp_path / hosts[1] / "run").exists()
    run(program(EVERYTHING), tmp_path / "alone", None)
    close(tmp_path / "alone", tmp_path / hosts[0] / "run")

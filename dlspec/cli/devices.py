"""Training in several processes: `--devices N` starts them, `together` is how each takes part."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from dlspec.cli.exits import ENVIRONMENT, USAGE, BrokenPromise, EnvironmentFault
from dlspec.cli.terminal import message

if TYPE_CHECKING:
    from dlspec.training.distributed import World
    from dlspec.training.distributed_ending import Ending

PLACE = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun and `--devices` tell a process by its environment."""
GRACE = 20.0
"""Seconds that the other processes have to end by themselves when one has ended badly."""
BY_ANOTHER = 75
"""The exit code of a process that ended because of another."""


def is_member() -> bool:
    """Whether this process is one of several that train together."""
    return all(name in os.environ for name in PLACE)


# --- in each process ---------------------------------------------------------------------------


@contextmanager
def together(devices: int | None) -> Iterator[World | None]:
    """Within, this process is one of those that the environment names; None where it names none.

    The first process alone writes to standard output and standard error; what ends the run is
    said once, by the process that knows it.
    """
    if not is_member():
        yield None
        return
    _same_number(devices)
    _check_patience()
    # What PyTorch's own log says of lost connections is said better here.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    streams = sys.stdout, sys.stderr
    if os.environ["RANK"] != "0":
        sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
    try:
        with _ending_together(streams) as world:
            yield world
    finally:
        sys.stdout, sys.stderr = streams


def _same_number(devices: int | None) -> None:
    size = os.environ["WORLD_SIZE"]
    if devices is not None and str(devices) != size:
        if os.environ["RANK"] != "0":
            raise click.exceptions.Exit(USAGE)
        raise click.UsageError(
            f"--devices {devices} contradicts torchrun, which started {size} processes; "
            "leave it out."
        )


def _check_patience() -> None:
    from dlspec.training.distributed_ending import patience_of

    try:
        patience_of(os.environ)
    except ValueError as problem:
        if os.environ["RANK"] != "0":
            raise click.exceptions.Exit(USAGE) from problem
        raise click.UsageError(f"{problem}.") from problem


@contextmanager
def _ending_together(streams: tuple[Any, Any]) -> Iterator[World]:
    from dlspec.training.distributed import Group, join
    from dlspec.training.distributed_ending import Ending

    world = join()
    if not isinstance(world, Group):
        yield world
        return
    ending = Ending(world)
    ending.watch()
    try:
        yield world
        ending.over()
        world.leave()
    except BaseException as problem:
        said = sys.stderr
        sys.stdout, sys.stderr = streams
        _end(ending, problem, said.getvalue() if isinstance(said, io.StringIO) else "")
        raise


def _end(ending: Ending, problem: BaseException, said: str) -> None:
    """Say what ended the run, if it is for this process to say. Raises Exit in its place if not."""
    from dlspec.training.distributed import PeerGone, is_lost
    from dlspec.training.distributed_ending import gone
    from dlspec.training.problems import Interrupted

    lost = isinstance(problem, PeerGone) or is_lost(problem)
    if isinstance(problem, Interrupted | BrokenPromise) or (
        isinstance(problem, click.exceptions.Exit) and not said
    ):
        ending.over()
        ending.linger()
        if ending.group.first:
            return
        raise click.exceptions.Exit(getattr(problem, "exit_code", ENVIRONMENT)) from problem
    if not lost:
        ending.waits_for_the_first()
    speaks = ending.speaks(PeerGone(str(problem)) if lost else problem)
    missing = ending.missing() if lost else []
    text = gone(ending, missing) if speaks and lost else ""
    ending.linger(without=range(ending.group.size) if ending.launched and lost else missing)
    if text:
        raise EnvironmentFault(text) from problem
    if not speaks:
        code = BY_ANOTHER if ending.launched else getattr(problem, "exit_code", ENVIRONMENT)
        raise click.exceptions.Exit(code) from problem
    if not ending.group.first:
        message(f"in {ending.group}:\n{said}".rstrip())


# --- starting them -----------------------------------------------------------------------------


def launch(count: int, arguments: Sequence[str], folder: str) -> int:
    """Run `dlspec train` with these arguments in `count` processes; the exit code of the run.

    The first that ends badly ends all. Ctrl-C and SIGTERM are passed on once, so that they
    save; the second time they end at once.
    """
    environment = _environment(count)
    children = [
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "dlspec", "train", *arguments],
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
        for rank in range(count)
    ]
    asked: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        _signal(children, signal.SIGTERM if len(asked) == 1 else signal.SIGKILL)

    before = {n: signal.signal(n, pass_on) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        killed = _watch(children)
    finally:
        _signal(children, signal.SIGKILL)
        for number, handler in before.items():
            signal.signal(number, handler)
    codes = [child.returncode for child in children]
    if killed and len(asked) < 2:
        more = " --shard" if "--shard" in arguments else ""
        resuming = f"dlspec train --resume {folder} --devices {count}{more}"
        _tell_killed(killed, count, resuming)
        return ENVIRONMENT
    return next((code for code in codes if code not in (0, BY_ANOTHER) and code > 0), max(codes))


def _environment(count: int) -> dict[str, str]:
    """What all processes get: where they meet, and how many threads each computes with."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    chosen = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "DLSPEC_LAUNCHER": str(os.getpid()),
    }
    loopback = "lo0" if sys.platform == "darwin" else "lo"
    usual = {
        "GLOO_SOCKET_IFNAME": loopback,
        "OMP_NUM_THREADS": str(max(1, (cores or 1) // count)),
    }
    return {**usual, **os.environ, **chosen}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _watch(children: Sequence[subprocess.Popen[bytes]]) -> dict[int, int]:
    """Wait for all to end; the signals that ended some, by their numbers.

    Those that have to be ended here, because another has ended, are not among them.
    """
    killed: dict[int, int] = {}
    deadline: float | None = None
    while True:
        codes = [child.poll() for child in children]
        if deadline is None or time.monotonic() < deadline:
            killed |= {r: -code for r, code in enumerate(codes) if code is not None and code < 0}
        if None not in codes:
            return killed
        if deadline is None and any(codes):
            deadline = time.monotonic() + GRACE
        if deadline is not None and time.monotonic() > deadline:
            _signal(children, signal.SIGKILL)
        time.sleep(0.02)


def _signal(children: Sequence[subprocess.Popen[bytes]], number: int) -> None:
    for child in children:
        if child.poll() is None:
            child.send_signal(number)


def _tell_killed(killed: dict[int, int], count: int, resuming: str) -> None:
    listed = ", ".join(
        f"process {rank} of {count} was ended by {signal.Signals(number).name}"
        for rank, number in killed.items()
    )
    message(
        f"Error: {listed}, and the others with it; `{resuming}` goes on from the last checkpoint"
    )

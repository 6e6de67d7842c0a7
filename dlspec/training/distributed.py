"""The processes of a run: which of them this is, and how they agree with each other.

Every collective of a run goes through here or through `distributed_models`. Alone, nothing is
sent, and nothing of `torch.distributed` is imported.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import torch

from dlspec.training.device import choose_device
from dlspec.training.problems import MachineProblem, Problem, SpecProblem

MEMBER = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""The variables by which torchrun, and `dlspec train --devices`, tell a process its place."""
LAUNCHER = "DLSPEC_LAUNCHER"
"""The variable that `dlspec train --devices` sets: its own process id."""
READY, FAILED = "ready", "failed"
LONGEST_WAIT = timedelta(minutes=15)
"""How long one process may wait for another, say while that writes a checkpoint."""


class PeerGone(Problem):
    """Another process of the run ended, so that this one cannot go on. It did not fail itself."""

    exit_code = 3


class Share(NamedTuple):
    """The part of a batch of `total` examples that one process works on: `start` to `stop`.

    counted: how many of them count; 0 where a batch has too few for every process and one
             example stands in, so that all processes compute the same things in the same order.
    scale:   what this part's mean is multiplied by, so that the mean over all processes is
             that over the batch.
    """

    total: int
    start: int
    stop: int
    counted: int
    scale: float

    @property
    def rows(self) -> slice:
        return slice(self.start, self.stop)

    @property
    def held(self) -> int:
        return self.stop - self.start


def share_of(rank: int, size: int, total: int) -> Share:
    """What the process `rank` of `size` takes of a batch: shares differ by one at most."""
    least, over = divmod(total, size)
    start = rank * least + min(rank, over)
    counted = least + (rank < over)
    if counted == 0:
        return Share(total, total - 1, total, 0, 0.0)
    return Share(total, start, start + counted, counted, size * counted / total)


class World:
    """The processes of a run. This class is a run that has one.

    share: the part of the batch at hand; set by `divide`.
    """

    rank = 0
    size = 1
    local_rank = 0
    local_size = 1

    def __init__(self) -> None:
        self.share = share_of(0, 1, 1)
        self.folder, self.sharded = "", False

    def __deepcopy__(self, memo: object) -> World:
        """Itself: models that know it are copied for averages."""
        return self

    @property
    def alone(self) -> bool:
        return self.size == 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def divide(self, total: int) -> Share:
        """This process's part of a batch of so many examples, which is the batch at hand now."""
        self.share = self.part(total)
        return self.share

    def part(self, total: int) -> Share:
        """This process's part of a batch of so many examples."""
        return share_of(self.rank, self.size, total)

    def device(self, name: str) -> torch.device:
        """The device of this process. Raises MachineProblem as `choose_device` does."""
        return choose_device(name)

    def any(self, flag: bool) -> bool:
        """Whether it is so in any process."""
        return flag

    def decided(self, flag: bool) -> bool:
        """What the first process says."""
        return flag

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, the same bits in each."""
        return tensor

    def joined(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensors of all processes behind each other along axis 0."""
        return tensor

    def from_first(self, make: Callable[[], bytes]) -> bytes:
        """What the first process makes."""
        return make()

    def same(self, what: str, text: str) -> None:
        """Make sure that a text is the same in all processes. Raises SpecProblem."""

    def settle(self, tensor: torch.Tensor) -> None:
        """Bring the sum of a tensor over all processes into the first, in place; others get 0."""

    def keep_first(self, tensor: torch.Tensor) -> None:
        """Leave a tensor in the first process, in place; others get 0."""

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """The first process of every machine goes through it before the others, which find on the
        disk what it left there."""
        yield

    def told(self, folder: str, *, sharded: bool) -> None:
        """The folder of the run and whether weights are divided, for messages."""
        self.folder, self.sharded = folder, sharded

    def resuming(self) -> str:
        """The command by which a run goes on."""
        return f"`dlspec train --resume {self.folder}`"

    def ready(self) -> None:
        """The spec and the data are good: from here on, one process may fail and not another."""

    def leave(self) -> None:
        """The run is over."""


class Group(World):
    """Several processes, in a process group of `torch.distributed`."""

    def __init__(self, store: Any, rank: int, size: int) -> None:
        super().__init__()
        import torch.distributed as dist

        self.dist = dist
        self.store = store
        self.rank, self.size = rank, size
        self.local_rank = int(os.environ.get("LOCAL_RANK", rank))
        self.local_size = int(os.environ.get("LOCAL_WORLD_SIZE", size))
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(
            backend, store=store, rank=rank, world_size=size, timeout=LONGEST_WAIT
        )

    def __str__(self) -> str:
        return f"process {self.rank} of {self.size}"

    def device(self, name: str) -> torch.device:
        device = choose_device(name)
        if device.type == "cpu":
            torch.set_num_threads(_threads(self.local_size))
            return device
        if device.type != "cuda":
            raise MachineProblem(
                f"PyTorch has no communication between processes on `{device.type}`; "
                "`--device cpu` trains on several processes"
            )
        count = torch.cuda.device_count()
        if name.startswith("cuda:") and self.local_size > 1:
            raise MachineProblem(f"`--device {name}` is one GPU for {self.local_size} processes")
        if self.local_size > count:
            raise MachineProblem(
                f"{self.local_size} processes need as many GPUs and this machine has {count}; "
                f"`--devices {count}` uses them all"
            )
        device = torch.device("cuda", self.local_rank)
        torch.cuda.set_device(device)
        return device

    def any(self, flag: bool) -> bool:
        told = torch.tensor(int(flag))
        self.dist.all_reduce(told, op=self.dist.ReduceOp.MAX)
        return bool(told)

    def decided(self, flag: bool) -> bool:
        return self.any(flag and self.first)

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        own = tensor.detach().cpu().contiguous()
        parts = [torch.empty_like(own) for _ in range(self.size)]
        self.dist.all_gather(parts, own)
        return torch.stack(parts).sum(0).to(tensor.device)

    def settle(self, tensor: torch.Tensor) -> None:
        tensor.copy_(self.sum(tensor))
        self.keep_first(tensor)

    def keep_first(self, tensor: torch.Tensor) -> None:
        if not self.first:
            tensor.zero_()

    def joined(self, tensor: torch.Tensor) -> torch.Tensor:
        own = tensor.detach().cpu().contiguous()
        lengths = torch.zeros(self.size, dtype=torch.long)
        lengths[self.rank] = len(own)
        self.dist.all_reduce(lengths)
        longest = int(lengths.max())
        padded = own.new_zeros(longest, *own.shape[1:])
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        self.dist.all_gather(parts, padded)
        kept = [part[:length] for part, length in zip(parts, lengths.tolist(), strict=True)]
        return torch.cat(kept).to(tensor.device)

    def from_first(self, make: Callable[[], bytes]) -> bytes:
        content = make() if self.first else b""
        length = torch.tensor(len(content))
        self.dist.broadcast(length, 0)
        carried = torch.empty(int(length), dtype=torch.uint8)
        if self.first and content:
            carried.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        if len(carried):
            self.dist.broadcast(carried, 0)
        return content if self.first else carried.numpy().tobytes()

    def same(self, what: str, text: str) -> None:
        wanted = self.from_first(text.encode).decode()
        if self.any(wanted != text):
            if wanted == text:
                raise PeerGone(f"another process has another {what} than the first")
            raise SpecProblem(f"{what} of {self} is not that of the first process")

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        key = f"been/{self.rank - self.local_rank}"
        while self.local_rank and not self.store.check([key]):
            if self.store.check([FAILED]):
                raise PeerGone("another process of this run failed")
            time.sleep(0.05)
        yield
        if self.local_rank == 0:
            self.store.set(key, "1")

    def resuming(self) -> str:
        shard = " --shard" if self.sharded else ""
        if LAUNCHER in os.environ:
            return f"`dlspec train --resume {self.folder} --devices {self.size}{shard}`"
        return f"`torchrun … -m dlspec train --resume {self.folder}{shard}`"

    def ready(self) -> None:
        if self.first:
            self.store.set(READY, "1")

    def leave(self) -> None:
        if self.dist.is_initialized():
            self.dist.barrier()
            self.dist.destroy_process_group()


def is_member() -> bool:
    """Whether torchrun or `dlspec train --devices` started this process."""
    return all(name in os.environ for name in MEMBER)


def join() -> World:
    """The run's processes: alone, unless the environment says that there are others.

    Raises MachineProblem where they do not come together.
    """
    if not is_member():
        return World()
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    try:
        store, rank, size = next(rendezvous("env://", timeout=timedelta(minutes=5)))
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        return Group(PrefixStore(f"dlspec/{attempt}", store), rank, size)
    except (RuntimeError, ValueError) as problem:
        place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        first = str(problem).partition("\n")[0][:300]
        raise MachineProblem(
            f"the processes of this run did not come together at {place}: {first}"
        ) from problem


def is_lost(problem: BaseException) -> bool:
    """Whether an error means that another process is gone, not that this one failed."""
    if not isinstance(problem, RuntimeError):
        return False
    import torch.distributed as dist

    text = str(problem).lower()
    return isinstance(problem, dist.DistError) or "gloo" in text or "nccl" in text


@contextmanager
def peers(world: World, folder: str, *, sharded: bool) -> Iterator[None]:
    """Within, an error of communication is a PeerGone that says how the run goes on."""
    world.told(folder, sharded=sharded)
    try:
        yield
    except RuntimeError as problem:
        if world.alone or not is_lost(problem):
            raise
        raise PeerGone(
            f"another process of this run is gone; {world.resuming()} goes on "
            "from the last checkpoint"
        ) from problem


def _threads(processes: int) -> int:
    """How many threads each of so many processes on this machine computes with.

    torchrun sets OMP_NUM_THREADS to 1 unless told; a number that a person sets is kept.
    """
    set_by_person = os.environ.get("OMP_NUM_THREADS")
    if set_by_person and "TORCHELASTIC_RUN_ID" not in os.environ:
        return torch.get_num_threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // processes)

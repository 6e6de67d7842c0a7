"""The device of a run and how to compute on it: precision and memory layout."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from dlspec.training.problems import MachineProblem


class Numerics(NamedTuple):
    """How a run computes.

    bf16:          whether convolutions and matrix products compute in bf16 (autocast).
    channels_last: whether images and their weights lie channels last in memory.
    tf32:          whether products of float32 values are computed in TF32, as GPUs can.
    """

    device: torch.device
    bf16: bool
    channels_last: bool
    tf32: bool = False

    def forward(self) -> AbstractContextManager[object]:
        """The context of a forward pass: autocast where the run computes in bf16."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def lay_out(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor in the memory layout of the run."""
        if self.channels_last and tensor.ndim == 4:
            return tensor.contiguous(memory_format=torch.channels_last)
        return tensor

    def __str__(self) -> str:
        threads = f", {torch.get_num_threads()} threads" if self.device.type == "cpu" else ""
        layout = ", channels last" if self.channels_last else ""
        return f"{device_name(self.device)}{threads}, {self.precision}{layout}"

    @property
    def precision(self) -> str:
        """`float32`, `bf16`, or `bf16 and tf32`."""
        types = "bf16" if self.bf16 else "float32"
        return f"{types} and tf32" if self.tf32 else types


@contextmanager
def float32_products(*, tf32: bool = False) -> Iterator[None]:
    """Inside, products of float32 values are exactly that, or take TF32 on GPUs that have it.

    Left alone, cuDNN's convolutions would take TF32 in float32's stead.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=tf32):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def choose_device(name: str = "auto") -> torch.device:
    """The device that `--device` names: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.

    Raises MachineProblem where this machine has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if _has_mps() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise MachineProblem(
            f"no device is called `{name[:64]}`; `--device` takes auto, cpu, cuda, cuda:1 or mps"
        ) from None
    if device.type == "cpu" or (device.type == "mps" and _has_mps()):
        return device
    if device.type != "cuda":
        raise MachineProblem(f"this machine has no device `{name}`; `--device auto` picks one")
    return _cuda(device)


def _cuda(device: torch.device) -> torch.device:
    if not torch.cuda.is_available():
        built = torch.backends.cuda.is_built()
        reason = (
            "PyTorch finds no NVIDIA GPU or no driver for it"
            if built
            else f"PyTorch {torch.__version__} was built without CUDA"
        )
        raise MachineProblem(f"no GPU: {reason}; leave `--gpu` out to train on the CPU")
    count = torch.cuda.device_count()
    if (device.index or 0) >= count:
        listed = ", ".join(f"cuda:{number}" for number in range(count))
        raise MachineProblem(f"this machine has no device `{device}`; it has {listed}")
    return torch.device("cuda", device.index or 0)


def choose_numerics(
    device: torch.device,
    precision: str,
    models: Iterable[nn.Module],
    channels_last: bool | None = None,
) -> Numerics:
    """How to compute `models` on `device`; `precision` is that of the plan.

    Beside bf16, what stays in float32 may take TF32, which rounds less than bf16 does.

    channels_last: None leaves the choice to what was measured: on CPUs and GPUs, convolutions
                   over images are faster so (LeNet 1.4 times, ResNet-18 1.07 times).
    """
    if channels_last is None:
        images = any(
            isinstance(module, nn.Conv2d) for model in models for module in model.modules()
        )
        channels_last = images and device.type in ("cpu", "cuda")
    bf16 = precision == "bf16" or (precision == "auto" and computes_bf16(device))
    tf32 = bf16 and device.type == "cuda"
    return Numerics(device, bf16, channels_last, tf32)


def computes_bf16(device: torch.device) -> bool:
    """Whether the device has instructions for bf16, so that it is not slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool({"amx_bf16", "avx512_bf16"} & _cpu_flags())


@cache
def _cpu_flags() -> frozenset[str]:
    """The instruction sets that Linux names; other systems are taken to have none of them."""
    listing = Path("/proc/cpuinfo")
    if not sys.platform.startswith("linux") or not listing.exists():
        return frozenset()
    for line in listing.read_text(errors="replace").splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def device_name(device: torch.device) -> str:
    """`CPU`, `NVIDIA H200`, `MPS`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()


def machine_facts(numerics: Numerics) -> dict[str, Any]:
    """What bits depend on beside the spec: kept with a run and compared when it goes on."""
    return {
        "torch": torch.__version__,
        "device": device_name(numerics.device),
        "threads": torch.get_num_threads(),
        "precision": numerics.precision,
        "channels_last": numerics.channels_last,
        "onednn": torch.backends.mkldnn.is_available(),
        "processor": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def peak_memory(device: torch.device) -> int:
    """The most bytes that were in use so far: on the GPU, else of the process. No wait for it."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _has_mps() -> bool:
    return torch.backends.mps.is_available()

"""First convolutions over few channels as matrix products, in bf16 on processors.

There the gradient of such a convolution's weights is an outlier: 5 ms of LeNet's 13 ms a step
(batch 128, 2 cores with AMX) against 0.6 ms as a product. The kernel's windows are laid side by
side in a matrix, which is small where the channels are few, and which nothing is derived
through: the first layer's input asks for no gradient.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import nn

MOST_INPUTS = 32
"""Of one output: with more, oneDNN's convolutions were as fast or faster."""
WIDTH = 16
"""Channels in a block of oneDNN: it has fast kernels for multiples of it."""


class ProductConv2d(nn.Conv2d):
    """The same convolution, as a matrix product where nothing is derived through its input."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] to [B, filters, height, width], channels last."""
        autocast = torch.is_autocast_enabled(input.device.type)
        if input.requires_grad or input.ndim != 4 or not autocast:
            return super().forward(input)
        windows, height, width = _windows(input.to(torch.bfloat16), self)
        result = F.linear(windows.t(), self.weight.reshape(len(self.weight), -1), self.bias)
        return result.view(len(input), height, width, -1).permute(0, 3, 1, 2)


def use_products(models: Iterable[nn.Module]) -> tuple[str, ...]:
    """Let the convolutions for which it is faster compute so under autocast; their paths."""
    found: list[str] = []
    for model in models:
        for path, module in model.named_modules():
            if type(module) is nn.Conv2d and _faster(module):
                module.__class__ = ProductConv2d
                found.append(path)
    return tuple(found)


def note_of_products(paths: tuple[str, ...]) -> tuple[str, ...]:
    """What the log says of it."""
    listed = ", ".join(f"`{path}`" for path in paths)
    return (f"few channels flow into {listed}: computed as a matrix product",) if paths else ()


def _faster(convolution: nn.Conv2d) -> bool:
    """Whether it was faster where it was measured: one channel in, or an odd number out."""
    height, width = convolution.kernel_size
    inputs = convolution.in_channels * height * width
    odd = convolution.in_channels == 1 or convolution.out_channels % WIDTH != 0
    plain = convolution.groups == 1 and convolution.padding_mode == "zeros"
    return plain and odd and height * width > 1 and inputs <= MOST_INPUTS


def _windows(x: torch.Tensor, convolution: nn.Conv2d) -> tuple[torch.Tensor, int, int]:
    """The values under the kernel at every place, [C · height · width of it, B · H · W].

    Rows are whole images moved by a pixel or so, which copies in long runs.
    """
    x = F.pad(x.contiguous(), convolution._reversed_padding_repeated_twice)
    batch, channels = x.shape[:2]
    (kernel_height, kernel_width), (dy, dx) = convolution.kernel_size, convolution.dilation
    sy, sx = convolution.stride
    height = (x.shape[2] - dy * (kernel_height - 1) - 1) // sy + 1
    width = (x.shape[3] - dx * (kernel_width - 1) - 1) // sx + 1
    image, channel, row, column = x.stride()
    windows = x.as_strided(
        (channels, kernel_height, kernel_width, batch, height, width),
        (channel, dy * row, dx * column, image, sy * row, sx * column),
    )
    return windows.reshape(channels * kernel_height * kernel_width, -1), height, width

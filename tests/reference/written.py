"""Classifiers that no package holds, written by hand from their papers, not from the specs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def convolution(channels: int, filters: int, kernel: int, **settings: int) -> nn.Sequential:
    """A convolution and its rectifier."""
    return nn.Sequential(nn.Conv2d(channels, filters, kernel, **settings), nn.ReLU())


def lenet(channels: int = 1) -> nn.Module:
    """LeNet as on the slides."""
    return nn.Sequential(
        convolution(channels, 20, 5, padding=2), nn.MaxPool2d(2),
        convolution(20, 50, 5, padding=2), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(50 * 7 * 7, 500), nn.ReLU(), nn.Linear(500, 10),
    )  # fmt: skip


def lenet5() -> nn.Module:
    """LeNet-5 (LeCun et al. 1998), every map of the second convolution seeing all of the first."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Tanh(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(),
        nn.Linear(84, 10),
    )  # fmt: skip


def alexnet() -> nn.Module:
    """AlexNet (Krizhevsky et al. 2012) as Caffe's bvlc_alexnet."""

    def response(size: int = 5) -> nn.Module:
        return nn.LocalResponseNorm(size, alpha=1e-4, beta=0.75, k=1)

    return nn.Sequential(
        convolution(3, 96, 11, stride=4), response(), nn.MaxPool2d(3, 2, ceil_mode=True),
        convolution(96, 256, 5, padding=2, groups=2), response(),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        convolution(256, 384, 3, padding=1),
        convolution(384, 384, 3, padding=1, groups=2),
        convolution(384, 256, 3, padding=1, groups=2), nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.Flatten(), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 1000),
    )  # fmt: skip


class InceptionPart(nn.Module):
    """Figure 2b of "Going Deeper with Convolutions"."""

    def __init__(self, channels: int, *widths: int) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, pool = widths
        self.one = convolution(channels, one, 1)
        self.three = nn.Sequential(
            convolution(channels, reduce3, 1), convolution(reduce3, three, 3, padding=1)
        )
        self.five = nn.Sequential(
            convolution(channels, reduce5, 1), convolution(reduce5, five, 5, padding=2)
        )
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), convolution(channels, pool, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1)


class GoogLeNet(nn.Module):
    """GoogLeNet (Szegedy et al. 2014) as Caffe's bvlc_googlenet."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            convolution(3, 64, 7, stride=2, padding=3), nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.LocalResponseNorm(5, 1e-4, 0.75, 1), convolution(64, 64, 1),
            convolution(64, 192, 3, padding=1), nn.LocalResponseNorm(5, 1e-4, 0.75, 1),
            nn.MaxPool2d(3, 2, ceil_mode=True),
        )  # fmt: skip
        self.low = nn.Sequential(
            InceptionPart(192, 64, 96, 128, 16, 32, 32),
            InceptionPart(256, 128, 128, 192, 32, 96, 64),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            InceptionPart(480, 192, 96, 208, 16, 48, 64),
        )
        self.first = self.classifier(512)
        self.middle = nn.Sequential(
            InceptionPart(512, 160, 112, 224, 24, 64, 64),
            InceptionPart(512, 128, 128, 256, 24, 64, 64),
            InceptionPart(512, 112, 144, 288, 32, 64, 64),
        )
        self.second = self.classifier(528)
        self.high = nn.Sequential(
            InceptionPart(528, 256, 160, 320, 32, 128, 128),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            InceptionPart(832, 256, 160, 320, 32, 128, 128),
            InceptionPart(832, 384, 192, 384, 48, 128, 128),
            nn.AvgPool2d(7), nn.Flatten(), nn.Dropout(0.4), nn.Linear(1024, 1000),
        )  # fmt: skip

    @staticmethod
    def classifier(channels: int) -> nn.Module:
        return nn.Sequential(
            nn.AvgPool2d(5, 3), convolution(channels, 128, 1), nn.Flatten(),
            nn.Linear(2048, 1024), nn.ReLU(), nn.Dropout(0.7), nn.Linear(1024, 1000),
        )  # fmt: skip

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        low = self.low(self.stem(image))
        middle = self.middle(low)
        return {
            "logits": self.high(middle),
            "aux1": self.first(low),
            "aux2": self.second(middle),
        }


class Same(nn.Module):
    """TensorFlow's padding for a stride of 2: the odd row and column at the end."""

    def __init__(self, kernel: int, stride: int, value: float = 0.0) -> None:
        super().__init__()
        self.kernel, self.stride, self.value = kernel, stride, value

    def forward(self, x: Tensor) -> Tensor:
        amounts: list[int] = []
        for size in (x.shape[3], x.shape[2]):
            steps = (size + self.stride - 1) // self.stride
            total = max((steps - 1) * self.stride + self.kernel - size, 0)
            amounts += [total // 2, total - total // 2]
        return F.pad(x, amounts, value=self.value)


def slim_unit(channels: int, filters: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """What TF-slim's Inceptions call a convolution: BatchNorm without a factor, ReLU."""
    norm = nn.BatchNorm2d(filters, eps=1e-3)
    norm.register_parameter("weight", None)
    return nn.Sequential(
        Same(kernel, stride), nn.Conv2d(channels, filters, kernel, stride, bias=False), norm,
        nn.ReLU(),
    )  # fmt: skip


def slim_maximum(stride: int) -> nn.Sequential:
    return nn.Sequential(Same(3, stride, float("-inf")), nn.MaxPool2d(3, stride))


class SlimPart(nn.Module):
    """A module of TF-slim's inception_v2; without a first width it halves the image."""

    def __init__(
        self, channels: int, one: int, three: tuple[int, int], double: tuple[int, int], pool: int,
        largest: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        stride = 1 if one else 2
        self.branches = nn.ModuleList([
            nn.Sequential(
                slim_unit(channels, three[0], 1), slim_unit(three[0], three[1], 3, stride)
            ),
            nn.Sequential(
                slim_unit(channels, double[0], 1), slim_unit(double[0], double[1], 3),
                slim_unit(double[1], double[1], 3, stride),
            ),
        ])  # fmt: skip
        if one:
            self.branches.insert(0, slim_unit(channels, one, 1))
            mean = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
            pooled = slim_maximum(1) if largest else mean
            self.branches.append(nn.Sequential(pooled, slim_unit(channels, pool, 1)))
        else:
            self.branches.append(slim_maximum(2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class SlimInception(nn.Sequential):
    """Inception v2 (Ioffe, Szegedy 2015) as TF-slim has it: a separable first convolution."""

    def __init__(self) -> None:
        stem = [
            Same(7, 2), nn.Conv2d(3, 24, 7, 2, groups=3, bias=False), slim_unit(24, 64, 1),
            slim_maximum(2), slim_unit(64, 64, 1), slim_unit(64, 192, 3), slim_maximum(2),
        ]  # fmt: skip
        parts = [
            SlimPart(192, 64, (64, 64), (64, 96), 32),
            SlimPart(256, 64, (64, 96), (64, 96), 64),
            SlimPart(320, 0, (128, 160), (64, 96), 0),
            SlimPart(576, 224, (64, 96), (96, 128), 128),
            SlimPart(576, 192, (96, 128), (96, 128), 128),
            SlimPart(576, 160, (128, 160), (128, 160), 96),
            SlimPart(576, 96, (128, 192), (160, 192), 96),
            SlimPart(576, 0, (128, 192), (192, 256), 0),
            SlimPart(1024, 352, (192, 320), (160, 224), 128),
            SlimPart(1024, 352, (192, 320), (192, 224), 128, largest=True),
        ]
        super().__init__(*stem, *parts, nn.AvgPool2d(7), nn.Flatten(), nn.Linear(1024, 1000))

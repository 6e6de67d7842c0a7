"""Networks that no package holds, written by hand from their papers, not from the specs."""

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


class CharLSTM(nn.Module):
    """One-hot characters, two layers of LSTM, scores (Karpathy 2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(65, 512, num_layers=2, batch_first=True)
        self.scores = nn.Linear(512, 65)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.scores(self.lstm(F.one_hot(tokens, 65).float())[0])


class DCGANGenerator(nn.Module):
    """The generator of DCGAN (Radford et al. 2015) for 64×64."""

    def __init__(self) -> None:
        super().__init__()
        widths = [100, 512, 256, 128, 64]
        parts: list[nn.Module] = []
        for i in range(4):
            stride, padding = (1, 0) if i == 0 else (2, 1)
            parts += [
                nn.ConvTranspose2d(widths[i], widths[i + 1], 4, stride, padding, bias=False),
                nn.BatchNorm2d(widths[i + 1]), nn.ReLU(),
            ]  # fmt: skip
        parts += [nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False), nn.Tanh()]
        self.parts = nn.Sequential(*parts)

    def forward(self, noise: Tensor) -> Tensor:
        return self.parts(noise[:, :, None, None])


def dcgan_discriminator() -> nn.Module:
    """The discriminator of DCGAN for 64×64, the sigmoid left out."""
    parts: list[nn.Module] = [nn.Conv2d(3, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    for width in (64, 128, 256):
        parts += [
            nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2),
        ]  # fmt: skip
    return nn.Sequential(*parts, nn.Conv2d(512, 1, 4, bias=False), nn.Flatten())


class StarGANGenerator(nn.Module):
    """The generator of StarGAN (Choi et al. 2018), table 4 of the paper."""

    def __init__(self) -> None:
        super().__init__()

        def normalized(layer: nn.Module, width: int) -> nn.Sequential:
            return nn.Sequential(layer, nn.InstanceNorm2d(width, affine=True))

        self.down = nn.Sequential(
            normalized(nn.Conv2d(8, 64, 7, 1, 3, bias=False), 64), nn.ReLU(),
            normalized(nn.Conv2d(64, 128, 4, 2, 1, bias=False), 128), nn.ReLU(),
            normalized(nn.Conv2d(128, 256, 4, 2, 1, bias=False), 256), nn.ReLU(),
        )  # fmt: skip
        self.residuals = nn.ModuleList(
            nn.Sequential(
                normalized(nn.Conv2d(256, 256, 3, 1, 1, bias=False), 256), nn.ReLU(),
                normalized(nn.Conv2d(256, 256, 3, 1, 1, bias=False), 256),
            )
            for _ in range(6)
        )  # fmt: skip
        self.up = nn.Sequential(
            normalized(nn.ConvTranspose2d(256, 128, 4, 2, 1, bias=False), 128), nn.ReLU(),
            normalized(nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), 64), nn.ReLU(),
            nn.Conv2d(64, 3, 7, 1, 3, bias=False), nn.Tanh(),
        )  # fmt: skip

    def forward(self, image: Tensor, label: Tensor) -> Tensor:
        planes = label[:, :, None, None].repeat(1, 1, image.shape[2], image.shape[3])
        x = self.down(torch.cat([image, planes], 1))
        for residual in self.residuals:
            x = x + residual(x)
        return self.up(x)


class StarGANDiscriminator(nn.Module):
    """The discriminator of StarGAN, table 5 of the paper."""

    def __init__(self) -> None:
        super().__init__()
        widths = [3, 64, 128, 256, 512, 1024, 2048]
        self.trunk = nn.Sequential(*(
            nn.Sequential(nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(0.01))
            for before, after in zip(widths, widths[1:], strict=False)
        ))  # fmt: skip
        self.source = nn.Conv2d(2048, 1, 3, 1, 1, bias=False)
        self.domain = nn.Conv2d(2048, 5, 2, bias=False)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x = self.trunk(image)
        return {"real": self.source(x), "domain": self.domain(x)[:, :, 0, 0]}


class Colorization(nn.Module):
    """Colorful Image Colorization (Zhang et al. 2016), table 4 of the paper; the mean of the
    distribution is learned, as in the authors' later model."""

    def __init__(self) -> None:
        super().__init__()
        # Channels, dilation and the last stride of each group of convolutions.
        table = [
            ([1, 64, 64], 1, 2), ([64, 128, 128], 1, 2), ([128, 256, 256, 256], 1, 2),
            ([256, 512, 512, 512], 1, 1), ([512, 512, 512, 512], 2, 1),
            ([512, 512, 512, 512], 2, 1), ([512, 512, 512, 512], 1, 1),
        ]  # fmt: skip
        self.groups = nn.Sequential(*(self.group(*row) for row in table))
        self.up = nn.Sequential(
            nn.ConvTranspose2d(512, 256, 4, 2, 1), nn.ReLU(),
            convolution(256, 256, 3, padding=1), convolution(256, 256, 3, padding=1),
            nn.Conv2d(256, 313, 1),
        )  # fmt: skip
        self.mean = nn.Conv2d(313, 2, 1, bias=False)

    @staticmethod
    def group(channels: list[int], dilation: int, last: int) -> nn.Module:
        parts: list[nn.Module] = []
        for i, (before, after) in enumerate(zip(channels, channels[1:], strict=False), 2):
            stride = last if i == len(channels) else 1
            parts.append(
                convolution(before, after, 3, stride=stride, padding=dilation, dilation=dilation)
            )
        return nn.Sequential(*parts, nn.BatchNorm2d(channels[-1]))

    def forward(self, lightness: Tensor) -> Tensor:
        shares = self.up(self.groups(lightness / 100 - 0.5)).softmax(1)
        colours = F.interpolate(self.mean(shares), scale_factor=4, mode="bilinear")
        return colours * 110

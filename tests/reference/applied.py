"""The networks of the course that classify no images, written by hand from their papers."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from written import convolution


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
            for before, after in pairwise(widths)
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
        for i, (before, after) in enumerate(pairwise(channels), 2):
            stride = last if i == len(channels) else 1
            parts.append(
                convolution(before, after, 3, stride=stride, padding=dilation, dilation=dilation)
            )
        return nn.Sequential(*parts, nn.BatchNorm2d(channels[-1]))

    def forward(self, lightness: Tensor) -> Tensor:
        shares = self.up(self.groups(lightness / 100 - 0.5)).softmax(1)
        colours = F.interpolate(self.mean(shares), scale_factor=4, mode="bilinear")
        return colours * 110

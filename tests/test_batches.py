"""Transforms of batches, against Pillow and NumPy, which know nothing of torch."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dlspec.data import augmenting, batches, colours, files, images, load, splits
from dlspec.data.preparing import prepare
from dlspec.ir.data import DataPlan
from dlspec.ir.sources import Digits
from dlspec.ir.transforms import CenterCrop, Normalize, RandomCrop, RandomFlip, Resize


def batch(count: int = 4, channels: int = 3, height: int = 13, width: int = 10) -> torch.Tensor:
    return torch.rand(count, channels, height, width, generator=seeded(1))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("height", "width"), [(28, 28), (5, 4), (1, 1), (13, 10), (7, 30)])
def test_resize_is_that_of_pillow(height: int, width: int):
    stored = batch()
    result = batches.resize(stored, height, width)
    for example, channel in np.ndindex(4, 3):
        image = Image.fromarray(stored[example, channel].numpy())
        wanted = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
        np.testing.assert_allclose(result[example, channel].numpy(), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "top", "left"),
    [((13, 10), 0, 0), ((12, 9), 0, 0), ((11, 8), 1, 1), ((4, 3), 4, 3), ((1, 1), 6, 4)],
)
def test_center_crop(size: tuple[int, int], top: int, left: int):
    height, width = size
    wanted = batch().numpy()[:, :, top : top + height, left : left + width]
    assert (batches.center_crop(batch(), height, width).numpy() == wanted).all()


@pytest.mark.parametrize("padding", [0, 2])
def test_random_crop_cuts_each_image_out_of_its_padded_self(padding: int):
    stored = batch(count=400, height=7, width=6)
    result = batches.random_crop(stored, 5, 4, padding, seeded(0)).numpy()
    padded = np.pad(stored.numpy(), [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    rows, columns = 7 + 2 * padding - 5 + 1, 6 + 2 * padding - 4 + 1
    counts = np.zeros((rows, columns), int)
    for image, cut in zip(padded, result, strict=True):
        places = [
            (r, c)
            for r, c in np.ndindex(rows, columns)
            if (image[:, r : r + 5, c : c + 4] == cut).all()
        ]
        assert len(places) == 1 or not cut.any()
        counts[places[0]] += 1
    expected = 400 / (rows * columns)
    # All places are equally likely: chi-squared is near the number of places.
    assert ((counts - expected) ** 2 / expected).sum() < 2.2 * rows * columns


def test_random_flip_mirrors_the_given_share():
    stored = batch(count=2000, channels=1, height=2, width=3)
    result = batches.random_flip(stored, 0.3, seeded(0)).numpy()
    mirrored = (result == stored.numpy()[..., ::-1]).all(axis=(1, 2, 3))
    kept = (result == stored.numpy()).all(axis=(1, 2, 3))
    assert (mirrored ^ kept).all() and abs(mirrored.mean() - 0.3) < 0.04
    assert (batches.random_flip(stored, 0.0, seeded(0)) == stored).all()
    assert (batches.random_flip(stored, 1.0, seeded(0)) == stored.flip(-1)).all()


def test_randomness_is_the_generators_alone():
    torch.manual_seed(3)
    first = batches.random_crop(batch(), 8, 8, 1, seeded(5))
    torch.manual_seed(4)
    assert (batches.random_crop(batch(), 8, 8, 1, seeded(5)) == first).all()
    state = torch.get_rng_state()
    batches.random_flip(batch(), 0.5, seeded(0))
    assert (torch.get_rng_state() == state).all()
    generator = seeded(5)
    batches.random_crop(batch(), 8, 8, 1, generator)
    assert not (batches.random_crop(batch(), 8, 8, 1, generator) == first).all()


@pytest.mark.parametrize(("mean", "std"), [(0.5, 0.25), ((0.1, 0.2, 0.3), (1.0, 2.0, 3.0))])
def test_normalize(mean, std):
    result = batches.normalize(batch(), mean, std).numpy()
    wanted = batch().numpy().transpose(0, 2, 3, 1) - np.array(mean)
    wanted = (wanted / np.array(std)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_device_gives_what_the_cpu_gives():
    for function, arguments in [(batches.random_crop, (8, 8, 2)), (batches.random_flip, (0.5,))]:
        on_cpu = function(batch(), *arguments, seeded(7))
        on_device = function(batch().cuda(), *arguments, seeded(7))
        assert on_device.device.type == "cuda" and (on_device.cpu() == on_cpu).all()
    for function, arguments in [
        (batches.resize, (28, 28)),
        (batches.resize, (5, 4)),
        (batches.normalize, (0.5, 0.2)),
    ]:
        difference = function(batch().cuda(), *arguments).cpu() - function(batch(), *arguments)
        assert difference.abs().max() < 1e-5


# --- a whole plan -------------------------------------------------------------------


def test_training_augments_before_normalising_and_evaluation_does_not():
    stages = (Resize(size=12), Normalize(mean=0.5, std=0.25), CenterCrop(size=8))
    plan = DataPlan(
        name="D",
        source=Digits(),
        transform=stages,
        augment=(RandomCrop(size=12, padding=2), RandomFlip()),
    )
    data = load(plan, Path())
    stored = {name: torch.from_numpy(array[:16]) for name, array in data.train.fields.items()}
    train, evaluate = prepare(data.plan)

    image = batches.resize(stored["image"].float() / 255, 12, 12)
    result = evaluate(stored)
    assert (result["label"] == stored["label"]).all() and stored["image"].dtype == torch.uint8
    assert torch.equal(result["image"], ((image - 0.5) / 0.25)[..., 2:10, 2:10])
    assert result["image"].shape[1:] == data.fields["image"].shape

    generator = seeded(2)
    image = batches.random_crop(image, 12, 12, 2, generator)
    image = batches.random_flip(image, 0.5, generator)
    assert torch.equal(train(stored, seeded(2))["image"], ((image - 0.5) / 0.25)[..., 2:10, 2:10])


def test_other_fields_and_float_images_pass_unchanged():
    train, evaluate = prepare(DataPlan(name="D", source=Digits()))
    stored = {"image": batch(), "x": torch.arange(4), "mask": torch.tensor([True] * 4)}
    for result in (train(stored, seeded(0)), evaluate(stored)):
        assert all(torch.equal(result[name], stored[name]) for name in stored)
    assert evaluate({"x": torch.arange(4)}).keys() == {"x"}


# --- copies in emitted programs -------------------------------------------------------


def functions(module) -> list[str]:
    return [
        inspect.getsource(function)
        for _, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
    ]


@pytest.mark.parametrize(
    ("module", "imports"),
    [
        (
            batches,
            "import torch\nimport torch.nn.functional as F\nfrom collections.abc import Sequence",
        ),
        (
            augmenting,
            "import math\nimport torch\nimport torch.nn.functional as F\n"
            "from collections.abc import Sequence",
        ),
        (colours, "import torch"),
        (splits, "import numpy as np\nfrom numpy.typing import NDArray"),
        (
            files,
            "import gzip, math, struct\nfrom pathlib import Path\nfrom typing import Any\n"
            "import numpy as np\nfrom numpy.typing import NDArray",
        ),
        (
            images,
            "import os, warnings\nfrom collections import deque\n"
            "from collections.abc import Iterator, Sequence\n"
            "from concurrent.futures import Future, ThreadPoolExecutor\nfrom pathlib import Path\n"
            "import numpy as np\nfrom numpy.typing import NDArray\n"
            "from PIL import Image, ImageOps, UnidentifiedImageError\n"
            "ImageSteps = tuple[tuple[str, int, int], ...]",
        ),
    ],
)
def test_functions_stand_by_themselves(module, imports: str):
    """Copied into a file with these imports alone, they have every name that they use."""
    source = (
        "from __future__ import annotations\n" + imports + "\n\n" + "\n".join(functions(module))
    )
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821,F401", "-"],
        input=source,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "dlspec" not in source

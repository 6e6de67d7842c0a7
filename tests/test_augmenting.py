"""Random transforms, against Pillow, `colorsys`, torch's own resizing and statistics."""

from __future__ import annotations

import colorsys
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data_files import plan, problem
from PIL import Image, ImageEnhance
from torch.nn import functional

from dlspec.data import augmenting, colours, load
from dlspec.data.preparing import prepare
from dlspec.inference.preparation import grayscale as grayscale_without_torch
from dlspec.ir.sources import Digits, Npz
from dlspec.ir.transforms import (
    CutMix,
    Grayscale,
    MixUp,
    Normalize,
    RandomFlip,
    RandomResizedCrop,
    Resize,
)
from dlspec.ir.types import tensor


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(count: int = 6, channels: int = 3, height: int = 13, width: int = 18) -> torch.Tensor:
    return torch.rand(count, channels, height, width, generator=seeded(1))


def eight_bit(images: torch.Tensor) -> list[Image.Image]:
    pixels = (images * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(picture) for picture in pixels]


# --- where and how large -------------------------------------------------------------


def parts(count: int, scale: tuple[float, float], ratio: tuple[float, float], seed: int = 0):
    images = torch.zeros(count, 1, 60, 80)
    return augmenting.random_parts(images, scale, ratio, seeded(seed))


def test_parts_have_the_areas_and_the_proportions_asked_for():
    found, fits = parts(4000, (0.1, 0.5), (0.5, 2.0))
    top, left, rows, columns = found.unbind(1)
    assert fits.all() and (found == found.round()).all()
    assert (top >= 0).all() and (left >= 0).all()
    assert (top + rows <= 60).all() and (left + columns <= 80).all()
    areas, ratios = rows * columns / 4800, columns / rows
    assert areas.min() > 0.09 and areas.max() < 0.52
    assert ratios.min() > 0.47 and ratios.max() < 2.15
    assert abs(ratios.log().mean()) < 0.05  # the logarithm is even about 0
    assert abs(areas.mean() - 0.3) < 0.02
    # The place is even among those where the part fits.
    assert abs((top / (60 - rows).clamp(min=1)).mean() - 0.5) < 0.03


def test_parts_that_never_fit_are_said_to():
    _, fits = parts(50, (0.9, 1.0), (9.0, 10.0))
    assert not fits.any()


@pytest.mark.parametrize(("height", "width"), [(7, 9), (24, 31), (60, 5)])
def test_a_resized_crop_is_the_part_resized_as_torch_does(height: int, width: int):
    images = batch(24, 2, 37, 53)
    settings: Any = ((0.08, 1.0), (0.75, 4 / 3))
    found = augmenting.random_resized_crop(images, height, width, *settings, seeded(3))
    places, _ = augmenting.random_parts(images, *settings, seeded(3))
    for image, result, place in zip(images, found, places, strict=True):
        top, left, rows, columns = map(int, place)
        part = image[None, :, top : top + rows, left : left + columns]
        wanted = functional.interpolate(
            part, size=(height, width), mode="bilinear", antialias=True, align_corners=False
        )
        torch.testing.assert_close(result, wanted[0], rtol=0, atol=2e-6)


def test_where_no_part_fits_the_middle_is_taken():
    images = batch(3, 1, 10, 40)
    found = augmenting.random_resized_crop(images, 10, 20, (1.0, 1.0), (1.9, 2.0), seeded())
    torch.testing.assert_close(found, images[..., 10:30], rtol=0, atol=1e-6)


def test_rotation_is_that_of_pillow_inside():
    images = batch(5, 1, 41, 31)
    angles = augmenting.uniform(5, -40, 70, seeded(2))
    found = augmenting.random_rotation(images, -40, 70, 0.0, seeded(2))
    for image, result, angle in zip(images, found, angles, strict=True):
        turned = Image.fromarray(image[0].numpy()).rotate(
            float(angle), Image.Resampling.BILINEAR, fillcolor=0
        )
        inside = (slice(14, 27), slice(9, 22))  # what no corner reaches
        np.testing.assert_allclose(result[0][inside].numpy(), np.asarray(turned)[inside], atol=2e-3)


def test_rotation_by_quarters_and_its_corners():
    images = batch(2, 3, 12, 12)
    left = augmenting.random_rotation(images, 90, 90, 0.0, seeded())
    torch.testing.assert_close(left, images.rot90(1, (2, 3)), rtol=0, atol=1e-5)
    same = augmenting.random_rotation(images, 0, 0, 0.0, seeded())
    torch.testing.assert_close(same, images, rtol=0, atol=1e-5)
    corners = augmenting.random_rotation(images, 45, 45, 0.7, seeded())[..., 0, 0]
    torch.testing.assert_close(corners, torch.full((2, 3), 0.7))
    wide = augmenting.random_rotation(batch(1, 1, 9, 21), 90, 90, 0.0, seeded())
    turned = batch(1, 1, 9, 21)[..., 6:15].rot90(1, (2, 3))
    torch.testing.assert_close(wide[..., 6:15], turned, rtol=0, atol=1e-5)
    assert wide[..., :5].abs().max() < 1e-5  # a wide image keeps its size


def test_erasing_writes_one_rectangle_and_leaves_the_rest():
    images = batch(3000, 3, 12, 16) + 1
    sizes, values = ((0.1, 0.3), (0.5, 2.0)), (0.0, 2.5, -1.0)
    found = augmenting.random_erasing(images, 0.25, *sizes, values, seeded())
    changed = (found != images).any(1)
    hit = changed.flatten(1).any(1)
    assert abs(hit.float().mean() - 0.25) < 0.03
    for mask, image in zip(changed[hit], found[hit], strict=True):
        rows, columns = mask.any(1), mask.any(0)
        assert mask.sum() == rows.sum() * columns.sum()  # a full rectangle
        assert 0.07 < mask.float().mean() < 0.34
        assert (image[:, mask] == torch.tensor(values)[:, None]).all()
    assert torch.equal(augmenting.random_erasing(images, 0.0, *sizes, 0.0, seeded()), images)


# --- colours -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "enhance"),
    [(0, ImageEnhance.Brightness), (1, ImageEnhance.Contrast), (2, ImageEnhance.Color)],
)
def test_jitter_is_that_of_pillow(number: int, enhance: Any):
    images = (batch() * 255).round() / 255
    arguments = [0.0, 0.0, 0.0]
    arguments[number] = 0.6
    found = colours.color_jitter(images, *arguments, 0.0, seeded(4))
    factors = augmenting.uniform(6, 0.4, 1.6, seeded(4))
    for picture, result, factor in zip(eight_bit(images), found, factors, strict=True):
        wanted = np.asarray(enhance(picture).enhance(float(factor))).transpose(2, 0, 1) / 255
        # Pillow rounds to bytes on its way.
        np.testing.assert_allclose(result.numpy(), wanted, atol=2.1 / 255)


def test_hue_is_that_of_colorsys():
    images = batch(4, 3, 5, 6)
    images[0, :, 0] = 0.5  # grey has no hue
    turn = torch.tensor([0.3, -0.45, 0.5, 0.0])
    found = colours.turned_hue(images, turn)
    for example, y, x in np.ndindex(4, 5, 6):
        hue, saturation, value = colorsys.rgb_to_hsv(*images[example, :, y, x].tolist())
        wanted = colorsys.hsv_to_rgb((hue + float(turn[example])) % 1, saturation, value)
        np.testing.assert_allclose(found[example, :, y, x].numpy(), wanted, atol=1e-5)
    torch.testing.assert_close(found[3], images[3], rtol=0, atol=1e-6)


def test_jitter_draws_for_every_image_within_its_bounds():
    images = torch.full((4000, 1, 2, 2), 0.4)
    found = colours.color_jitter(images, 0.5, 0.0, 0.0, 0.0, seeded())[:, 0, 0, 0] / 0.4
    assert found.min() >= 0.5 and found.max() <= 1.5 and abs(found.mean() - 1) < 0.02
    assert abs(found.std() - 1 / math.sqrt(12)) < 0.02
    one = torch.tensor([[[[0.9]], [[0.5]], [[0.1]]]])
    turned = colours.color_jitter(one.expand(500, 3, 1, 1), 0, 0, 0, 0.1, seeded())
    hues = torch.tensor([colorsys.rgb_to_hsv(*pixel.flatten().tolist())[0] for pixel in turned])
    start = colorsys.rgb_to_hsv(0.9, 0.5, 0.1)[0]
    turns = (hues - start + 0.5) % 1 - 0.5
    assert 0.09 < turns.abs().max() <= 0.1001 and abs(turns.mean()) < 0.01
    assert colours.color_jitter(images, 2.0, 0.0, 0.0, 0.0, seeded()).max() <= 1


def test_grey_is_pillows_luma_with_and_without_torch():
    images = (batch() * 255).round() / 255
    found = colours.grayscale(images, 1)
    for picture, result, image in zip(eight_bit(images), found, images, strict=True):
        wanted = np.asarray(picture.convert("L")) / 255
        np.testing.assert_allclose(result[0].numpy(), wanted, atol=0.51 / 255)
        for channels in (1, 3):
            apart = grayscale_without_torch(image.numpy(), channels)
            np.testing.assert_allclose(
                apart, colours.grayscale(image[None], channels)[0].numpy(), atol=1e-6
            )
    assert torch.equal(colours.grayscale(found, 3), found.expand(-1, 3, -1, -1))


# --- mixtures ------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_are_from_the_beta_distribution(alpha: float):
    found = augmenting.beta_shares(20_000, alpha, 1.0, seeded())
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(found.mean() - 0.5) < 0.01 and abs(found.var() - variance) < 0.01
    assert found.min() >= 0 and found.max() <= 1
    some = augmenting.beta_shares(20_000, alpha, 0.3, seeded())
    assert abs((some < 1).float().mean() - 0.3) < 0.02


def test_mix_up_is_the_weighted_mean_of_two_examples_and_their_classes():
    images, classes = batch(), torch.tensor([0, 1, 2, 3, 3, 3])
    found, share = augmenting.mix_up(images, 0.4, 1.0, seeded())
    mixed = augmenting.mix_classes(functional.one_hot(classes, 5).float(), share)
    for n in range(6):
        other = images[n - 1]
        torch.testing.assert_close(found[n], share[n] * images[n] + (1 - share[n]) * other)
        wanted = torch.zeros(5)
        wanted[classes[n]] += share[n]
        wanted[classes[n - 1]] += 1 - share[n]
        torch.testing.assert_close(mixed[n], wanted)


def test_cut_mix_keeps_the_share_that_it_says():
    images = torch.arange(400.0)[:, None, None, None].expand(400, 2, 12, 18).contiguous()
    found, share = augmenting.cut_mix(images, 1.0, 1.0, seeded())
    own = found == images
    other = found == images.roll(1, 0)
    assert (own ^ other).all()
    torch.testing.assert_close(own.float().mean((1, 2, 3)), share)
    for mask in other[:50, 0]:
        assert mask.sum() == mask.any(1).sum() * mask.any(0).sum()  # a full rectangle
    # With sides s = √u of an even u, cut off by the edges: the mean of (s - s²/4)² is 77/240.
    assert abs(share.mean() - (1 - 77 / 240)) < 0.04


RANDOM: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "crop": (augmenting.random_resized_crop, (8, 9, (0.1, 1.0), (0.7, 1.4))),
    "rotation": (augmenting.random_rotation, (-20, 20, 0.1)),
    "jitter": (colours.color_jitter, (0.3, 0.3, 0.3, 0.1)),
    "erasing": (augmenting.random_erasing, (0.5, (0.1, 0.3), (0.5, 2.0), 0.0)),
    "mix_up": (augmenting.mix_up, (0.4, 1.0)),
    "cut_mix": (augmenting.cut_mix, (1.0, 1.0)),
}


def first(result: Any) -> torch.Tensor:
    return result[0] if isinstance(result, tuple) else result


@pytest.mark.parametrize("name", RANDOM)
def test_randomness_is_the_generators_alone(name: str):
    function, arguments = RANDOM[name]
    torch.manual_seed(3)
    found = first(function(batch(), *arguments, seeded(5)))
    torch.manual_seed(4)
    before = torch.get_rng_state()
    assert torch.equal(first(function(batch(), *arguments, seeded(5))), found)
    assert torch.equal(torch.get_rng_state(), before)
    generator = seeded(5)
    function(batch(), *arguments, generator)
    assert not torch.equal(first(function(batch(), *arguments, generator)), found)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", RANDOM)
def test_a_device_gives_what_the_cpu_gives(name: str):
    function, arguments = RANDOM[name]
    on_cpu = first(function(batch(), *arguments, seeded(7)))
    on_device = first(function(batch().cuda(), *arguments, seeded(7)))
    torch.testing.assert_close(on_device.cpu(), on_cpu, rtol=0, atol=1e-4)


# --- whole plans ---------------------------------------------------------------------


def test_a_chain_of_its_own_stands_in_for_transform_in_training():
    mean = Normalize(mean=0.5, std=0.25)
    crop = RandomResizedCrop(size=12)
    made = plan(Digits(), transform=(Resize(size=12), mean), train_transform=(crop, mean),
                augment=(RandomFlip(),))  # fmt: skip
    data = load(made, Path())
    stored = {name: torch.from_numpy(array[:16]) for name, array in data.train.fields.items()}
    train, evaluate = prepare(data.plan)
    generator = seeded(2)
    images = stored["image"].float() / 255
    images = augmenting.random_resized_crop(images, 12, 12, crop.scale, crop.ratio, generator)
    chance = torch.rand(16, generator=generator)
    images = torch.where((chance < 0.5)[:, None, None, None], images.flip(-1), images)
    assert torch.equal(train(stored, seeded(2))["image"], (images - 0.5) / 0.25)
    assert evaluate(stored)["image"].shape == (16, 1, 12, 12)


def test_mixtures_reach_the_targets_and_only_in_training():
    made = plan(Digits(), augment=(MixUp(alpha=1.0), CutMix(probability=0.5)))
    data = load(made, Path())
    stored = {name: torch.from_numpy(array[:16]) for name, array in data.train.fields.items()}
    train, evaluate = prepare(data.plan, {"label": 10})
    found = train(stored, seeded())["label"]
    assert found.shape == (16, 10) and found.dtype == torch.float32
    torch.testing.assert_close(found.sum(1), torch.ones(16))
    assert ((found > 0).sum(1) > 1).any()
    assert torch.equal(evaluate(stored)["label"], stored["label"])
    assert train(stored, seeded())["image"].shape == (16, 1, 8, 8)


def test_training_of_another_size_is_found_when_files_are_read(tmp_path: Path):
    np.savez(tmp_path / "a.npz", image=np.zeros((4, 3, 6, 6), np.uint8), label=np.zeros(4, int))
    source = Npz(path="a.npz")
    found = problem(source, tmp_path, train_transform=(RandomResizedCrop(size=5),))
    assert found.code == "E0606" and "[3, 5, 5]" in found.message and "[3, 6, 6]" in found.message
    both = {"transform": (Grayscale(),), "train_transform": (Grayscale(),)}
    assert load(plan(source, **both), tmp_path).fields["image"] == tensor(1, 6, 6)

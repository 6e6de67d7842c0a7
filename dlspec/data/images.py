"""Images in class folders, decoded once to bytes of one size.

The functions use NumPy, Pillow and the standard library alone: emitted programs carry
copies. A file that is not what it should be is a ValueError that names it.
"""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

ImageSteps = tuple[tuple[str, int, int], ...]
"""What is done to an image when it is read: ("resize" or "center_crop", height, width) …"""


def list_images(folder: Path) -> tuple[tuple[str, ...], list[Path], list[int]]:
    """The images of `folder/CLASS/*`: class names in order, files, and their class numbers.

    Hidden entries and files that are no PNG, JPEG, BMP, GIF, WebP, TIFF or PNM by their
    ending are passed over.
    Raises ValueError where there is no class folder, an empty one, or a folder in one.
    """
    endings = {
        ".png",
        ".jpg",
        ".jpeg",
        ".bmp",
        ".gif",
        ".webp",
        ".tif",
        ".tiff",
        ".pgm",
        ".ppm",
    }
    classes = sorted(
        e.name for e in os.scandir(folder) if e.is_dir() and e.name[0] != "."
    )
    if not classes:
        raise ValueError(f"{folder}: holds no class folders")
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        entries = [e for e in os.scandir(folder / name) if e.name[0] != "."]
        if any(entry.is_dir() for entry in entries):
            raise ValueError(
                f"{folder / name}: a class folder holds images alone, not folders"
            )
        names = sorted(
            e.name for e in entries if Path(e.name).suffix.lower() in endings
        )
        if not names:
            raise ValueError(f"{folder / name}: holds no images")
        paths += [folder / name / file for file in names]
        labels += [label] * len(names)
    return tuple(classes), paths, labels


def open_image(path: Path) -> Image.Image:
    """The image of a file with its size known and its pixels not read yet.

    Raises ValueError where it is none, or has over 89 million pixels (Pillow's limit).
    """
    try:
        formats = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
        return Image.open(path, formats=formats)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"{path}: an image of over 89 million pixels") from error
    except FileNotFoundError:
        raise
    except UnidentifiedImageError as error:
        raise ValueError(f"{path}: not an image that can be read") from error
    except Exception as error:  # what decoders raise on corrupt bytes is not documented
        raise ValueError(f"{path}: an image that is cut short or corrupt") from error


def is_grey(image: Image.Image) -> bool:
    """Whether an image has one channel, transparency not counted."""
    return image.mode in ("1", "L", "LA", "La", "I") or image.mode.startswith("I;16")


def lies_on_its_side(path: Path, image: Image.Image) -> bool:
    """Whether a photo is to be turned by a quarter, by its EXIF orientation."""
    if "exif" not in image.info and image.format != "TIFF":
        return False
    try:
        return image.getexif().get(0x0112, 1) >= 5
    except Exception as error:  # as in `open_image`
        raise ValueError(f"{path}: an image that is cut short or corrupt") from error


def size_behind(path: Path, image: Image.Image, steps: ImageSteps) -> tuple[int, int]:
    """Height and width of an image behind `steps`. Raises ValueError where a crop is too big."""
    height, width = image.height, image.width
    if lies_on_its_side(path, image):
        height, width = width, height
    for step, new_height, new_width in steps:
        if step == "center_crop" and (new_height > height or new_width > width):
            raise ValueError(
                f"{path}: `CenterCrop` cannot cut {new_height}×{new_width} out of"
                f" {height}×{width}"
            )
        height, width = new_height, new_width
    return height, width


def read_image(path: Path, grey: bool, steps: ImageSteps) -> NDArray[np.uint8]:
    """The pixels of an image file as uint8 [channels, height, width], behind `steps`.

    grey: one channel if true, else red, green and blue. Photos are turned upright, and
    transparency is laid over white; of an animation the first picture is taken; 16-bit
    values are rounded to 8 bits.
    Raises ValueError where the file is no image or is cut short.
    """
    with open_image(path) as image:
        if image.mode == "F":
            raise ValueError(
                f"{path}: has floating-point pixels; 8 and 16 bits can be read"
            )
        try:
            if image.mode.startswith("I"):
                deep = np.asarray(image).astype(np.int64).clip(0, 65535)
                picture = Image.fromarray(((deep + 128) // 257).astype(np.uint8))
            else:
                picture = ImageOps.exif_transpose(image)
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
                picture = Image.alpha_composite(white, picture)
            picture = picture.convert("L" if grey else "RGB")
        except Exception as error:  # as in `open_image`
            raise ValueError(
                f"{path}: an image that is cut short or corrupt"
            ) from error
    for step, height, width in steps:
        if step == "resize":
            picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        else:
            left, top = (picture.width - width) // 2, (picture.height - height) // 2
            picture = picture.crop((left, top, left + width, top + height))
    pixels = np.asarray(picture)
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


def images_are_grey(paths: Sequence[Path], steps: ImageSteps) -> tuple[bool, int, int]:
    """Whether all images are grey, and the one height and width that they have behind `steps`.

    Raises ValueError where two have different sizes, and what `open_image` raises.
    """
    sizes: dict[tuple[int, int], Path] = {}
    all_grey = True
    for path in paths:
        with open_image(path) as image:
            all_grey = all_grey and is_grey(image)
            sizes.setdefault(size_behind(path, image, steps), path)
        if len(sizes) > 1:
            ((h1, w1), first), ((h2, w2), second) = sizes.items()
            raise ValueError(
                f"{second}: is {h2}×{w2} pixels and {first} is {h1}×{w1}; a `Resize` at"
                " the beginning of `transform` gives all images one size"
            )
    height, width = next(iter(sizes))
    return all_grey, height, width


def decode_images(
    paths: Sequence[Path], grey: bool, steps: ImageSteps
) -> Iterator[NDArray[np.uint8]]:
    """The pixels of one image after the other, by `read_image`, some decoded ahead."""
    workers = min(8, os.cpu_count() or 1)
    waiting: deque[Future[NDArray[np.uint8]]] = deque()
    # Pillow decodes and resizes outside the interpreter's lock.
    with ThreadPoolExecutor(workers) as pool:
        for path in paths:
            waiting.append(pool.submit(read_image, path, grey, steps))
            if len(waiting) > 4 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def read_images(paths: Sequence[Path], steps: ImageSteps) -> NDArray[np.uint8]:
    """The images of `paths` as uint8 [N, channels, height, width], behind `steps`.

    They have one channel if all are grey, else three.
    Raises ValueError where a file is no image, or the sizes differ.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        grey, height, width = images_are_grey(paths, steps)
        images = np.empty((len(paths), 1 if grey else 3, height, width), np.uint8)
        for number, image in enumerate(decode_images(paths, grey, steps)):
            images[number] = image
    return images

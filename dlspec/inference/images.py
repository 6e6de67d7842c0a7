"""Image files as arrays, whatever depth, colours, transparency and orientation they have."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from dlspec.inference.problem import InferenceProblem

ENDINGS = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm"}
)
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_MODES = {1: "L", 3: "RGB"}


def read_image(content: bytes | Path, name: str, channels: int) -> NDArray[Any]:
    """The pixels of an image as [channels, height, width], turned upright.

    channels: 1 for grey, 3 for red, green and blue; transparency is laid over white.
    Returns uint8, or float32 in 0 to 1 for 16-bit grey.
    Raises InferenceProblem where it is no image, is damaged, or has over 89 million pixels.
    """
    if channels not in _MODES:
        raise InferenceProblem(f"{name}: images have 1 or 3 channels; the model takes {channels}")
    source = io.BytesIO(content) if isinstance(content, bytes) else content
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source, formats=_FORMATS) as image:
                return _pixels(ImageOps.exif_transpose(image), name, channels)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InferenceProblem(f"{name}: an image of over 89 million pixels") from error
    except InferenceProblem:
        raise
    except Image.UnidentifiedImageError as error:
        raise InferenceProblem(f"{name}: not an image that can be read") from error
    except MemoryError:
        raise
    except Exception as error:  # what decoders raise on corrupt bytes is not documented
        raise InferenceProblem(f"{name}: an image that is cut short or damaged") from error


def _pixels(image: Image.Image, name: str, channels: int) -> NDArray[Any]:
    if image.mode == "F":
        raise InferenceProblem(f"{name}: has floating-point pixels; 8 and 16 bits can be read")
    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.float32).clip(0, 65535) / np.float32(65535)
        return np.repeat(deep[None], channels, axis=0)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    pixels = np.asarray(image.convert(_MODES[channels]))
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)

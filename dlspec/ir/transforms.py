"""What is done to examples: the stages of `transform`, `train_transform` and `augment`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from dlspec.ir.arguments import (
    Expected,
    Float,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Share,
)
from dlspec.ir.dims import Dim
from dlspec.ir.fields import After
from dlspec.ir.frozen import Field
from dlspec.ir.option import Option
from dlspec.ir.types import TensorType, tensor


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    """The pair itself. Raises ValueError where the greater number comes first."""
    if pair[0] > pair[1]:
        raise ValueError("the smaller number comes first")
    return pair


PixelSize: TypeAlias = Annotated[
    PositiveInt | tuple[PositiveInt, PositiveInt],
    Expected("a whole number of at least 1, or (height, width)"),
]
PositiveShare: TypeAlias = Annotated[PositiveFloat, Field(le=1)]
Shares: TypeAlias = Annotated[
    tuple[PositiveShare, PositiveShare],
    After(_ordered),
    Expected("(least, greatest), two numbers greater than 0 and at most 1"),
]
Ratios: TypeAlias = Annotated[
    tuple[PositiveFloat, PositiveFloat],
    After(_ordered),
    Expected("(least, greatest), two numbers greater than 0"),
]
Angle: TypeAlias = Annotated[Float, Field(ge=-360, le=360)]
Angles: TypeAlias = Annotated[
    Annotated[NonNegativeFloat, Field(le=360)] | Annotated[tuple[Angle, Angle], After(_ordered)],
    Expected("a number from 0 to 360, or (least, greatest)"),
]
HalfTurn: TypeAlias = Annotated[
    NonNegativeFloat, Field(le=0.5), Expected("a number from 0 to 0.5, half the circle of colours")
]
PerChannel: TypeAlias = Annotated[
    Float | tuple[Float, ...], Expected("a number, or a list with one for each channel")
]
PositivePerChannel: TypeAlias = Annotated[
    PositiveFloat | tuple[PositiveFloat, ...],
    Expected("a number greater than 0, or a list with one for each channel"),
]


class Transform(Option):
    """A stage of `transform`, `train_transform` or `augment`.

    It works on `image` and leaves other fields alone.
    """

    random: ClassVar[bool] = False
    """True for what belongs into training alone."""
    changes_meaning: ClassVar[bool] = False
    """True where a model that learns behind it must see every example behind it."""
    plain_range: ClassVar[bool] = False
    """True where pixels must still go from 0 to 1, that is before any `Normalize`."""
    of_columns: ClassVar[bool] = False
    """True for what works on the columns of a table, not on images."""
    mixes: ClassVar[bool] = False
    """True where every example becomes a mixture of two, and its class too."""

    def infer(self, image: TensorType) -> TensorType:
        """The type behind it. Raises ValueError with a sentence where it does not fit."""
        _image(self, image)
        return image


def pair(size: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width of a size."""
    return size if isinstance(size, tuple) else (size, size)


def _image(transform: Transform, image: TensorType) -> tuple[Dim, Dim, Dim]:
    if image.dtype != "float" or image.rank != 3:
        name = transform.kind_name()
        raise ValueError(f"`{name}` works on images, [channels, height, width]; this is {image}")
    channels, height, width = image.shape
    return channels, height, width


def _cut(transform: Transform, image: TensorType, size: tuple[int, int], more: int) -> TensorType:
    """The type of a piece of `size`. Raises ValueError where the image, and `more`, is smaller."""
    channels, height, width = _image(transform, image)
    for axis, have, want in zip(("height", "width"), (height, width), size, strict=True):
        if isinstance(have, int) and have + more < want:
            name = transform.kind_name()
            raise ValueError(f"`{name}` cannot cut {axis} {want} out of {have + more}")
    return tensor(channels, *size)


def _one_each(transform: Transform, channels: Dim, **given: float | tuple[float, ...]) -> None:
    """Raise ValueError where a list has not one number for each channel."""
    for name, value in given.items():
        if isinstance(value, tuple) and isinstance(channels, int) and len(value) != channels:
            kind = transform.kind_name()
            raise ValueError(
                f"`{name}` of `{kind}` has {len(value)} numbers for {channels} channels"
            )


# --- for every example -------------------------------------------------------


class Resize(Transform):
    summary = "resizes to (height, width), bilinear with antialiasing"
    kind: Literal["Resize"] = "Resize"
    size: PixelSize = Field(description="the new height and width")

    def infer(self, image: TensorType) -> TensorType:
        channels, _, _ = _image(self, image)
        return tensor(channels, *pair(self.size))


class CenterCrop(Transform):
    summary = "cuts the middle out"
    aliases = ("Crop",)
    kind: Literal["CenterCrop"] = "CenterCrop"
    size: PixelSize = Field(description="the height and width that are kept")

    def infer(self, image: TensorType) -> TensorType:
        return _cut(self, image, pair(self.size), 0)


class Normalize(Transform):
    summary = "subtracts the mean and divides by the standard deviation, by channel"
    changes_meaning = True
    kind: Literal["Normalize"] = "Normalize"
    mean: PerChannel = Field(description="what is subtracted")
    std: PositivePerChannel = Field(description="what it is divided by")

    def infer(self, image: TensorType) -> TensorType:
        channels, _, _ = _image(self, image)
        _one_each(self, channels, mean=self.mean, std=self.std)
        return image


class Grayscale(Transform):
    summary = "takes the colours away: the luma of red, green and blue (ITU-R BT.601)"
    aliases = ("Greyscale", "ToGray", "rgb_to_grayscale")
    changes_meaning = True
    kind: Literal["Grayscale"] = "Grayscale"
    channels: Literal[1, 3] = Field(1, description="1, or 3 for three equal ones")

    def infer(self, image: TensorType) -> TensorType:
        channels, height, width = _image(self, image)
        if channels not in (1, 3) and isinstance(channels, int):
            raise ValueError(
                f"`Grayscale` works on images of 1 or 3 channels; these have {channels}"
            )
        return tensor(self.channels, height, width)


# --- at random, in training --------------------------------------------------


class RandomCrop(Transform):
    summary = "pads with zeros, then cuts out at a random place"
    random = True
    kind: Literal["RandomCrop"] = "RandomCrop"
    size: PixelSize = Field(description="the height and width that are kept")
    padding: NonNegativeInt = Field(0, description="zeros added on every side first")

    def infer(self, image: TensorType) -> TensorType:
        return _cut(self, image, pair(self.size), 2 * self.padding)


class RandomResizedCrop(Transform):
    summary = "cuts out a random part and resizes it (Szegedy et al. 2015)"
    random = True
    kind: Literal["RandomResizedCrop"] = "RandomResizedCrop"
    size: PixelSize = Field(description="the height and width behind it")
    scale: Shares = Field((0.08, 1.0), description="the part's share of the image's area")
    ratio: Ratios = Field((0.75, 4 / 3), description="the part's width divided by its height")

    def infer(self, image: TensorType) -> TensorType:
        channels, _, _ = _image(self, image)
        return tensor(channels, *pair(self.size))


class RandomFlip(Transform):
    summary = "mirrors left and right with probability `probability`"
    aliases = ("RandomHorizontalFlip",)
    random = True
    kind: Literal["RandomFlip"] = "RandomFlip"
    probability: Share = Field(0.5, description="how often")


class RandomRotation(Transform):
    summary = "turns about the middle, bilinear; corners that come in are `fill`"
    random = True
    kind: Literal["RandomRotation"] = "RandomRotation"
    degrees: Angles = Field(description="the greatest angle to either side, or (least, greatest)")
    fill: Float = Field(0.0, description="the value of what lies outside of the image")


class ColorJitter(Transform):
    summary = "changes brightness, contrast, saturation and hue, in this order"
    aliases = ("ColourJitter",)
    random = True
    plain_range = True
    kind: Literal["ColorJitter"] = "ColorJitter"
    brightness: NonNegativeFloat = Field(
        0.0, description="factors from 1 - b, at least 0, to 1 + b"
    )
    contrast: NonNegativeFloat = Field(0.0, description="the same, about the grey image's mean")
    saturation: NonNegativeFloat = Field(0.0, description="the same, about the grey image")
    hue: HalfTurn = Field(0.0, description="greatest turn to either side; 1 is the whole circle")

    def infer(self, image: TensorType) -> TensorType:
        channels, _, _ = _image(self, image)
        colours = (name for name in ("saturation", "hue") if getattr(self, name) > 0)
        wrong = next(colours, None)
        if wrong is not None and isinstance(channels, int) and channels != 3:
            raise ValueError(
                f"`{wrong}` of `ColorJitter` needs red, green and blue; "
                f"these images have {channels} channel{'s' if channels > 1 else ''}"
            )
        if isinstance(channels, int) and channels not in (1, 3):
            raise ValueError(
                f"`ColorJitter` works on images of 1 or 3 channels; these have {channels}"
            )
        return image


class RandomErasing(Transform):
    summary = "overwrites a random part with `value` (Zhong et al. 2017)"
    random = True
    kind: Literal["RandomErasing"] = "RandomErasing"
    probability: Share = Field(0.5, description="how often")
    scale: Shares = Field((0.02, 0.33), description="the part's share of the image's area")
    ratio: Ratios = Field((0.3, 3.3), description="the part's width divided by its height")
    value: PerChannel = Field(0.0, description="what is written there, one number or one a channel")

    def infer(self, image: TensorType) -> TensorType:
        channels, _, _ = _image(self, image)
        _one_each(self, channels, value=self.value)
        return image


class MixUp(Transform):
    summary = "blends every example, and its class, with another (Zhang et al. 2018)"
    aliases = ("Mixup",)
    random = True
    mixes = True
    kind: Literal["MixUp"] = "MixUp"
    alpha: PositiveFloat = Field(0.2, description="shares are drawn from Beta(alpha, alpha)")
    probability: Share = Field(1.0, description="how often")


class CutMix(Transform):
    summary = "puts a part of another example into each, and mixes classes so (Yun et al. 2019)"
    aliases = ("Cutmix",)
    random = True
    mixes = True
    kind: Literal["CutMix"] = "CutMix"
    alpha: PositiveFloat = Field(1.0, description="shares are drawn from Beta(alpha, alpha)")
    probability: Share = Field(1.0, description="how often")


# --- for the columns of tables -----------------------------------------------

Columns: TypeAlias = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...] | None,
    Expected("a list of names of columns, each in quotes, or `none`"),
]


class OneHot(Transform):
    summary = "makes a column of texts one of 0 and 1 for each text that training has"
    aliases = ("OneHotEncoder",)
    of_columns = True
    kind: Literal["OneHot"] = "OneHot"
    columns: Columns = Field(None, description="which; all that hold texts unless told")


class Standardize(Transform):
    summary = "subtracts a column's mean in training and divides by its standard deviation"
    aliases = ("StandardScaler",)
    of_columns = True
    kind: Literal["Standardize"] = "Standardize"
    columns: Columns = Field(None, description="which; all that hold numbers unless told")


AnyTransform: TypeAlias = Annotated[
    Resize
    | CenterCrop
    | Normalize
    | Grayscale
    | RandomCrop
    | RandomResizedCrop
    | RandomFlip
    | RandomRotation
    | ColorJitter
    | RandomErasing
    | MixUp
    | CutMix
    | OneHot
    | Standardize,
    Field(discriminator="kind"),
]

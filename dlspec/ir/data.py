"""Where examples come from and how they are prepared: sources, transforms, and the plan."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from dlspec.ir.arguments import (
    Expected,
    Float,
    Fraction,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Seed,
    Share,
)
from dlspec.ir.dims import Dim
from dlspec.ir.frozen import Field, Frozen
from dlspec.ir.option import Option
from dlspec.ir.types import TensorType, tensor

RelativePath: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=4096), Expected("a path relative to the spec, in quotes")
]

# --- sources -----------------------------------------------------------------


class Source(Option):
    """A source of examples.

    `path_arguments` names the arguments that are paths below the spec's folder.
    """

    path_arguments: ClassVar[tuple[str, ...]] = ()
    field_names: ClassVar[tuple[str, ...]] = ()
    """The names of its fields where they are known though not all of their types are."""
    may_divide: ClassVar[bool] = False
    """True where reading may find splits for validation and test in the source itself."""
    has_test_split: ClassVar[bool] = False
    """True where the source itself says which examples are for the test."""

    def fields(self) -> dict[str, TensorType] | None:
        """The types of its fields where they are known before any file is read, else None.

        Images are `float[channels, height, width]` in 0…1, labels `int[]`.
        """
        return None

    def classes(self) -> tuple[str, ...] | None:
        """The names of its classes where they are known before any file is read."""
        return None


class Digits(Source):
    summary = "1,797 real 8×8 scans of digits, bundled with dlspec"
    kind: Literal["digits"] = "digits"

    def fields(self) -> dict[str, TensorType] | None:
        return {"image": tensor(1, 8, 8), "label": tensor(dtype="int")}

    def classes(self) -> tuple[str, ...] | None:
        return tuple("0123456789")


class Mnist(Source):
    summary = "MNIST: 60,000 and 10,000 images of digits, 28×28, in four IDX files"
    path_arguments = ("root",)
    has_test_split = True
    kind: Literal["mnist"] = "mnist"
    root: RelativePath = Field("mnist", description="folder of the four files, gzipped or not")

    def fields(self) -> dict[str, TensorType] | None:
        return {"image": tensor(1, 28, 28), "label": tensor(dtype="int")}

    def classes(self) -> tuple[str, ...] | None:
        return tuple("0123456789")


class Idx(Source):
    summary = "images and labels in IDX files (MNIST's format), gzipped or not"
    path_arguments = ("images", "labels")
    field_names = ("image", "label")
    kind: Literal["idx"] = "idx"
    images: RelativePath = Field(description="the file of images")
    labels: RelativePath = Field(description="the file of labels")


class ImageFolder(Source):
    summary = "images in a folder a class, or below train, validation and test"
    path_arguments = ("path",)
    field_names = ("image", "label")
    may_divide = True
    kind: Literal["image_folder"] = "image_folder"
    path: RelativePath = Field(description="the folder")


class Npz(Source):
    summary = "the arrays of a NumPy .npz file by name, examples along axis 0"
    path_arguments = ("path",)
    kind: Literal["npz"] = "npz"
    path: RelativePath = Field(description="the file")


AnySource: TypeAlias = Annotated[
    Digits | Mnist | Idx | ImageFolder | Npz, Field(discriminator="kind")
]

# --- transforms --------------------------------------------------------------

PixelSize: TypeAlias = Annotated[
    PositiveInt | tuple[PositiveInt, PositiveInt],
    Expected("a whole number of at least 1, or (height, width)"),
]


class Transform(Option):
    """A stage of `transform` or `augment`. It works on `image` and leaves other fields alone."""

    random: ClassVar[bool] = False
    """True for what belongs in `augment` alone."""

    def infer(self, image: TensorType) -> TensorType:
        """The type behind it. Raises ValueError with a sentence where it does not fit."""
        return image


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)


def _image(transform: Transform, image: TensorType) -> tuple[Dim, Dim, Dim]:
    if image.dtype != "float" or image.rank != 3:
        name = transform.kind_name()
        raise ValueError(f"`{name}` works on images, [channels, height, width]; this is {image}")
    channels, height, width = image.shape
    return channels, height, width


class Resize(Transform):
    summary = "resizes to (height, width), bilinear with antialiasing"
    kind: Literal["Resize"] = "Resize"
    size: PixelSize = Field(description="the new height and width")

    def infer(self, image: TensorType) -> TensorType:
        channels, _, _ = _image(self, image)
        return tensor(channels, *_pair(self.size))


class CenterCrop(Transform):
    summary = "cuts the middle out"
    aliases = ("Crop",)
    kind: Literal["CenterCrop"] = "CenterCrop"
    size: PixelSize = Field(description="the height and width that are kept")

    def infer(self, image: TensorType) -> TensorType:
        channels, height, width = _image(self, image)
        for axis, have, want in zip(
            ("height", "width"), (height, width), _pair(self.size), strict=True
        ):
            if isinstance(have, int) and have < want:
                raise ValueError(f"`CenterCrop` cannot cut {axis} {want} out of {have}")
        return tensor(channels, *_pair(self.size))


class RandomCrop(Transform):
    summary = "pads with zeros, then cuts out at a random place"
    random = True
    kind: Literal["RandomCrop"] = "RandomCrop"
    size: PixelSize = Field(description="the height and width that are kept")
    padding: NonNegativeInt = Field(0, description="zeros added on every side first")

    def infer(self, image: TensorType) -> TensorType:
        channels, height, width = _image(self, image)
        for axis, have, want in zip(
            ("height", "width"), (height, width), _pair(self.size), strict=True
        ):
            if isinstance(have, int) and have + 2 * self.padding < want:
                padded = have + 2 * self.padding
                raise ValueError(f"`RandomCrop` cannot cut {axis} {want} out of {padded}")
        return tensor(channels, *_pair(self.size))


class RandomFlip(Transform):
    summary = "mirrors left and right with probability `probability`"
    aliases = ("RandomHorizontalFlip",)
    random = True
    kind: Literal["RandomFlip"] = "RandomFlip"
    probability: Share = Field(0.5, description="how often")

    def infer(self, image: TensorType) -> TensorType:
        _image(self, image)
        return image


PerChannel: TypeAlias = Annotated[
    Float | tuple[Float, ...], Expected("a number, or a list with one for each channel")
]
PositivePerChannel: TypeAlias = Annotated[
    PositiveFloat | tuple[PositiveFloat, ...],
    Expected("a number greater than 0, or a list with one for each channel"),
]


class Normalize(Transform):
    summary = "subtracts the mean and divides by the standard deviation, by channel"
    kind: Literal["Normalize"] = "Normalize"
    mean: PerChannel = Field(description="what is subtracted")
    std: PositivePerChannel = Field(description="what it is divided by")

    def infer(self, image: TensorType) -> TensorType:
        channels, _, _ = _image(self, image)
        given = {"mean": self.mean, "std": self.std}
        for name, value in given.items():
            if isinstance(value, tuple) and isinstance(channels, int) and len(value) != channels:
                raise ValueError(
                    f"`{name}` of `Normalize` has {len(value)} numbers for {channels} channels"
                )
        return image


AnyTransform: TypeAlias = Annotated[
    Resize | CenterCrop | RandomCrop | RandomFlip | Normalize, Field(discriminator="kind")
]

# --- the plan ----------------------------------------------------------------


class DataSettings(Frozen):
    """The settings of a `data` that are plain values."""

    validation: Fraction = Field(0.0, description="share for choosing hyperparameters")
    test: Fraction = Field(0.0, description="share for the final figure")
    seed: Seed = Field(0, description="seed of the split")


class DataPlan(DataSettings):
    """One `data` declaration with every default filled in.

    In training the order is: transforms before the first `Normalize`, augment, the rest.
    """

    name: str
    documentation: str = ""
    source: AnySource
    transform: tuple[AnyTransform, ...] = Field((), description="what is done to every example")
    augment: tuple[AnyTransform, ...] = Field((), description="what is done in training also")
    fields: dict[str, TensorType] | None = None
    """The types of the fields behind the transforms, where they are known before reading."""

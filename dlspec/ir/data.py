"""Where examples come from, and the plan of how they are prepared."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from dlspec.ir.arguments import Expected, Fraction, Seed
from dlspec.ir.frozen import Field, Frozen
from dlspec.ir.option import Option
from dlspec.ir.transforms import AnyTransform
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

# --- the plan ----------------------------------------------------------------


class DataSettings(Frozen):
    """The settings of a `data` that are plain values."""

    validation: Fraction = Field(0.0, description="share for choosing hyperparameters")
    test: Fraction = Field(0.0, description="share for the final figure")
    seed: Seed = Field(0, description="seed of the split")


class DataPlan(DataSettings):
    """One `data` declaration with every default filled in.

    In training the order is: transforms before the first `Normalize`, augment, the rest; the
    transforms are those of `train_transform` where there are such.
    """

    name: str
    documentation: str = ""
    source: AnySource
    transform: tuple[AnyTransform, ...] = Field((), description="what is done to every example")
    train_transform: tuple[AnyTransform, ...] | None = Field(
        None, description="what stands in for `transform` in training"
    )
    augment: tuple[AnyTransform, ...] = Field((), description="what is done in training also")
    fields: dict[str, TensorType] | None = None
    """The types of the fields behind the transforms, where they are known before reading."""

"""Where examples come from: every source of the language with its arguments and its fields."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from dlspec.ir.arguments import Expected, NonNegativeFloat, PositiveInt
from dlspec.ir.frozen import Field
from dlspec.ir.option import Option
from dlspec.ir.types import TensorType, tensor

RelativePath: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=4096), Expected("a path relative to the spec, in quotes")
]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=1000)]
Names: TypeAlias = Annotated[
    Annotated[tuple[Name, ...], Field(min_length=1, max_length=100_000)] | None,
    Expected("a list of names of columns, each in quotes, or `none`"),
]
Classes: TypeAlias = Annotated[
    Literal["found"]
    | Annotated[int, Field(ge=2, le=100_000)]
    | Annotated[tuple[Name, ...], Field(min_length=2, max_length=100_000)]
    | None,
    Expected("`found`, a whole number from 2 to 100,000, a list of their names, or `none`"),
]
Shape: TypeAlias = Annotated[
    Annotated[tuple[PositiveInt, ...], Field(max_length=8)] | PositiveInt | None,
    Expected("a size or a list of sizes, such as [3, 32, 32]"),
]
ImageShape: TypeAlias = Annotated[
    tuple[PositiveInt, PositiveInt, PositiveInt] | None,
    Expected("[channels, height, width]"),
]
Sequence: TypeAlias = Annotated[
    tuple[PositiveInt, PositiveInt] | None,
    Expected("(length, different numbers), such as (128, 65)"),
]


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
    downloaded: ClassVar[bool] = False
    """True where what is not at its path is fetched, so that `--data` needs no path."""
    of_columns: ClassVar[bool] = False
    """True for tables, whose columns `OneHot` and `Standardize` prepare."""

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
        return _labelled(1, 8, 8)

    def classes(self) -> tuple[str, ...] | None:
        return tuple("0123456789")


class Mnist(Source):
    summary = "MNIST: 60,000 and 10,000 images of digits, 28×28, in four IDX files"
    path_arguments = ("root",)
    has_test_split = True
    downloaded = True
    kind: Literal["mnist"] = "mnist"
    root: RelativePath = Field("mnist", description="folder of the four files, gzipped or not")

    def fields(self) -> dict[str, TensorType] | None:
        return _labelled(1, 28, 28)

    def classes(self) -> tuple[str, ...] | None:
        return tuple("0123456789")


class FashionMnist(Source):
    summary = "Fashion-MNIST: 60,000 and 10,000 images of clothes, 28×28, in four IDX files"
    path_arguments = ("root",)
    has_test_split = True
    downloaded = True
    kind: Literal["fashion_mnist"] = "fashion_mnist"
    root: RelativePath = Field(
        "fashion_mnist", description="folder of the four files, gzipped or not"
    )

    def fields(self) -> dict[str, TensorType] | None:
        return _labelled(1, 28, 28)

    def classes(self) -> tuple[str, ...] | None:
        names = "T-shirt/top Trouser Pullover Dress Coat Sandal Shirt Sneaker Bag"
        return (*names.split(), "Ankle boot")


class Cifar10(Source):
    summary = "CIFAR-10: 50,000 and 10,000 colour photos, 32×32, of 10 classes"
    path_arguments = ("root",)
    has_test_split = True
    downloaded = True
    kind: Literal["cifar10"] = "cifar10"
    root: RelativePath = Field(
        "cifar10", description="folder of the binary version, its archive or what it holds"
    )

    def fields(self) -> dict[str, TensorType] | None:
        return _labelled(3, 32, 32)

    def classes(self) -> tuple[str, ...] | None:
        return tuple(_CIFAR10.split())


class Cifar100(Source):
    summary = "CIFAR-100: 50,000 and 10,000 colour photos, 32×32, of 100 classes"
    path_arguments = ("root",)
    has_test_split = True
    downloaded = True
    kind: Literal["cifar100"] = "cifar100"
    root: RelativePath = Field(
        "cifar100", description="folder of the binary version, its archive or what it holds"
    )

    def fields(self) -> dict[str, TensorType] | None:
        return _labelled(3, 32, 32)

    def classes(self) -> tuple[str, ...] | None:
        return tuple(_CIFAR100.split())


_CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"
_CIFAR100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup
dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid
otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray
road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""


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


class Table(Source):
    """What the sources of columns share."""

    path_arguments = ("path",)
    field_names = ("features", "target")
    of_columns = True

    def fields(self) -> dict[str, TensorType] | None:
        """Known where the columns are listed, and `classes` says what the target is."""
        features: tuple[str, ...] | None = getattr(self, "features", None)
        classes: object = getattr(self, "classes_", "found")
        if features is None or classes == "found":
            return None
        kind = "float" if classes is None else "int"
        return {"features": tensor(len(features)), "target": tensor(dtype=kind)}

    def classes(self) -> tuple[str, ...] | None:
        classes: int | str | tuple[str, ...] | None = getattr(self, "classes_", None)
        if isinstance(classes, int):
            return tuple(map(str, range(classes)))
        return None if isinstance(classes, str) else classes


class Csv(Table):
    summary = "a table in text: a line of names, then a row a line"
    kind: Literal["csv"] = "csv"
    path: RelativePath = Field(description="the file")
    target: Name = Field(description="the column that is to be told")
    features: Names = Field(None, description="the columns it is told from; all others unless told")
    classes_: Classes = Field(
        "found",
        alias="classes",
        description="the target's: how many, their names, `none` where it is a number",
    )
    missing: Literal["refuse", "mean", "drop"] = Field(
        "refuse", description="rows without a value: an error, the mean instead, or left out"
    )
    delimiter: Annotated[
        str, Field(min_length=1, max_length=1), Expected("one character in quotes")
    ] = Field(",", description="what stands between two columns")


class Parquet(Table):
    summary = "a table in a Parquet file"
    kind: Literal["parquet"] = "parquet"
    path: RelativePath = Field(description="the file")
    target: Name = Field(description="the column that is to be told")
    features: Names = Field(None, description="the columns it is told from; all others unless told")
    classes_: Classes = Field(
        "found",
        alias="classes",
        description="the target's: how many, their names, `none` where it is a number",
    )
    missing: Literal["refuse", "mean", "drop"] = Field(
        "refuse", description="rows without a value: an error, the mean instead, or left out"
    )


class Text(Source):
    summary = "a text in pieces of `length`, and what comes next at every place"
    path_arguments = ("path",)
    kind: Literal["text"] = "text"
    path: RelativePath = Field(description="the file, in UTF-8")
    level: Literal["char", "word"] = Field("char", description="what is counted as one token")
    length: PositiveInt = Field(128, description="tokens in an example")

    def fields(self) -> dict[str, TensorType] | None:
        kind = tensor(self.length, dtype="int")
        return {"tokens": kind, "next": kind}


class Toy2d(Source):
    summary = "points of two classes in the plane, from -6 to 6"
    kind: Literal["toy2d"] = "toy2d"
    shape: Literal["circle", "xor", "gauss", "spiral"] = Field(description="how they lie")
    noise: NonNegativeFloat = Field(0.1, description="how far they stray, from 0 to 1 or more")
    count: PositiveInt = Field(500, description="how many points")

    def fields(self) -> dict[str, TensorType] | None:
        return {"point": tensor(2), "label": tensor(dtype="int")}

    def classes(self) -> tuple[str, ...] | None:
        return ("blue", "orange")


class Synthetic(Source):
    summary = "random fields of given types, for measuring speed"
    kind: Literal["synthetic"] = "synthetic"
    image: ImageShape = Field(None, description="shape of the images")
    features: Shape = Field(None, description="shape of the numbers")
    tokens: Sequence = Field(None, description="length, and how many different tokens")
    label: Annotated[PositiveInt | None, Expected("how many classes")] = Field(
        None, description="how many classes"
    )
    target: Shape = Field(None, description="shape of the values to be told")
    next: Sequence = Field(None, description="length, and how many different tokens")
    count: PositiveInt = Field(1024, description="how many examples")

    def fields(self) -> dict[str, TensorType] | None:
        found: dict[str, TensorType] = {}
        for name in ("image", "features", "target"):
            shape: int | tuple[int, ...] | None = getattr(self, name)
            if shape is not None:
                found[name] = tensor(*(shape if isinstance(shape, tuple) else (shape,)))
        for name in ("tokens", "next"):
            sequence: tuple[int, int] | None = getattr(self, name)
            if sequence is not None:
                found[name] = tensor(sequence[0], dtype="int")
        if self.label is not None:
            found["label"] = tensor(dtype="int")
        return found


class HuggingFace(Source):
    summary = "a data set of the Hugging Face hub, or one saved to a folder"
    may_divide = True
    kind: Literal["huggingface"] = "huggingface"
    name: Name = Field(description="its name on the hub, or the folder where it was saved")
    configuration: Annotated[Name | None, Expected("a name in quotes, or `none`")] = Field(
        None, description="which of its configurations"
    )


def _labelled(*shape: int) -> dict[str, TensorType]:
    return {"image": tensor(*shape), "label": tensor(dtype="int")}


SOURCES: tuple[type[Source], ...] = (
    Digits,
    Mnist,
    FashionMnist,
    Cifar10,
    Cifar100,
    Idx,
    ImageFolder,
    Npz,
    Csv,
    Parquet,
    Text,
    Toy2d,
    Synthetic,
    HuggingFace,
)
AnySource: TypeAlias = Annotated[
    Digits
    | Mnist
    | FashionMnist
    | Cifar10
    | Cifar100
    | Idx
    | ImageFolder
    | Npz
    | Csv
    | Parquet
    | Text
    | Toy2d
    | Synthetic
    | HuggingFace,
    Field(discriminator="kind"),
]

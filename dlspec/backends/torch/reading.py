"""How a training program reads each source: code that leaves arrays in `data`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dlspec.backends.problem import BackendProblem
from dlspec.backends.torch.borrowed import Borrowed, borrow
from dlspec.backends.torch.printer import literal, quoted, statement
from dlspec.ir.data import DataPlan
from dlspec.ir.forms import Argument
from dlspec.ir.sources import (
    Cifar10,
    Cifar100,
    Csv,
    Digits,
    FashionMnist,
    Idx,
    Mnist,
    Npz,
    Parquet,
    Synthetic,
    Text,
    Toy2d,
)
from dlspec.ir.tabular import one_hot_columns, standardized_columns, target_classes


class Reading(NamedTuple):
    """How a source is read: lines that leave arrays in `data`, and its own test in `test_data`.

    counted: a field by which examples are counted.
    counts:  what counts them, where that is no field of `data` yet.
    finish:  lines that make `data` once the splits are known, by what chooses those for training.
    """

    lines: list[str]
    borrowed: tuple[Borrowed, ...] = ()
    says: str = ""
    own_test: bool = False
    rooted: bool = True
    counted: str = "label"
    counts: str = ""
    finish: Callable[[str], list[str]] | None = None


_DIGITS = Reading(
    [
        '    with np.load(Path(__file__).with_name("digits.npz")) as arrays:',
        '        label = arrays["label"].astype(np.int64)',
        '        data = {"image": arrays["image"], "label": label}',
    ],
    says="The 1,797 scans of `digits.npz`, uint8 [1, 8, 8], and their labels.",
    rooted=False,
)


def reading_of(plan: DataPlan, fields: tuple[str, ...]) -> Reading:
    """The code that reads a source. Raises BackendProblem where there is none.

    fields: the fields of the data that training uses.
    """
    match plan.source:
        case Digits():
            return _DIGITS
        case Mnist(root=root):
            return _mnist("MNIST", root)
        case FashionMnist(root=root):
            return _mnist("Fashion-MNIST", root)
        case Cifar10(root=root):
            return _cifar(10, root)
        case Cifar100(root=root):
            return _cifar(100, root)
        case Idx(images=images, labels=labels):
            return Reading(
                [
                    *statement("images = ", f"read_idx(root / {quoted(images)})", 4),
                    *statement("labels = ", f"read_idx(root / {quoted(labels)})", 4),
                    "    if images.ndim == 3:",
                    "        images = images[:, None]",
                    '    data = {"image": images, "label": labels.astype(np.int64)}',
                ],
                (borrow("data/files.py", "read_idx"),),
                "The images of a file, uint8 [channels, height, width], and their labels.",
            )
        case Npz(path=path):
            inner = ", ".join(f"{quoted(name)}: plain(arrays[{quoted(name)}])" for name in fields)
            return Reading(
                [
                    *statement("path = ", f"root / {quoted(path)}", 4),
                    "    with np.load(path) as arrays:",
                    *statement("data = ", "{" + inner + "}", 8),
                ],
                (borrow("data/carried.py", "plain"),),
                "The arrays of a file by name, examples along axis 0.",
                counted=fields[0],
            )
        case _:
            return _further(plan, fields)


def _further(plan: DataPlan, fields: tuple[str, ...]) -> Reading:
    match plan.source:
        case Text(path=path, level=level, length=length):
            call = f"read_text(root / {quoted(path)}, {quoted(level)}, {length})"
            return Reading(
                [
                    *statement("tokens, following, _ = ", call, 4),
                    '    data = {"tokens": tokens, "next": following}',
                ],
                (borrow("data/texts.py", "read_text"),),
                f"The pieces of a text, {length} tokens each, and what follows every token.",
                counted="tokens",
            )
        case Toy2d(shape=shape, count=count, noise=noise):
            values = ", ".join(literal(value) for value in (shape, count, noise, plan.seed))
            return Reading(
                [
                    *statement("point, label = ", f"draw_points({values})", 4),
                    '    data = {"point": point, "label": label}',
                ],
                (borrow("data/drawn.py", "draw_points"),),
                "Points in the plane, and which of two classes they are of.",
                rooted=False,
            )
        case Synthetic():
            return _synthetic(plan.source, plan.seed, fields)
        case Csv() | Parquet():
            return _table(plan.source, plan)
        case _:
            kind = plan.source.kind_name()
            raise BackendProblem(
                "E0415",
                f"a program that reads `{kind}` cannot be written; `dlspec train` reads it,"
                " and `--no-train` writes the model alone",
                graph=plan.name,
            )


def _synthetic(source: Synthetic, seed: int, fields: tuple[str, ...]) -> Reading:
    known = source.fields() or {}
    lines = ["    data = {"]
    for name in fields:
        shape = (source.count, *(int(str(size)) for size in known[name].shape))
        kind = "image" if name == "image" else "number"
        given: int | tuple[int, ...] = getattr(source, name)
        below = 0
        if known[name].dtype == "int":
            kind, below = "class", given[1] if isinstance(given, tuple) else given
        written = ", ".join(literal(value) for value in (shape, kind, below, seed))
        lines += [f"        {quoted(name)}: draw_field({written}),"]
    return Reading(
        [*lines, "    }"],
        (borrow("data/drawn.py", "draw_field"),),
        "Random fields, for measuring speed.",
        rooted=False,
        counted=fields[0],
    )


def _table(source: Csv | Parquet, plan: DataPlan) -> Reading:
    """Columns, of which numbers are made once the splits are known."""
    if isinstance(source, Csv):
        call = f"read_csv(path, {quoted(source.delimiter)}, None)"
        borrowed = (borrow("data/tables.py", "read_csv", "read_columns", *_NUMBERS),)
    else:
        call = "read_parquet(path)"
        reader = borrow("data/parquet.py", "read_parquet")
        borrowed = (reader, borrow("data/tables.py", "read_columns", *_NUMBERS))
    lines = [
        *statement("path = ", f"root / {quoted(source.path)}", 4),
        *statement("table = ", call, 4),
        "    columns, target, _ = read_columns(",
        "        path,",
        "        table,",
        *_columns(source, plan),
        "    )",
    ]
    standardized = literal(standardized_columns(plan.transform))

    def finish(chosen: str) -> list[str]:
        columns = f"{{name: column{chosen} for name, column in columns.items()}}"
        call = f"learn_columns({columns if chosen else 'columns'}, {standardized})"
        return [
            *statement("learned = ", call, 4),
            '    data = {"features": encode_columns(columns, learned), "target": target}',
        ]

    says = "The rows of a table: their features as numbers, and what is to be told."
    return Reading(lines, borrowed, says, counts="len(target)", finish=finish)


def _columns(source: Csv | Parquet, plan: DataPlan) -> list[str]:
    """What `read_columns` is told, an argument a line."""
    values: dict[str, Argument] = {
        "target": source.target,
        "features": source.features,
        "texts": one_hot_columns(plan.transform),
        "classes": target_classes(source.classes_),
        "missing": source.missing,
        "skipped": None,
    }
    return [
        line
        for name, value in values.items()
        for line in _comma(statement(f"{name}=", literal(value), 8))
    ]


def _comma(lines: list[str]) -> list[str]:
    return [*lines[:-1], f"{lines[-1]},"]


_NUMBERS = ("learn_columns", "encode_columns")


def _mnist(name: str, root: str) -> Reading:
    return Reading(
        _four(f"read_mnist(root / {quoted(root)})", "[:, None]"),
        (borrow("data/files.py", "read_mnist"),),
        f"The images of {name}, uint8 [1, 28, 28], and their labels.",
        own_test=True,
    )


def _cifar(classes: int, root: str) -> Reading:
    return Reading(
        _four(f"read_cifar(root / {quoted(root)}, {classes})", ""),
        (borrow("data/cifar.py", "read_cifar"),),
        f"The images of CIFAR-{classes}, uint8 [3, 32, 32], and their labels.",
        own_test=True,
    )


def _four(call: str, channel: str) -> list[str]:
    """The four arrays of a source with a test split of its own."""
    return [
        *statement("images, labels, test_images, test_labels = ", call, 4),
        *_labelled("data", f"images{channel}", "labels"),
        *_labelled("test_data", f"test_images{channel}", "test_labels"),
    ]


def _labelled(name: str, images: str, labels: str) -> list[str]:
    inner = f'{{"image": {images}, "label": {labels}.astype(np.int64)}}'
    return statement(f"{name} = ", inner, 4)

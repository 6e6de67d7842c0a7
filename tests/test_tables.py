"""Tables: columns as features, what training learns of them, rows that are broken."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from data_files import plan, problem
from hypothesis import given, settings
from hypothesis import strategies as st
from test_torch_programs import QUICK, below, same_as_the_loop, spec

from dlspec.cli.app import dlspec
from dlspec.data import load
from dlspec.data.tables import read_csv
from dlspec.ir.sources import Csv, Parquet
from dlspec.ir.transforms import OneHot, Standardize
from dlspec.pipeline import compile_text

ROWS = """age,sex,height,kind
10,m,1.5,cat
20,f,2.5,dog
30,m,0.5,cat
40,f,,dog
50,x,4.5,cat
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text(ROWS)
    return tmp_path


def test_columns_become_features(table: Path):
    chain = (OneHot(), Standardize(columns=("age",)))
    source = Csv(path="a.csv", target="kind", missing="mean")
    data = load(plan(source, transform=chain), table)
    age = (np.array([10, 20, 30, 40, 50]) - 30) / np.std([10, 20, 30, 40, 50])
    height = np.array([1.5, 2.5, 0.5, 2.25, 4.5])
    sex = np.array([[0, 1, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]])
    expected = np.column_stack([age, sex, height])
    np.testing.assert_allclose(data.train.fields["features"], expected, rtol=1e-6)
    assert data.train.fields["target"].tolist() == [0, 1, 0, 1, 0]
    assert data.classes == ("cat", "dog")


def test_what_is_learned_is_of_the_training_split(tmp_path: Path):
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{n},{n / 4}\n" for n in range(40)))
    source = Csv(path="a.csv", target="y", features=("x",), classes=None)
    data = load(plan(source, transform=(Standardize(),), test=0.5, seed=3), tmp_path)
    assert abs(data.train.fields["features"].mean()) < 1e-6
    assert data.train.fields["features"].std() == pytest.approx(1)
    assert data.columns is not None
    mean = data.columns[0]["mean"]
    read = data.test.fields["features"][:, 0] * data.columns[0]["std"] + mean
    np.testing.assert_allclose(read, 4 * data.test.fields["target"], atol=1e-4)
    again = load(plan(source, transform=(Standardize(),)), tmp_path, columns=data.columns)
    assert again.columns == data.columns and abs(again.train.fields["features"].mean()) > 1e-6


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("7,m,1.5", ":7: has 3 cells"),
        ("old,m,1.5,cat", ":7: `age` is 'old', which is not a number"),
        ("7,m,,cat", ":5: `height` has no value"),
        ("inf,m,1.5,cat", ":7: `age` is 'inf'"),
    ],
)
def test_a_broken_row_is_named_and_can_be_skipped(row: str, said: str, table: Path):
    (table / "a.csv").write_text(f"{ROWS}{row}\n")
    source = Csv(path="a.csv", target="kind")
    chain = (OneHot(),)
    with (table / "a.csv").open("a") as file:
        file.write("1,m,1,dog\n")
    if "height" not in said:
        (table / "a.csv").write_text((table / "a.csv").read_text().replace("40,f,,", "40,f,1,"))
    found = problem(source, table, transform=chain)
    assert said in found.message and found.exit_code == 1
    data = load(plan(source, transform=chain), table, skip_bad=True)
    assert any(said in sentence for sentence in data.skipped)
    assert len(data.train) + len(data.skipped) == 7


def test_rows_that_lack_something_can_be_left_out(table: Path):
    data = load(
        plan(Csv(path="a.csv", target="kind", missing="drop"), transform=(OneHot(),)), table
    )
    assert len(data.train) == 4 and data.skipped == ()


def test_mistakes_about_columns(table: Path):
    found = problem(Csv(path="a.csv", target="kin"), table)
    assert "`kin`" in found.message and "`kind`" in found.message
    found = problem(Csv(path="a.csv", target="kind"), table)
    assert ":2: `sex` is 'm'" in found.message and "OneHot" in found.help
    found = problem(
        Csv(path="a.csv", target="kind", missing="drop"),
        table,
        transform=(OneHot(), Standardize(columns=("sex",))),
    )
    assert found.code == "E0606"
    found = problem(Csv(path="a.csv", target="kind", classes=("cat", "cow")), table)
    assert (
        ":3:"
        in problem(
            Csv(path="a.csv", target="kind", features=("age",), classes=("cat", "cow")), table
        ).message
    )
    (table / "b.csv").write_bytes(b"x,y\n1,2\n\xff,3\n")
    assert ":3: is not a text" in problem(Csv(path="b.csv", target="y"), table).message
    (table / "c.csv").write_bytes(b"")
    assert "is empty" in problem(Csv(path="c.csv", target="y"), table).message


def test_check_knows_a_table_whose_columns_are_listed():
    text = """model M { input features: float[3]
  Dense(2) }
data D { source = csv("none.csv", "y", ["a", "b"], classes=["p", "q"]) }
train M on D { loss = cross_entropy
  optimizer = adam(lr=1e-3)
  epochs = 1 }
"""
    found = [(d.code, d.message) for d in compile_text(text).diagnostics]
    assert found and found[0][0] == "E0604" and "float[2]" in found[0][1]


def as_parquet(folder: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow.csv import read_csv as read
    from pyarrow.parquet import write_table

    write_table(read(folder / "a.csv"), folder / "a.parquet")


def test_parquet_is_as_csv(table: Path):
    as_parquet(table)
    chain = (OneHot(), Standardize())
    one, other = (
        load(plan(kind(path=path, target="kind", missing="mean"), transform=chain), table)
        for kind, path in ((Csv, "a.csv"), (Parquet, "a.parquet"))
    )
    for name in one.train.fields:
        assert np.array_equal(one.train.fields[name], other.train.fields[name])
    (table / "b.parquet").write_bytes((table / "a.parquet").read_bytes()[:-9])
    assert problem(Parquet(path="b.parquet", target="kind"), table).exit_code == 1


MODEL = "model T { input features: float[5]\n Dense(4, activation=tanh) -> Dense(2) }\n"


def many(path: Path, count: int = 60) -> None:
    draw = np.random.default_rng(1)
    kinds = ("m", "f", "x")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["age", "sex", "height", "kind"])
        for n in range(count):
            age = draw.normal(40, 9)
            sex = kinds[n % 3]
            writer.writerow([age, sex, draw.random(), "cat" if age > 40 else "dog"])


@pytest.mark.parametrize("test", ["", "\n test = 20%"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_program_reads_tables(kind: str, test: str, tmp_path: Path):
    many(tmp_path / "a.csv")
    if kind == "parquet":
        as_parquet(tmp_path)
    data = f'data D {{ source = {kind}("a.{kind}", target="kind")\n'
    data += f" transform = OneHot -> Standardize{test} }}\n"
    same_as_the_loop(
        spec(f"{QUICK}\n loss = cross_entropy", data, MODEL), tmp_path, below(tmp_path)
    )


def test_train_evaluate_export_and_predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Predictions of rows as they were written are those of the model behind the preparation."""
    pytest.importorskip("onnxruntime")
    many(tmp_path / "a.csv")
    with (tmp_path / "a.csv").open("a") as file:
        file.write("broken,row\n")
    (tmp_path / "a.dlnet").write_text(
        MODEL
        + 'data D { source = csv("a.csv", target="kind")\n transform = OneHot -> Standardize\n'
        " test = 20% }\ntrain T on D {\n loss = cross_entropy\n optimizer = adam(lr=0.1)\n"
        " epochs = 20\n metrics = [accuracy]\n}\n"
    )
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    done = run(dlspec, ["train", "a.dlnet", "--out", "run", "--quiet"])
    assert done.exit_code == 1 and "a.csv:62: has 2 cells" in done.output
    assert "--skip-bad" in done.output
    done = run(dlspec, ["train", "a.dlnet", "--out", "run", "--quiet", "--skip-bad"])
    assert done.exit_code == 0, done.output
    assert "1 bad rows or images were skipped" in done.output
    done = run(dlspec, ["evaluate", "run", "--format", "json"])
    assert done.exit_code == 0 and json.loads(done.stdout)["metrics"]["accuracy"] > 0.8
    done = run(dlspec, ["export", "run", "-o", "t.onnx"])
    assert done.exit_code == 0, done.output
    (tmp_path / "new.csv").write_text("sex,age,height\nm,60,0.5\nf,20,0.5\nother,,0.5\n")
    done = run(dlspec, ["predict", "t.onnx", "new.csv", "--format", "json"])
    assert done.exit_code == 0, done.output
    assert done.stdout.index("cat") < done.stdout.index("dog")
    (tmp_path / "new.csv").write_text("sex,height\nm,0.5\n")
    done = run(dlspec, ["predict", "t.onnx", "new.csv"])
    assert "no column `age`" in done.output


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=6).map(str.strip)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=1, max_size=8))
def test_what_the_csv_module_writes_is_read_back(tmp_path_factory, rows: list[list[str]]):
    path = tmp_path_factory.mktemp("drawn") / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["a", "b"], *rows])
    names, read, lines = read_csv(path, ",", None)
    assert names == ["a", "b"] and read == rows and lines == sorted(set(lines))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=120))
def test_no_bytes_crash_a_table(tmp_path_factory, data: bytes):
    path = tmp_path_factory.mktemp("drawn") / "a.csv"
    path.write_bytes(b"x,y\n1,2\n" + data)
    found = load(plan(Csv(path="a.csv", target="y")), path.parent, skip_bad=True)
    assert len(found.train) >= 1

"""`dlspec init`: what it writes checks, is laid out, compiles and trains; what it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from syntax_trees import nodes, parsed
from test_cases import SPECS
from test_cli import Done, run

from dlspec.syntax import tree


def init(folder: Path, *arguments: object) -> Done:
    return run("init", *arguments, cwd=folder)


def test_the_start(tmp_path: Path) -> None:
    done = init(tmp_path, "my_net")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "my_net.dlnet: a model `MyNet`, its data and its training. Next:",
        "",
        "  dlspec check my_net.dlnet",
        "  dlspec summary my_net.dlnet",
        "  dlspec train my_net.dlnet",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["my_net.dlnet"]
    assert run("check", "--warnings-as-errors", "my_net.dlnet", cwd=tmp_path).code == 0
    assert run("fmt", "--check", "my_net.dlnet", cwd=tmp_path).code == 0
    assert "MyNet" in run("summary", "my_net.dlnet", cwd=tmp_path).out
    assert run("compile", "my_net.dlnet", "-o", "my_net.py", cwd=tmp_path).code == 0
    compile((tmp_path / "my_net.py").read_text(), "my_net.py", "exec")


def test_it_trains_as_it_is(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    init(tmp_path, "my_net")
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # more of them wait for each other on a busy machine
    done = run("train", "my_net.dlnet", "--device", "cpu", "--quiet", cwd=tmp_path)
    torch.set_num_threads(before)
    assert done.code == 0, done.err
    assert "`require accuracy >= 95%` holds" in done.out + done.err


@pytest.mark.parametrize(
    ("name", "file", "model"),
    [
        ("LeNet", "LeNet.dlnet", "LeNet"),
        ("specs/new/u-net", "specs/new/u-net.dlnet", "UNet"),
        ("net.dlnet", "net.dlnet", "Net"),
        ("v1.5_big", "v1.5_big.dlnet", "V15Big"),
        ("conv", "conv.dlnet", "ConvNet"),
        ("Conv2D", "Conv2D.dlnet", "Conv2DNet"),
        ("digits", "digits.dlnet", "DigitsNet"),
        ("n" * 64, "n" * 64 + ".dlnet", "N" + "n" * 63),
    ],
)
def test_names(tmp_path: Path, name: str, file: str, model: str) -> None:
    done = init(tmp_path, name)
    assert done.code == 0, done.err
    assert f"`{model}`" in done.out
    assert run("check", "--warnings-as-errors", file, cwd=tmp_path).code == 0
    assert run("fmt", "--check", file, cwd=tmp_path).code == 0


@pytest.mark.parametrize(
    "name", ["3d", "größe", "a+b", "n" * 65, "", "nets/", ".", "..", "__", "a\0"]
)
def test_bad_names(tmp_path: Path, name: str) -> None:
    done = init(tmp_path, name)
    assert (done.code, done.out) == (2, "")
    assert "Error: " in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    file = tmp_path / "net.dlnet"
    file.write_text("mine")
    done = init(tmp_path, "net")
    assert (done.code, done.out) == (3, "")
    assert done.err == "Error: net.dlnet: exists already; `--force` overwrites it\n"
    assert file.read_text() == "mine"
    assert init(tmp_path, "net", "--force").code == 0
    assert "model Net" in file.read_text()


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.dlnet").mkdir()
    for name, words in (("file/net", "Not a directory"), ("folder", "is a folder")):
        done = init(tmp_path, name)
        assert (done.code, done.out) == (3, "")
        assert words in done.err.replace("File exists", "Not a directory")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything can be written")
def test_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = init(tmp_path, "net")
    tmp_path.chmod(0o700)
    assert (done.code, done.err) == (3, "Error: net.dlnet: Permission denied\n")


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_copies_of_packaged_specs(path: Path, tmp_path: Path) -> None:
    done = init(tmp_path, "mine", "--from", f"std:{path.stem}")
    assert done.code == 0, done.err
    text = (tmp_path / "mine.dlnet").read_text(encoding="utf-8")
    used = [n.path.value for n in nodes(parsed(text)[0]) if isinstance(n, tree.UseDeclaration)]
    assert all(name.startswith("std:") for name in used)
    assert ("use " in path.read_text(encoding="utf-8")) == bool(used)
    assert run("check", "mine.dlnet", cwd=tmp_path).code == 0
    assert run("fmt", "--check", "mine.dlnet", cwd=tmp_path).code == 0
    assert ("dlspec train mine.dlnet" in done.out) == ("\ntrain " in text)


def test_the_prefix_may_be_left_out(tmp_path: Path) -> None:
    assert init(tmp_path, "a", "--from", "lenet").code == 0
    assert init(tmp_path, "b", "--from", "std:lenet").code == 0
    assert (tmp_path / "a.dlnet").read_bytes() == (tmp_path / "b.dlnet").read_bytes()


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        ("std:resnt", "did you mean `resnet`?"),
        ("std:zzz", "there are "),
        ("../lenet", "no packaged spec `../lenet`"),
        ("", "no packaged spec"),
    ],
)
def test_unknown_packaged_specs(tmp_path: Path, origin: str, words: str) -> None:
    done = init(tmp_path, "net", "--from", origin)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert list(tmp_path.iterdir()) == []

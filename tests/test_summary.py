"""`dlspec summary`: blocks folded and unfolded, its sums, and how it fits a terminal."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest
from test_cli import run

import dlspec

if sys.platform != "win32":
    import fcntl
    import pty
    import struct
    import subprocess
    import termios

SPECS = Path(__file__).parent.parent / "specs"
RESNET = SPECS / "resnet.dlnet"

SHARED = """
# Two layers.
block Pair(width) { Dense(width) -> ReLU -> Dense(width) }
model Net {
  input x: float[8]
  layer pair = Pair(8)
  it -> pair -> pair
  repeat 3 { Pair(8) }
}
"""


def rows(text: str) -> dict[str, list[str]]:
    """The cells of each line of the table by its path."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        parts = re.split(r"\s{2,}", line.strip())
        if len(parts) >= 3:
            found[parts[0]] = parts[1:]
    return found


def test_blocks_are_rows_and_equal_ones_one() -> None:
    done = run("summary", RESNET)
    table = rows(done.out)
    assert table["bottleneck1"][:3] == ["Bottleneck", "[256, 56, 56]", "75,008"]
    assert table["bottleneck2…3"][:3] == ["Bottleneck ×2", "[256, 56, 56]", "140,800"]
    assert table["bottleneck9…13"][0] == "Bottleneck ×5"
    assert table["total"] == ["25,557,032", "4,089,184,256", "143.3 MiB"]
    assert "Bottleneck: A narrow, a 3×3 and a wide convolution" in done.out
    assert "weights 97.5 MiB in float32" in done.out
    assert "depth 50" in done.out


@pytest.mark.parametrize("arguments", [[], ["--depth", "1"], ["--expand"]])
@pytest.mark.parametrize("file", ["resnet", "googlenet", "inception_v4"])
def test_the_figures_add_up_to_the_total(file: str, arguments: list[str]) -> None:
    table = rows(run("summary", SPECS / f"{file}.dlnet", *arguments).out)
    total = table.pop("total")
    for column, wanted in ((2, total[0]), (3, total[1])):
        figures = [cells[column] for cells in table.values() if len(cells) == 5]
        summed = sum(int(text.replace(",", "")) for text in figures if text[0].isdigit())
        assert f"{summed:,}" == wanted


def test_expand_shows_the_layers_below_their_block() -> None:
    lines = run("summary", RESNET, "--expand").out.splitlines()
    paths = [line.split()[0] for line in lines if line.startswith("  ") and line.strip()]
    at = paths.index("bottleneck1")
    assert paths[at + 1 : at + 3] == ["bottleneck1.conv1", "bottleneck1.batch_norm1"]
    assert "×" not in "\n".join(line for line in lines if line.startswith("  bottleneck"))


def test_weights_used_again_count_once() -> None:
    spec = dlspec.loads(SHARED)
    summary = spec.models["Net"].summary()
    pair = 2 * (8 * 8 + 8)
    assert summary["parameters"] == 4 * pair
    assert sum(layer["parameters"] for layer in summary["layers"]) == 4 * pair
    assert [block["parameters"] for block in summary["blocks"]] == [pair, 0, pair, pair, pair]
    assert [block["macs"] for block in summary["blocks"]] == [128] * 5


def test_json_has_every_layer_and_every_block() -> None:
    (model,) = json.loads(run("summary", RESNET, "--format", "json").out)["models"]
    assert len(model["layers"]) == 3 + 1 + 16 * 10 + 4 * 2 + 2
    assert model["documentation"]
    assert len(model["blocks"]) == 16
    block = model["blocks"][0]
    assert (block["path"], block["block"]) == ("bottleneck1", "Bottleneck")
    assert block["arguments"] == {"width": 64, "stride": 1}
    assert block["documentation"].startswith("A narrow")
    inside = [x for x in model["layers"] if x["path"].startswith("bottleneck1.")]
    for figure in ("parameters", "macs", "memory"):
        assert block[figure] == sum(layer[figure] for layer in inside)


def test_expand_and_depth_are_one_choice() -> None:
    done = run("summary", RESNET, "--expand", "--depth", "1")
    assert done.code == 2
    assert "`--depth`" in done.err


def on_terminal(columns: int, *arguments: object, **environment: str) -> str:
    """What `dlspec ARGUMENTS` writes on a terminal of so many columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    unset = ("NO_COLOR", "COLUMNS", "LINES")
    clean = {name: value for name, value in os.environ.items() if name not in unset}
    with subprocess.Popen(
        [sys.executable, "-m", "dlspec", *map(str, arguments)],
        stdout=slave, stderr=slave, stdin=slave, env={**clean, "TERM": "xterm", **environment},
    ) as process:  # fmt: skip
        os.close(slave)
        pieces: list[bytes] = []
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not piece:
                break
            pieces.append(piece)
        assert process.wait() == 0
    os.close(master)
    return b"".join(pieces).decode().replace("\r\n", "\n")


terminal = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")


@terminal
@pytest.mark.parametrize(
    ("columns", "shown", "hidden"),
    [
        (120, ["memory", "multiply-adds", "4,089,184,256"], ["…_"]),
        (85, ["multiply-adds", "4,089,184,256"], ["memory"]),
        (70, ["macs", "4.09 G", "25.6 M"], ["multiply-adds", "memory"]),
        (62, ["4.09 G", "25.6 M", "…"], ["4,089,184,256"]),
    ],
)
def test_narrow_terminals(columns: int, shown: list[str], hidden: list[str]) -> None:
    text = on_terminal(columns, "summary", RESNET, NO_COLOR="1")
    assert "\x1b" not in text
    table = text.partition("path")[2]
    assert all(part in text for part in shown)
    assert not any(part in table.partition("Bottleneck:")[0] for part in hidden)
    assert max(map(len, text.splitlines())) <= columns


@terminal
def test_colour_is_for_terminals_that_want_it() -> None:
    assert "\x1b[1m" in on_terminal(120, "summary", RESNET)
    assert "\x1b" not in on_terminal(120, "summary", RESNET, NO_COLOR="1")
    assert "\x1b" not in run("summary", RESNET).out


def test_names_of_an_ir_file_cannot_steer_a_terminal(tmp_path: Path) -> None:
    made = run("compile", RESNET, "--to", "ir").out
    (tmp_path / "a.json").write_text(made.replace("A narrow, a 3", "\\u001b[2J\\u202e, a 3"))
    done = run("summary", tmp_path / "a.json")
    assert done.code == 0
    assert "\x1b" not in done.out
    assert "\\x1b[2J\\u202e" in done.out

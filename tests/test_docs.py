"""What the documentation shows holds: its specs compile as it says, its commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from dlspec.cli.app import dlspec
from dlspec.pipeline import compile_text

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
GUIDE = ROOT / "docs" / "language.md"
OTHERS = frozenset({"text", "sh"})
"""Info strings of blocks that are no specs."""

FENCED = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
INFO = re.compile(r"dlnet(?P<body> body)?(?: wrong (?P<code>[EW]\d{4}))?")


class Block(NamedTuple):
    """A fenced block: its page and line, its info string and its text."""

    place: str
    info: str
    text: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(f"{page.name}:{text.count(chr(10), 0, m.start()) + 1}", m[1], m[2])
        for m in FENCED.finditer(text)
    ]


def test_every_block_of_the_guide_says_what_it_is() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert text.count("```") == 2 * len(blocks(GUIDE))
    unknown = [b for b in blocks(GUIDE) if b.info not in OTHERS and not INFO.fullmatch(b.info)]
    assert unknown == []


SPECS = [block for page in PAGES for block in blocks(page) if INFO.fullmatch(block.info)]


def test_there_are_examples_of_every_kind() -> None:
    found = [INFO.fullmatch(block.info) for block in SPECS]
    assert {(bool(m["body"]), bool(m["code"])) for m in found if m} == {
        (False, False),
        (False, True),
        (True, False),
        (True, True),
    }


def whole(block: Block) -> str:
    """The spec of a block; what stands inside a model gets one around it."""
    info = INFO.fullmatch(block.info)
    if info is None or not info["body"]:
        return block.text
    return f"model M {{\n  input x: float[3, 32, 32]\n{block.text}}}\n"


@pytest.mark.parametrize("block", SPECS, ids=[block.place for block in SPECS])
def test_a_spec_means_what_the_page_says(block: Block) -> None:
    info = INFO.fullmatch(block.info)
    assert info is not None
    compiled = compile_text(whole(block), block.place)
    found = [(d.code, d.message) for d in compiled.diagnostics]
    assert [code for code, _ in found] == ([info["code"]] if info["code"] else []), found


def test_the_readme_shows_the_packaged_spec() -> None:
    first = blocks(ROOT / "README.md")[0]
    assert first.text == (ROOT / "specs" / "lenet.dlnet").read_text(encoding="utf-8")


# --- commands ----------------------------------------------------------------------------

COMMAND = re.compile(r"`(dlspec [^`\n]*)`")
LINE = re.compile(r"^\s*(?:\$ )?(dlspec .*)$", re.MULTILINE)


def commands(page: Path) -> list[str]:
    """Every `dlspec …` of a page, in the text and as a line of a block."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in blocks(page) for line in LINE.findall(block.text)]
    return [*COMMAND.findall(FENCED.sub("", text)), *lines]


def problems(written: str) -> list[str]:
    """What the command line does not know of a command as a page writes it."""
    words = shlex.split(written.partition(" #")[0])[1:]
    if not words or words[0].startswith("-"):
        return []
    context = click.Context(dlspec, info_name="dlspec")
    command = dlspec.get_command(context, words[0])
    if command is None:
        return [f"no command `{words[0]}`"]
    known = {
        text: parameter
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for text in (*parameter.opts, *parameter.secondary_opts)
    }
    known["--help"] = click.Option(["--help"], is_flag=True)
    options = [word.partition("=")[0] for word in words[1:] if word.startswith("-") and word != "-"]
    return [f"`{words[0]}` has no option `{option}`" for option in options if option not in known]


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_every_command_named_exists_with_its_options(page: Path) -> None:
    found = commands(page)
    assert found
    assert {command: problems(command) for command in found if problems(command)} == {}


def test_a_command_that_does_not_exist_would_be_found() -> None:
    assert problems("dlspec chekc a.dlnet")
    assert problems("dlspec check --opset 3 a.dlnet")
    assert not problems("dlspec check --set classes=100 a.dlnet")

"""Every code has a page whose wrong example fires it alone and whose right one is silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlspec.diagnostics import pages
from dlspec.diagnostics.codes import CODES
from dlspec.diagnostics.pages import MAIN, page, parse
from dlspec.pipeline import compile_file

WITHOUT_EXAMPLE = {"E0001", "E0212", "E0415", "E0416", "E0702"}
"""Grows only with a reason that the page gives."""

WITH_EXAMPLE = [code for code in CODES if code not in WITHOUT_EXAMPLE]


def codes_of(files: dict[str, str], folder: Path, settings: tuple[str, ...] = ()) -> set[str]:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    overrides = dict(setting.split("=", 1) for setting in settings)
    return {d.code for d in compile_file(folder / MAIN, overrides).diagnostics}


@pytest.mark.parametrize("code", WITH_EXAMPLE)
def test_the_wrong_example_fires_its_code_alone(code: str, tmp_path: Path) -> None:
    found = page(code)
    assert codes_of(found.wrong, tmp_path, found.settings) == {code}


@pytest.mark.parametrize("code", WITH_EXAMPLE)
def test_the_right_example_is_silent(code: str, tmp_path: Path) -> None:
    assert codes_of(page(code).right, tmp_path) == set()


@pytest.mark.parametrize("code", CODES)
def test_the_page_says_what_the_table_says(code: str) -> None:
    found = page(code)
    assert (found.code, found.title) == (code, CODES[code])
    assert found.explanation.endswith(".")
    assert found.text().startswith(f"{code}: ")


@pytest.mark.parametrize("code", sorted(WITHOUT_EXAMPLE))
def test_a_page_without_an_example_says_why(code: str) -> None:
    found = page(code)
    assert found.no_example
    assert not found.wrong
    assert not found.right


def test_there_are_no_other_pages() -> None:
    folder = Path(pages.__file__).parent
    assert {path.stem for path in folder.glob("*.md")} == set(CODES)


def test_a_page_needs_a_title() -> None:
    with pytest.raises(ValueError, match="begins with"):
        parse("no title\n")

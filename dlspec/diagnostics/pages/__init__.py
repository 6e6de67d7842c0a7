"""The long forms of the diagnostics: `CODE.md` beside this file, one for each code.

A page has a title, an explanation, a wrong example that fires exactly its code
and a right one that is silent. Tests compile both.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_FENCE = re.compile(r"^```dlnet ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MAIN = "main.dlnet"
"""The name of an example's main file."""


class Page(NamedTuple):
    """One page. `wrong` and `right` are files by name, `main.dlnet` the one that is compiled.

    settings: overrides that the wrong example needs to fail, as `--set` takes them
    no_example: why there are no examples, where there are none
    """

    code: str
    title: str
    explanation: str
    wrong: dict[str, str]
    right: dict[str, str]
    settings: tuple[str, ...] = ()
    no_example: str = ""

    def text(self) -> str:
        """The page as a terminal shows it."""
        lines = [f"{self.code}: {self.title}", "", self.explanation]
        option = "".join(f" --set {setting}" for setting in self.settings)
        for heading, files in ((f"Wrong{option}:", self.wrong), ("Right:", self.right)):
            for name, text in files.items():
                shown = heading if name == MAIN else f"{heading.rstrip(':')}, {name}:"
                lines += ["", shown, "", *(f"    {line}".rstrip() for line in text.splitlines())]
        return "\n".join(lines) + "\n"


def page(code: str) -> Page:
    """The page of a code of `CODES`. Raises FileNotFoundError where there is none."""
    return parse((Path(__file__).parent / f"{code}.md").read_text(encoding="utf-8"))


def parse(text: str) -> Page:
    """A page from its Markdown.

    Raises ValueError where the title is missing.
    """
    front, text = _front_matter(text)
    title = re.match(r"# ([EW]\d{4}): (.+)\n", text)
    if title is None:
        raise ValueError("a page begins with `# CODE: title`")
    explanation, _, examples = text[title.end() :].partition("\n## Wrong\n")
    wrong, _, right = examples.partition("\n## Right\n")
    return Page(
        code=title[1],
        title=title[2],
        explanation=explanation.strip(),
        wrong=_files(wrong),
        right=_files(right),
        settings=tuple(front.get("set", "").split()),
        no_example=front.get("example", "").removeprefix("none, because "),
    )


def _front_matter(text: str) -> tuple[dict[str, str], str]:
    if not text.startswith("---\n"):
        return {}, text
    head, _, rest = text[4:].partition("---\n")
    pairs = (line.partition(": ") for line in head.splitlines())
    return {key: value for key, _, value in pairs}, rest.lstrip()


def _files(section: str) -> dict[str, str]:
    return {name or MAIN: text for name, text in _FENCE.findall(section)}

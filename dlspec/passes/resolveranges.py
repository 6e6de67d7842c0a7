"""The search ranges of a spec, put behind the settings of its resolved text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dlspec.ir.search import Search

_CLOSES = {"(": ")", "[": "]", "{": "}"}


def ranged(settings: Mapping[str, str], head: str, searches: Iterable[Search]) -> dict[str, str]:
    """Settings as texts, `adam(lr=0.001, …)`, with the ranges that stand in the spec.

    head: what `--set` calls the body that they stand in, `train` or `data`.
    """
    texts = dict(settings)
    for search in searches:
        if not search.key.startswith(f"{head}."):
            continue
        name, *rest = search.key.removeprefix(f"{head}.").split(".")
        if name in texts and not rest:
            # Named choices compare by their text: what is named stays as it is written among them.
            text = search.value if isinstance(search.value, str) else texts[name]
            texts[name] = f"{text} in {search.written}"
        elif name in texts:
            texts[name] = _with_range(texts[name], rest, search.written)
    return texts


def _with_range(text: str, path: list[str], written: str) -> str:
    """The text of an option, or of a row of stages, with a range behind one argument."""
    start = text.find(f"{path[0]}(") if len(path) == 2 else 0
    opening = text.find("(", start)
    for begin, end in _arguments(text, opening) if start >= 0 and opening >= 0 else ():
        if text[begin:end].startswith(f"{path[-1]}="):
            return f"{text[:end]} in {written}{text[end:]}"
    return text


def _arguments(text: str, opening: int) -> Iterable[tuple[int, int]]:
    """Where the arguments of the call that opens there begin and end."""
    depth, begin, quoted = 0, opening + 1, False
    place = opening + 1
    while place < len(text):
        letter = text[place]
        if quoted:
            place += letter == "\\"
            quoted = letter != '"'
        elif letter == '"':
            quoted = True
        elif letter in _CLOSES:
            depth += 1
        elif letter in _CLOSES.values() and depth:
            depth -= 1
        elif depth == 0 and letter in ",)":
            yield begin, place
            begin = place + 2
            if letter == ")":
                return
        place += 1

"""Random edits of good specs: never a traceback, never long, and a message at the very place.

Where a spec no longer means anything, some diagnostic should touch the edit: its own place or a
label overlaps what changed, or stands right beside it. 200 edits, the same in every run, and
2,000 new ones in `make test-all`.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from random import Random

import pytest
from spec_edits import EDITS, Edit, corpus, edited

from dlspec.pipeline import Compiled, compile_text

LONGEST = 5
"""Seconds of processor time for one check."""
SPECS = corpus()


class Tally:
    """What became of edits, by their kind."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.touched: Counter[str] = Counter()
        self.on_the_line: Counter[str] = Counter()
        self.missed: list[str] = []

    def add(self, name: str, edit: Edit, compiled: Compiled) -> None:
        self.made[edit.kind] += 1
        if not compiled.failed:
            return
        self.wrong[edit.kind] += 1
        places = spans(compiled, edit.text)
        touched = any(start <= edit.end and end >= edit.start for start, end in places)
        lines = line(edit, edit.start), line(edit, edit.end)
        near = any(line(edit, a) <= lines[1] and line(edit, b) >= lines[0] for a, b in places)
        self.touched[edit.kind] += touched
        self.on_the_line[edit.kind] += near
        if not touched:
            found = "; ".join(f"{d.code} line {d.span.line}" for d in compiled.diagnostics)
            self.missed.append(f"{name}:{lines[0] + 1} {edit.before!r} {edit.kind}: {found}")

    def __str__(self) -> str:
        rows = [
            f"{kind:18}{self.made[kind]:6}{wrong:6}"
            f"{self.touched[kind] / wrong:8.1%}{self.on_the_line[kind] / wrong:8.1%}"
            for kind, wrong in self.wrong.items()
        ]
        return "\n".join(["kind, edits, wrong after it, touched, on its line", *rows, *self.missed])


def spans(compiled: Compiled, text: str) -> list[tuple[int, int]]:
    """All places in the edited text itself that the diagnostics name."""
    return [
        (span.start, span.end)
        for diagnostic in compiled.diagnostics
        for span in (diagnostic.span, *(label.span for label in diagnostic.labels))
        if span.source.text == text
    ]


def line(edit: Edit, offset: int) -> int:
    return edit.text.count("\n", 0, offset)


def campaign(count: int, seed: str) -> Tally:
    """As many edits, each kind as often, every spec in turn."""
    tally, names, kinds = Tally(), sorted(SPECS), list(EDITS)
    for number in range(count):
        random = Random(f"{seed} {number}")
        name, kind = names[number % len(names)], kinds[number % len(kinds)]
        edit = None
        while edit is None:
            edit = edited(SPECS[name], kind, random)
        begun = time.process_time()
        compiled = compile_text(edit.text)
        assert time.process_time() - begun < LONGEST, edit.text
        tally.add(name, edit, compiled)
    return tally


def test_edits_are_answered_where_they_are() -> None:
    tally = campaign(200, "fixed")
    print(tally)
    assert tally.touched.total() >= 0.93 * tally.wrong.total(), tally


@pytest.mark.slow
def test_many_edits_are_answered_where_they_are() -> None:
    fresh = os.environ.get("HYPOTHESIS_PROFILE") == "fresh"
    tally = campaign(2000, str(time.time_ns()) if fresh else "fixed")
    print(tally)
    assert tally.touched.total() >= 0.95 * tally.wrong.total(), tally
    assert tally.on_the_line.total() >= 0.97 * tally.wrong.total(), tally
    assert min(tally.wrong.values()) > 100, "a kind of edit does no harm any more"

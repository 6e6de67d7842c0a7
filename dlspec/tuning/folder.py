"""The folder of a study: what lies in it, and what must be the same when it goes on.

spec/               the spec as it was when the study began: what the trials compile
study.json          what the study was started with
study.db            every trial so far, Optuna's own records
trials/0007/        the run of a trial
best/spec.dlnet     the best trial's spec, without ranges: `dlspec train` takes it
trials.json         every trial with its settings and figures
study.png           the trials as a picture
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from dlspec.training.durable import write_durably
from dlspec.tuning.problems import StudyProblem


class StudyFolder:
    """The files of one study. Writing raises OSError where the disk refuses."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / "study.db"
        self._lock: IO[str] | None = None

    @property
    def spec(self) -> Path:
        """The spec that the trials compile: a used file may have its name already."""
        other = self.path / "spec" / "resolved.dlnet"
        return other if other.exists() else self.path / "spec" / "spec.dlnet"

    def trial(self, number: int) -> Path:
        """The folder of a trial's run."""
        return self.path / "trials" / f"{number:04}"

    def open(self, texts: Mapping[str, str], facts: Mapping[str, Any]) -> None:
        """Make the folder, or go on with the study in it.

        Raises StudyProblem where another study is in it, or someone works in it now.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self._take()
        facts = {**facts, "spec_sha256": _hash(texts)}
        written = self.path / "study.json"
        if written.exists():
            self._compare(facts, written)
            return
        if any(self.path.glob("*.dlnet")) or (self.path / "run.json").exists():
            raise StudyProblem(f"`{self.path}` holds a run; `--out` names another folder", 2)
        for name, text in texts.items():
            place = self.path / "spec" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            write_durably(place, text.encode())
        write_durably(written, (json.dumps(facts, indent=1) + "\n").encode())

    def _compare(self, facts: Mapping[str, Any], written: Path) -> None:
        try:
            before = json.loads(written.read_bytes())
        except ValueError:
            raise StudyProblem(f"`{written}` is not JSON") from None
        names = {"spec_sha256": "the spec", "settings": "`--set`"}
        changed = [
            names.get(name, f"`--{name.replace('_', '-')}`")
            for name, value in facts.items()
            if not isinstance(before, dict) or before.get(name) != value
        ]
        if changed:
            raise StudyProblem(
                f"the study in `{self.path}` was started with another value of "
                f"{', '.join(changed)}; `--out` names another folder",
                2,
            )

    def _take(self) -> None:
        """Keep others out until this process ends, however it ends."""
        try:
            from fcntl import LOCK_EX, LOCK_NB, flock
        except ImportError:  # Windows has no such locks
            return
        self._lock = (self.path / "study.lock").open("w")
        try:
            flock(self._lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise StudyProblem(f"another `dlspec tune` is at work in `{self.path}`", 3) from None

    def can_resume(self, number: int) -> bool:
        """Whether a trial that was cut short left a run to go on with; anything else is removed."""
        place = self.trial(number)
        if (place / "run.json").exists() and (place / "spec.json").exists():
            return True
        shutil.rmtree(place, ignore_errors=True)
        return False

    def tidy(self, number: int) -> None:
        """Remove the checkpoints of a trial that is over."""
        shutil.rmtree(self.trial(number) / "checkpoints", ignore_errors=True)

    def write_best(self, texts: Mapping[str, str]) -> Path:
        """Write the best trial's spec, with the files that it uses. Gives its path."""
        for name, text in texts.items():
            place = self.path / "best" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            write_durably(place, text.encode())
        return self.path / "best" / main_name(texts)

    def write(self, name: str, content: bytes) -> None:
        """Write one of the study's results."""
        write_durably(self.path / name, content)


def main_name(texts: Mapping[str, str]) -> str:
    """Which of the files of a resolved spec is the spec."""
    return "resolved.dlnet" if "resolved.dlnet" in texts else "spec.dlnet"


def _hash(texts: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(dict(texts), sort_keys=True).encode()).hexdigest()

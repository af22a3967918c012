"""The numbered cases: a state, one file of it, a change to that file, and the verb that then meets it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hostile_runs.bases import STATES, run_files
from hostile_runs.contents import CHANGES, names_of_changes
from hostile_runs.places import PLACES

__all__ = ["LOOKING", "WORKING", "Case", "apply", "cases", "command"]

LOOKING = ("ls", "info", "verify")
"""Verbs that every case goes through first: they write nothing."""

WORKING = {
    "finished": ("eval", "dump", "run", "train", "live"),
    "begun": ("run", "train", "eval"),
    "undumped": ("dump", "run", "live"),
}
"""By state, the verbs of which each case gets one."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One mutated file and the verb after those that only look; `number` is also the seed of the change."""

    number: int
    state: str
    file: str
    change: str
    verb: str

    @property
    def run(self) -> str:
        """The run that the file is of; dgkd.toml is of all."""
        return self.file.split("/")[1].partition(".")[0] if "/" in self.file else "student"

    @property
    def begun(self) -> bool:
        """True where that run is not finished."""
        return self.state == "begun" and self.run == "student"

    def __str__(self) -> str:
        return f"case {self.number}: {self.change} in {self.file} of {self.state}, then {self.verb}"


def cases(bases: Path, count: int) -> list[Case]:
    """At least `count` cases: whatever may stand in a file's place before every verb, and content drawn by number."""
    known: list[tuple[str, str, str]] = []
    for state in STATES:
        for file in run_files(bases / state):
            # A changed setting is another experiment, which may take any time: its file is only looked at.
            known += [(state, file, verb) for verb in (WORKING[state] if "/" in file else LOOKING[-1:])]
    numbers = itertools.count()
    found = [
        Case(number=next(numbers), state=state, file=file, change=change, verb=verb)
        for state, file, verb in known
        for change in PLACES
    ]
    turns = [_turns(state, file, verb) for state, file, verb in known]
    for turn in itertools.cycle(turns):
        if len(found) >= count:
            return found
        state, file, verb, change = next(turn)
        found.append(Case(number=next(numbers), state=state, file=file, change=change, verb=verb))
    raise AssertionError("a cycle has no end")


def apply(case: Case, workspace: Path, outside: Path) -> None:
    """Change the file of a case in a copy of its state."""
    path = workspace / case.file
    if case.change in PLACES:
        PLACES[case.change](path, outside)
        return
    other = workspace / "runs" / ("teacher" if case.run == "student" else "student") / path.name
    others = other.read_bytes() if other.is_file() else b"{}\n"
    path.write_bytes(CHANGES[case.change](path.read_bytes(), others, random.Random(case.number)))


def command(verb: str, run: str) -> list[str]:
    """The arguments of a verb for a run."""
    return {
        "ls": ["ls", "--json"],
        "info": ["info", run],
        "verify": ["verify"],
        "eval": ["eval", "--model", run],
        "dump": ["dump", "--model", run],
        "run": ["run"],
        "train": ["train", "--model", run],
        "live": ["train", "--model", "student", "--live", "--name", "x"],
    }[verb]


def _turns(state: str, file: str, verb: str) -> Iterator[tuple[str, str, str, str]]:
    for change in itertools.cycle(names_of_changes(file)):
        yield state, file, verb, change

"""The outline of a study: all that decides its results but the records, written into its folder as it begins.

With it the results of what is finished are made while others work, without the plan and its data set. Loads no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from dgkd_cache.run_files.reading import damaged_file
from dgkd_cache.study.files import RESULTS_FILE, read_json, write_text
from dgkd_cache.study.plan import Guides
from dgkd_cache.study.records import read_record_of
from dgkd_cache.study.results import Protocol, Results, make_results

__all__ = ["OUTLINE_FILE", "Outline", "failures", "read_outline", "results_so_far", "write_outline"]

OUTLINE_FILE = "study.json"


class Outline(BaseModel):
    """An outline: what is compared, and the names of the runs, of which none need be finished."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["dgkd-study-outline"] = "dgkd-study-outline"
    """The name of the format."""
    version: Literal[1] = 1
    """The version of the format."""
    command: str
    """The command that makes the study; empty if a program did."""
    reference: str
    """The variant that the others are compared with."""
    pairs: tuple[tuple[str, str], ...]
    """All comparisons, each a variant and what it is compared with."""
    guides: Guides
    """`shared` if all seeds have the same guides."""
    protocol: Protocol
    """`paper` if the best epoch on the test set is told beside the last one."""
    seeds: tuple[int, ...]
    """The seeds of the student."""
    variants: dict[str, dict[str, JsonValue]]
    """The changes of each variant, by name."""
    published: dict[str, dict[str, float | str]] = Field(default_factory=dict)
    """Published results of variants: `accuracy` in per cent, and `source`."""
    students: dict[str, dict[int, str]]
    """The student's run of each variant and seed."""
    guide_runs: tuple[str, ...]
    """The runs of all guides."""

    @property
    def runs(self) -> list[str]:
        """All runs: of students, then of guides."""
        return [*(run for by_seed in self.students.values() for run in by_seed.values()), *self.guide_runs]


def write_outline(folder: Path, outline: Outline) -> None:
    """Writes the outline of the study in `folder`, over that of an earlier one. Raises NoSpace."""
    # Not sorted: results have the variants in the order of the outline.
    write_text(folder / OUTLINE_FILE, outline.model_dump_json(indent=1) + "\n")


def read_outline(folder: Path) -> Outline | None:
    """Returns the outline of the study in `folder`, None if there is none. Raises Damaged if it is no outline."""
    path = folder / OUTLINE_FILE
    try:
        return Outline.model_validate(read_json(path))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors()[0]
        raise damaged_file(
            path,
            "an outline as `dgkd-cache compare` writes it",
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
            do="run `dgkd-cache compare` again: it writes the outline anew and keeps what is finished",
        ) from error


def failures(folder: Path, outline: Outline) -> list[Mapping[str, Any]]:
    """Returns what `compare` could not make when it ended last, and which is not made since."""
    try:
        failed = read_json(folder / RESULTS_FILE).get("failed")
    except FileNotFoundError:
        return []
    made = {run for run in outline.runs if read_record_of(folder, run) is not None}
    found: list[Mapping[str, Any]] = []
    for one in failed if isinstance(failed, list) else []:
        if isinstance(one, dict) and one.get("run") in outline.runs:
            # A store has no record: it is there once the students of all variants that want its run are.
            named = one.get("variants") if one.get("what") == "store" else []
            waiting = [of for name, of in outline.students.items() if isinstance(named, list) and name in named]
            students = [run for by_seed in waiting for run in by_seed.values()]
            if not made.issuperset(students or [one["run"]]):
                found.append(one)
    return found


def results_so_far(folder: Path, outline: Outline, failed: Sequence[Mapping[str, Any]] = ()) -> Results:
    """Returns the results of the runs of a study that are finished; `failed` are those that could not be made."""
    students = {
        (name, seed): record
        for name, by_seed in outline.students.items()
        for seed, run in by_seed.items()
        if (record := read_record_of(folder, run)) is not None
    }
    others = [record for run in outline.guide_runs if (record := read_record_of(folder, run)) is not None]
    return make_results(
        outline.variants,
        students,
        seeds=outline.seeds,
        reference=outline.reference,
        pairs=outline.pairs,
        guides=outline.guides,
        protocol=outline.protocol,
        others=others,
        published=outline.published,
        failed=failed,
    )

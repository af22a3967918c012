"""Writes a report: the page, and beside it the results as JSON and CSV."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dgkd_cache.errors import Incomplete
from dgkd_cache.report.csv_text import comparisons_csv, runs_csv, variants_csv
from dgkd_cache.report.labels import unfinished_of
from dgkd_cache.report.page import make_page
from dgkd_cache.report.results_file import Results, as_results
from dgkd_cache.study.files import RESULTS_FILE, write_json, write_text
from dgkd_cache.study.timings import Timings
from dgkd_cache.study.verdict import verdict_sentence

__all__ = ["PARTIAL", "Written", "write_report"]

PARTIAL = "results-partial.json"
"""The name of results that lack runs: results.json is only ever what `compare` ends with."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """A report that was written: its files, its verdict, and what is not finished."""

    page: Path
    results: Path
    csv: tuple[Path, ...]
    """runs.csv, variants.csv and comparisons.csv."""
    verdict: str
    finished: int
    """The number of students' runs that are finished."""
    planned: int


def write_report(content: Mapping[str, Any], timings: Timings, output: Path, *, source: Path, command: str) -> Written:
    """Writes the page `output` of results, given as JSON has them, and results and CSV beside it.

    `source` is where they come from, for messages. Raises Damaged if they are no results, Incomplete (exit 3) if no
    student's run is finished, and NoSpace.
    """
    results = as_results(content, source)
    unfinished = unfinished_of(results)
    planned = len(results.variants) * len(results.planned)
    if not results.shown:
        failed = "; ".join(unfinished.failed) if unfinished else ""
        raise Incomplete(
            "there is nothing to report yet",
            expected="at least one finished run of a student",
            found=f"0 of {planned} runs" + (f"; could not be made: {failed}" if failed else ""),
            do="run `dgkd-cache compare`, or wait until a run of it is finished",
        )
    verdict = verdict_sentence(results.model_dump())
    if unfinished:
        verdict = f"Provisional ({unfinished.finished} of {planned} runs): {verdict}"
    page = make_page(
        results,
        timings,
        verdict=verdict,
        title=title_of(results),
        command=command,
        version=version("dgkd-cache"),
    )
    folder = output.parent
    tables = {
        folder / "runs.csv": runs_csv(results, timings),
        folder / "variants.csv": variants_csv(results),
        folder / "comparisons.csv": comparisons_csv(results),
    }
    found = Written(
        page=output,
        results=folder / (PARTIAL if unfinished else RESULTS_FILE),
        csv=(*tables,),
        verdict=verdict,
        finished=sum(len(one.runs) for one in results.variants.values()),
        planned=planned,
    )
    write_json(found.results, content)
    for path, text in {**tables, output: page}.items():
        write_text(path, text)
    if not unfinished:
        (folder / PARTIAL).unlink(missing_ok=True)
    return found


def title_of(results: Results) -> str:
    """Returns the title of a report: student, data set, variants and seeds."""
    students = dict.fromkeys(run.architecture for name in results.shown for run in results.students(name).values())
    on = f" on {results.dataset['name']}" if "name" in results.dataset else ""
    counts = []
    for word, count in (("variant", len(results.variants)), ("seed", len(results.planned))):
        counts.append(f"{count} {word}{'s' * (count > 1)}")
    return f"{', '.join(students)}{on}: {' over '.join(counts)}"

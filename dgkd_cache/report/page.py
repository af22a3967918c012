"""The page: all sections of a report in one HTML document that fetches nothing.

Templates escape every text, and characters that could act on a page or break XML are replaced. Style and script are
inside, and a policy in the page's head allows these two alone, by digest.
"""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from dgkd_cache.report.accuracy import accuracy_figure, measures_table, variants_table
from dgkd_cache.report.agreement import agreement_figures
from dgkd_cache.report.calibration import calibration_figure
from dgkd_cache.report.classes import classes_figure
from dgkd_cache.report.costs import costs_figures
from dgkd_cache.report.curves import curves_figure
from dgkd_cache.report.differences import comparison_figure, comparisons_table
from dgkd_cache.report.draws import draws_figure
from dgkd_cache.report.figures import Figure, Table
from dgkd_cache.report.graph import graph_figure
from dgkd_cache.report.labels import notes_of, unfinished_of
from dgkd_cache.report.palette import DARK, LIGHT, marker, styles
from dgkd_cache.report.provenance import (
    compare_table,
    data_table,
    machines_table,
    models_table,
    seals_table,
    settings_tables,
)
from dgkd_cache.report.pruning import pruning_figure
from dgkd_cache.report.results_file import Results
from dgkd_cache.report.sweeps import sweeps_figure
from dgkd_cache.study.timings import Timings

__all__ = ["Section", "make_page", "sections_of", "template"]

_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of the page."""

    key: str
    title: str
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    words: Sequence[str] = ()
    code: Sequence[tuple[str, str]] = ()
    folded: Sequence[Table] = ()
    """Tables that are shown on demand."""


def sections_of(results: Results, timings: Timings, *, command: str) -> list[Section]:
    """Returns the sections of a report. Those without content are left out."""
    style = styles(results.order, results.reference)
    compared = comparison_figure(results, style)
    named = any(one.reference != results.reference for one in results.comparisons)
    pruned, drawn = pruning_figure(results), draws_figure(results)
    sweeps, curves = sweeps_figure(results, style), curves_figure(results, style)
    calibration, classes = calibration_figure(results, style), classes_figure(results, style)
    found = [
        Section(
            key="variants",
            title="Variants",
            tables=[
                variants_table(results),
                # Against the reference alone they are in the first table.
                *([comparisons_table(results.comparisons)] if named else []),
                measures_table(results),
            ],
            figures=[compared] if compared else [],
            words=notes_of(results),
        ),
        Section(key="runs", title="Every run", figures=[accuracy_figure(results, style)]),
        Section(key="pruning", title="Pruning", figures=[pruned] if pruned else []),
        Section(key="draws", title="Draws", figures=[drawn] if drawn else []),
        Section(key="learning", title="Learning curves", figures=[curves] if curves else []),
        Section(key="cost", title="Accuracy against cost", figures=costs_figures(results, timings, style)),
        Section(key="chains", title="Who guides whom", figures=[graph_figure(results, style)]),
        Section(key="sweep", title="Sweeps", figures=[sweeps] if sweeps else []),
        Section(key="guides", title="Agreement with the guides", figures=agreement_figures(results, style)),
        Section(key="calibration", title="Calibration", figures=[calibration] if calibration else []),
        Section(key="class", title="Accuracy by class", figures=[classes] if classes else []),
        Section(
            key="again",
            title="How to make it again",
            code=[("Command", command or "dgkd-cache compare"), ("Table of dgkd.toml", compare_table(results))],
            tables=[one for one in (data_table(results), machines_table(results)) if one.rows],
            folded=[*settings_tables(results), seals_table(results), models_table(results)],
        ),
    ]
    return [one for one in found if one.figures or one.tables]


def make_page(results: Results, timings: Timings, *, verdict: str, title: str, command: str, version: str) -> str:
    """Returns the whole page. `verdict` is the sentence on top, `command` what made the results."""
    sheet = template("style.css.j2").render(light=LIGHT, dark=DARK)
    script = template("theme.js.j2").render()
    return template("page.html.j2").render(
        title=title,
        verdict=verdict,
        unfinished=unfinished_of(results),
        sections=sections_of(results, timings, command=command),
        version=version,
        sheet=sheet,
        script=script,
        policy=f"default-src 'none'; img-src data:; style-src {_digest(sheet)}; script-src {_digest(script)}",
    )


def template(name: str) -> Template:
    """Returns a template of the report, which escapes what it gets."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        finalize=_clean,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["marker"] = marker
    return environment.get_template(name)


def _digest(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _clean(value: Any) -> Any:
    """Returns a text without control characters, overrides of direction and what XML does not have."""
    if hasattr(value, "__html__") or not isinstance(value, str):  # the first is what a template has made
        return round(value, 2) if isinstance(value, float) else value
    return "".join(
        "\ufffd" if unicodedata.category(letter) in _UNSAFE and letter != "\n" else letter for letter in value
    )

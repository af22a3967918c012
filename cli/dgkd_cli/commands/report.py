"""`dgkd-cache report`: the results of a comparison as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dgkd_cache.errors import InvalidInput
from dgkd_cli.app import App, json_option, pass_app
from dgkd_cli.console import print_json
from dgkd_cli.lines import show
from dgkd_stores.disk import expand_user

if TYPE_CHECKING:
    from dgkd_cache.study.outline import Outline
    from dgkd_cache.study.results import Results
    from dgkd_cache.study.timings import Timings

__all__ = ["report"]


@click.command()
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE.html", help="The page (default: compare/report.html)."
)
@click.option(
    "--results",
    "results_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A results.json from elsewhere; the page is written beside it.",
)
@json_option
@pass_app
def report(app: App, output: Path | None, results_file: Path | None, as_json: bool) -> None:
    """Write the results of a comparison as one HTML page.

    The page has figures, the data of each, and everything that makes the comparison again. It is one file that needs no
    network, for a browser, a phone or paper. Beside it lie results.json, runs.csv, variants.csv and comparisons.csv.
    While `compare` works, the page is of what is finished, and says what is missing; the results are then called
    results-partial.json. Nothing is trained. The report is of the comparison that was begun last; where only its
    records are there, as on another machine, it is of the comparison that dgkd.toml describes, whose data set is read.

    \b
    Examples:
      dgkd-cache report
      dgkd-cache -w fashion report --output fashion.html
      dgkd-cache report --results docs/study/results.json
    """
    from dgkd_cache.report.files import write_report
    from dgkd_cache.study.files import RESULTS_FILE

    source = app.folder / "compare" / RESULTS_FILE if results_file is None else expand_user(results_file)
    target = source.parent / "report.html" if output is None else expand_user(output)
    if target.suffix.lower() not in (".html", ".htm"):
        raise InvalidInput(
            f"{target} is no name of a page", expected="a name that ends in .html", found=target.name, do="rename it"
        )
    content, timings, command = _results(app, source, given=results_file is not None)
    written = write_report(content, timings, target, source=source, command=command)
    if as_json:
        print_json(
            {
                "report": str(written.page),
                "results": str(written.results),
                "csv": [str(path) for path in written.csv],
                "verdict": written.verdict,
                "finished": written.finished,
                "planned": written.planned,
            }
        )
        return
    show(written.verdict)
    if written.finished < written.planned:
        show(f"Not finished: the report is of {written.finished} of {written.planned} runs of students.")
    show(f"report: {written.page}")
    app.say(f"results: {written.results}, {', '.join(str(path) for path in written.csv)}")


def _results(app: App, source: Path, *, given: bool) -> tuple[Results, Timings, str]:
    """Returns results, the seconds of runs, and the command: of the file `source`, or of what is finished beside it."""
    from dgkd_cache.report.results_file import read_results
    from dgkd_cache.study.outline import failures, read_outline, results_so_far
    from dgkd_cache.study.timings import read_timings, timings_so_far

    folder = source.parent
    outline, timings = read_outline(folder), read_timings(folder)
    if given:
        return read_results(source), timings, outline.command if outline else ""
    if outline is None and app.has_workspace:
        outline = _planned(app)
    if outline is None:
        raise InvalidInput(
            f"there is no comparison in {folder}",
            expected="a study.json, which `dgkd-cache compare` writes as it begins, or a workspace",
            found="neither",
            do="go to the workspace of one, or name its results with --results",
        )
    results = results_so_far(folder, outline, failures(folder, outline))
    return results, {**timings_so_far(folder, outline.runs), **timings}, outline.command


def _planned(app: App) -> Outline:
    """Returns the outline of the comparison that dgkd.toml describes."""
    from dgkd_cache.study.study import outline_of, set_up_study

    return outline_of(set_up_study(app.workspace()), "dgkd-cache compare")

"""The files of a report: the page, and results and CSV beside it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.markup import read_page, text_of
from support.study_results import made_results, made_timings

from dgkd_cache.errors import Damaged, DgkdError, Incomplete
from dgkd_cache.report.files import PARTIAL, Written, title_of, write_report
from dgkd_cache.report.results_file import Results
from dgkd_cache.study.verdict import verdict_sentence


def write(content: dict, folder: Path) -> Written:
    source = folder / "results.json"
    return write_report(content, made_timings(content), folder / "report.html", source=source, command="compare")


def test_a_report_of_a_whole_study(tmp_path: Path, content: dict) -> None:
    found = write(content, tmp_path / "new" / "folder")
    assert sorted(path.name for path in found.page.parent.iterdir()) == [
        *("comparisons.csv", "report.html", "results.json", "runs.csv", "variants.csv"),
    ]
    assert json.loads(found.results.read_text()) == content
    with found.csv[0].open(newline="") as file:
        assert len([*csv.DictReader(file)]) == 60
    with (found.page.parent / "comparisons.csv").open(newline="") as file:
        told = [(row["variant"], row["reference"]) for row in csv.DictReader(file)]
    assert told == [(one["variant"], one["reference"]) for one in content["comparisons"]]
    root = read_page(found.page.read_text(encoding="utf-8"))
    assert verdict_sentence(content) == found.verdict and found.verdict in text_of(root)
    assert text_of(next(root.iter("h1"))) == "plain2 on digits: 12 variants over 5 seeds"
    assert found.finished == found.planned


def test_results_that_lack_runs_never_take_the_name_of_whole_ones(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("those of compare")
    found = write(made_results(missing=[("kd", 0)]), tmp_path)
    assert found.results == tmp_path / PARTIAL and (tmp_path / "results.json").read_text() == "those of compare"
    assert (found.finished, found.planned) == (24, 25)
    assert found.verdict.startswith("Provisional (24 of 25 runs): ")
    write(made_results(), tmp_path)
    assert not (tmp_path / PARTIAL).exists() and (tmp_path / "results.json").read_text()[0] == "{"


def test_nothing_is_written_without_a_finished_run(tmp_path: Path) -> None:
    nothing = made_results(
        missing=[(name, seed) for name in ("scratch", "kd", "takd", "dgkd", "dgkd+drop") for seed in range(5)]
    )
    with pytest.raises(Incomplete, match="0 of 25 runs") as caught:
        write(nothing, tmp_path)
    assert caught.value.exit_code == 3 and not [*tmp_path.iterdir()]
    with pytest.raises(Damaged):
        write({"format": "dgkd-study", "runs": {}}, tmp_path)


def test_titles() -> None:
    bare = made_results({"alone": {"method": "scratch"}}, seeds=[1])
    assert title_of(Results.model_validate({**bare, "dataset": {}})) == "plain2: 1 variant over 1 seed"


ODD = (None, "x", "", -1, 0, 1e308, True, [], {}, [[]], {"x": {}}, "0", [None])


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yields the paths of all values in JSON."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield from places(one, (*path, key))


SMALL = {
    "guided": {"a": {"method": "scratch"}, "b": {"method": "kd", "lr": 0.1}},
    "pruned and drawn": {
        "a": {"method": "kd"},
        "b": {"method": "kd", "draws": 2, "prunes": "a", "sparsity": 0.5, "criterion": "guided"},
    },
}


@pytest.mark.parametrize("variants", SMALL.values(), ids=[*SMALL])
def test_changed_results_are_a_page_or_an_error(tmp_path: Path, variants: dict[str, dict[str, object]]) -> None:
    """Whatever one value becomes, what a user sees is a page or an error with its exit code, no traceback."""
    whole = made_results(variants, seeds=[0, 1], epochs=2, classes=2)
    every = [path for path in places(whole) if path]
    random = np.random.default_rng(5)
    refused = 0
    for index in random.permutation(len(every))[:120]:
        changed = json.loads(json.dumps(whole))
        *path, key = every[index]
        holder = changed
        for step in path:
            holder = holder[step]
        if isinstance(holder, dict) and random.random() < 0.2:
            del holder[key]
        else:
            holder[key] = ODD[random.integers(len(ODD))]
        try:
            write_report(changed, {"a": {"seconds": 1}}, tmp_path / "r.html", source=tmp_path / "r.json", command="")
        except DgkdError:
            refused += 1
    assert refused > 25

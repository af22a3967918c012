"""The words beside figures: what they hold for, and what is missing."""

from __future__ import annotations

import pytest
from support.study_results import made_results

from dgkd_cache.report.labels import notes_of, unfinished_of
from dgkd_cache.report.results_file import Results


def words(**settings: object) -> str:
    return " ".join(notes_of(Results.model_validate(made_results(**settings))))  # type: ignore[arg-type]  # of made_results


def test_a_whole_study() -> None:
    told = words()
    for promise in ("last epoch", "unadjusted", "Holm over 4 comparisons", "holds for these guides", "paired by seed"):
        assert promise in told
    assert "Exploratory" not in told and "optimistic" not in told
    assert unfinished_of(Results.model_validate(made_results())) is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"seeds": [0, 1, 2]}, "Exploratory: 3 seeds"),
        ({"guides": "per-seed"}, "chain of its own"),
        ({"gain": 0.0}, "80 % power"),
        ({"protocol": "paper"}, "optimistic"),
    ],
)
def test_what_a_reader_must_know(settings: dict[str, object], said: str) -> None:
    assert said in words(**settings)


def test_what_is_missing_is_counted_and_named() -> None:
    missing = [("kd", 3), *(("dgkd", seed) for seed in range(5))]
    failed = [{"run": "r", "what": "run", "model": "student", "seed": 0, "variants": ["dgkd"]}]
    found = unfinished_of(Results.model_validate(made_results(missing=missing, failed=failed)))
    assert found is not None and (found.finished, found.planned) == (19, 25)
    assert found.missing == ("kd: seed 3", "dgkd: seeds 0, 1, 2, 3, 4")
    assert found.failed == ("student of dgkd, seed 0",)

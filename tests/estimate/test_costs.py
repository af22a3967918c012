"""The arithmetic of a plan, against sums that are written out."""

from __future__ import annotations

import pytest

from dgkd_cache.estimate.costs import ChainCost, GuideCost, RunCost, first_cheaper_run


def guide(name: str, *, rate: float, live_rate: float = 1.0) -> GuideCost:
    return GuideCost(
        guide=name,
        architecture="x",
        forwards=1000,
        samples_per_second=rate,
        live_samples_per_second=live_rate,
        nbytes=300,
        encodings={"float16": 300, "float32": 550},
    )


def run(name: str, *, live: float, live_all: float) -> RunCost:
    return RunCost(
        model=name,
        architecture="x",
        guides=(),
        samples=500,
        samples_per_second=50.0,
        live_seconds=live,
        live_all_seconds=live_all,
    )


def chain(*, student_live: float, free: int = 10**6) -> ChainCost:
    return ChainCost(
        guides=(guide("teacher", rate=10.0), guide("ta1", rate=20.0)),
        runs=(
            run("teacher", live=0, live_all=0),
            run("ta1", live=30, live_all=40),
            run("student", live=student_live, live_all=2 * student_live),
        ),
        encoding="float16",
        free_bytes=free,
    )


def test_sums() -> None:
    cost = chain(student_live=25)
    assert (cost.forwards, cost.dump_seconds, cost.nbytes, cost.train_seconds) == (2000, 150.0, 600, 30.0)
    assert cost.encodings == {"float16": 600, "float32": 1100}
    # 150 s of dumps against 30 + 25 n and 40 + 50 n
    assert (cost.cheaper_from, cost.cheaper_from_all_live) == (5, 3)
    assert cost.fits and chain(student_live=25, free=600).fits and not chain(student_live=25, free=599).fits


@pytest.mark.parametrize("each", [0.5, 1.0, 7.0, 149.0, 150.0, 1000.0])
@pytest.mark.parametrize("once", [0.0, 3.0, 149.0, 150.0, 151.0])
def test_the_first_cheaper_run_by_trying_one_after_another(once: float, each: float) -> None:
    tried = next(n for n in range(1, 1000) if 150.0 < once + n * each)
    assert first_cheaper_run(150.0, once=once, each=each) == tried


def test_what_never_pays() -> None:
    assert first_cheaper_run(150.0, once=150.0, each=0.0) is None
    assert first_cheaper_run(150.0, once=151.0, each=0.0) == 1
    assert chain(student_live=0).cheaper_from is None

"""Rounds are fair, ratios are taken within a round, and a result survives its file."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import pytest
import torch

from benchmarks.harness import Span, Stopwatch, at_least, finish, ratio, rounds
from benchmarks.result import Result, Row, Side, figure, markdown


def test_every_side_comes_as_often_first_as_last_and_the_warm_up_does_not_count() -> None:
    calls: list[tuple[int, str]] = []

    def side(name: str):
        def timed(i: int) -> float:
            calls.append((i, name))
            return float(i)

        return timed

    times = rounds({name: side(name) for name in "abc"}, 12)
    assert calls[:3] == [(-1, "a"), (-1, "b"), (-1, "c")]
    assert all(values == list(map(float, range(12))) for values in times.values())
    order = {i: [name for j, name in calls if j == i] for i in range(12)}
    assert all(sorted(names) == ["a", "b", "c"] for names in order.values())
    assert Counter(names[0] for names in order.values()) == Counter(names[-1] for names in order.values())
    assert set(Counter(names[0] for names in order.values()).values()) == {4}


def test_a_ratio_is_taken_round_by_round() -> None:
    # The machine is ten times slower in the second round: the ratio of medians would be 4.5 / 5.5.
    row = ratio("x", {"a": [1.0, 10.0, 3.0], "b": [2.0, 20.0, 6.0]}, over="a", under="b", bar=at_least(0.4))
    assert row.samples == (0.5, 0.5, 0.5) and row.distance == 0.5
    assert [(side.name, side.median) for side in row.sides] == [("a", 3.0), ("b", 6.0)]


def test_both_clocks_have_their_ratio_and_survive_the_file() -> None:
    times = {"a": [Span(2.0, 9.0), Span(4.0, 6.0)], "b": [Span(1.0, 3.0), Span(1.0, 1.0)]}
    row = ratio("x", times, over="a", under="b")
    assert row.samples == (2.0, 4.0) and row.processor == (3.0, 6.0)
    assert ratio("x", {"a": times["a"], "b": [1.0, 2.0]}, over="a", under="b").processor == ()
    taken = Row(what="", unit="s", samples=tuple(times["a"]))
    record = json.loads(json.dumps(taken.to_json()))
    assert record["samples"] == [2.0, 4.0] and Row.from_json(record) == taken


def test_a_stopwatch_reads_both_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "perf_counter", iter([10.0, 16.0]).__next__)
    monkeypatch.setattr(time, "process_time", iter([1.0, 10.0]).__next__)
    span = Stopwatch().span(3)
    assert (float(span), span.processor) == (2.0, 3.0)


@pytest.mark.parametrize(("higher", "expected"), [(True, 0.25), (False, -0.25)])
def test_distance_is_the_share_of_the_floor_that_is_lacking(higher: bool, expected: float) -> None:
    row = Row(what="", unit="x", samples=(3.0,), floor=4.0, higher_is_better=higher)
    assert row.distance == pytest.approx(expected)
    assert Row(what="", unit="x", samples=(3.0,)).distance is None


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.0123, "s", "12.3 ms"),
        (2.5, "s", "2.50 s"),
        (4.2e-6, "s", "4.20 us"),
        (0.0, "s", "0.00 us"),
        (1.0042, "x", "1.004"),
        (246.4, "x", "246"),
        (41.26, "MB", "41.3 MB"),
        (-3.0, "MB", "-3.00 MB"),
    ],
)
def test_figures(value: float, unit: str, expected: str) -> None:
    assert figure(value, unit) == expected


def test_a_result_is_the_same_after_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = argparse.Namespace(
        json=tmp_path / "new" / "x.json",
        command="--quick",
        conditions={"processor": "abacus", "cores": 2},
        settings={"live_rounds": 3},
        device=torch.device("cpu"),
    )
    rows = [
        Row(what="memory", unit="MB", samples=(1.0, 2.0), sides=(Side(name="a", median=1.0, unit="MB"),)),
        ratio("r", {"a": [1.0], "b": [2.0]}, over="a", under="b", floor_is="arithmetic", bar=at_least(0.97)),
    ]
    written = finish("step", "A title", rows, options, ["A note."], disk="slow")
    assert Result.from_json(options.json.read_text(encoding="utf-8")) == written
    assert "A title" in capsys.readouterr().out
    page = markdown(written)
    assert page.startswith("`python -m benchmarks.step --quick`: processor abacus, cores 2, disk slow.")
    assert (
        "| r | a 1.000 s, b 2.00 s | 0.50 | - | - | 1 | 1.000 (arithmetic) | 50.0 % | ≥ 0.970 | **undecided** |" in page
    )

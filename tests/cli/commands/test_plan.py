"""`plan`: its tables, its words, and its JSON, with the measuring put aside."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest
from click.testing import Result

from dgkd_cache.estimate.costs import ChainCost, GuideCost, RunCost
from dgkd_cache.workspace import tasks
from dgkd_cache.workspace.workspace import Workspace

Command = Callable[..., Result]
NAMES = ("teacher", "ta1", "student")


def cost(*, live: float, free: int = 10**9, guides: int = 2) -> ChainCost:
    return ChainCost(
        guides=tuple(
            GuideCost(
                guide=name,
                architecture="plain6",
                forwards=72_000,
                samples_per_second=1200.0,
                live_samples_per_second=2000.0,
                nbytes=3_000_000,
                encodings={"float16": 3_000_000, "float32": 6_000_000, "uint8": 2_000_000},
            )
            for name in NAMES[:guides]
        ),
        runs=tuple(
            RunCost(
                model=name,
                architecture="plain2",
                guides=NAMES[:i] if guides else (),
                samples=7500,
                samples_per_second=100.0,
                live_seconds=live * i,
                live_all_seconds=2 * live * i,
            )
            for i, name in enumerate(NAMES)
        ),
        encoding="float16",
        free_bytes=free,
    )


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> Callable[[ChainCost], dict[str, Any]]:
    """Makes this cost the answer; gives the arguments of the call, which the real function must take."""

    real = tasks.plan_chain

    def answer(found: ChainCost) -> dict[str, Any]:
        words: dict[str, Any] = {}

        def keep(ws: Workspace, **given: Any) -> ChainCost:
            words.update(given)
            return found

        monkeypatch.setattr(tasks, "plan_chain", create_autospec(real, side_effect=keep))
        return words

    return answer


def test_tables(command: Command, workspace: Path, planned: Callable[..., dict[str, Any]]) -> None:
    words = planned(cost(live=30.0))
    result = command("plan", "--seconds", "3", "--device", "cpu")
    assert (result.exit_code, result.stderr) == (0, "")
    assert (words["seconds"], words["device"]) == (3.0, "cpu")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "teacher plain6 72,000 1,200 1 min 00 s 3 MB" in lines
    assert "teacher plain2 100 1 min 15 s - -" in lines
    assert "student plain2 100 1 min 15 s 1 min 00 s 2 min 00 s" in lines
    assert "float16 (this one) 6 MB 50.00 % 6 MB" in lines
    assert "float32 12 MB 100.00 % -" in lines
    assert "uint8 4 MB 33.33 % 8 MB" in lines
    assert "training 3 min 45 s for the chain, without what guides cost" in lines
    assert "guides 144,000 forwards, 2 min 00 s, 6 MB" in lines
    assert "disk 1 GB free: they fit" in lines
    # 120 s of dumps: 30 + 60 n, and 60 + 120 n
    assert "against live guides caching is cheaper from run 2 of student on" in lines
    assert "all of them live caching is cheaper from the first run of student on" in lines


def test_what_is_wider_than_80_columns_is_hidden_and_named(
    command: Command, workspace: Path, planned: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = cost(live=30.0)
    architecture = "mynets.of_this_paper:wide_teacher_of_26_layers"
    guides = tuple(dataclasses.replace(one, architecture=architecture) for one in usual.guides)
    planned(dataclasses.replace(usual, guides=guides))
    wide = command("plan").stdout.splitlines()
    assert "hidden" not in " ".join(wide) and "teacher" in wide[1] and architecture in wide[1]
    monkeypatch.setenv("COLUMNS", "80")
    narrow = command("plan").stdout.splitlines()
    assert max(map(len, narrow)) <= 80
    assert narrow[0].split() == ["guide", "forwards", "samples/s", "dump", "cache"]
    assert narrow[1].split() == ["teacher", "72,000", "1,200", "1", "min", "00", "s", "3", "MB"]
    assert narrow[3] == "hidden at 80 columns: architecture (a wider terminal shows all)"
    assert narrow[5:9] == wide[4:8], "the other table fits"


def test_what_does_not_fit_and_what_never_pays(command: Command, workspace: Path, planned: Callable[..., Any]) -> None:
    planned(cost(live=0.0, free=5_999_999))
    text = command("plan").stdout
    assert "6 MB free: they do not fit" in text
    assert "caching never pays: student has no guide that takes part" in text
    planned(cost(live=0.0, guides=0))
    text = command("plan").stdout
    assert "guides    none to dump: no model learns from one that is dumped" in text and "encoding" not in text


def test_json(command: Command, workspace: Path, planned: Callable[..., Any]) -> None:
    planned(cost(live=30.0))
    found = json.loads(command("plan", "--json").stdout)
    assert found["guides"][0]["dump_seconds"] == 60.0 and found["runs"][2]["train_seconds"] == 75.0
    assert (found["forwards"], found["dump_seconds"], found["bytes"]) == (144_000, 120.0, 6_000_000)
    assert found["encodings"] == {"float16": 6_000_000, "float32": 12_000_000, "uint8": 4_000_000}
    assert (found["cheaper_from"], found["cheaper_from_all_live"], found["fits"]) == (2, 1, True)


def test_it_measures_for_real(command: Command, workspace: Path) -> None:
    found = json.loads(command("plan", "--seconds", "0.01", "--device", "cpu", "--json").stdout)
    assert [guide["guide"] for guide in found["guides"]] == ["teacher", "ta1"]
    assert all(one["samples_per_second"] > 0 for one in (*found["guides"], *found["runs"]))
    refused = command("plan", "--seconds", "0")
    assert refused.exit_code == 2 and "expected more than 0 seconds, found 0" in refused.stderr

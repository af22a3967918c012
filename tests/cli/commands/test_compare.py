"""`compare`: a whole comparison of tiny models, its table, its JSON, its helpers, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.tiny_chain import CONFIG, MODULE

from dgkd_cli.main import main

ROOT = Path(__file__).parents[3]
CHAIN = 'teacher = "plain4"\nstudent = "plain2"'


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, a workspace in which nothing was run."""
    (tmp_path / "tiny_bars.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "dgkd.toml").write_text(CONFIG.format(chain=CHAIN))
    monkeypatch.chdir(tmp_path / "ws")
    return tmp_path / "ws"


def compare(*words: str) -> Result:
    return CliRunner().invoke(main, ["compare", "--device", "cpu", *words])


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_the_table_says_what_results_json_holds(ws: Path) -> None:
    result = compare("--methods", "scratch,kd", "--seeds", "3")
    assert result.exit_code == 0, result.output
    found = json.loads((ws / "compare" / "results.json").read_text())
    head, scratch, kd, *words = result.stdout.splitlines()
    assert cells(head)[:5] == ["variant", "runs", "accuracy", "difference", "95 % interval"]
    summary, (one,) = found["variants"]["kd"]["test"]["top1"], found["comparisons"]
    assert cells(scratch)[:2] == ["scratch (reference)", "3"]
    assert cells(kd)[:5] == [
        "kd",
        "3",
        f"{100 * summary['mean']:.2f} % ± {100 * summary['deviation']:.2f}",
        f"{100 * one['mean']:+.2f}",
        f"{100 * one['low']:+.2f} to {100 * one['high']:+.2f}",
    ]
    assert one["verdict"] in kd
    assert "Fewer than 5 seeds: exploratory." in words
    assert any("holds for these guides" in line for line in words)
    printed = json.loads(compare("--methods", "scratch,kd", "--seeds", "3", "--json").stdout)
    assert printed == found


def test_two_jobs_share_the_work_and_change_no_byte(ws: Path, tmp_path: Path) -> None:
    assert compare("--methods", "scratch,kd", "--seeds", "2").exit_code == 0
    alone = (ws / "compare" / "results.json").read_bytes()
    (ws / "compare").rename(tmp_path / "alone")
    places = os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "cli", ROOT / "stores")))
    done = subprocess.run(
        [sys.executable, "-m", "dgkd_cli", *("compare", "--methods", "scratch,kd", "--seeds", "2", "--jobs", "2")],
        env=os.environ | {"PYTHONPATH": places},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (ws / "compare" / "results.json").read_bytes() == alone


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--methods", "scratch,dgdk"], "dgkd"),
        (["--seeds", "0"], "--seeds"),
        (["--reference", "kdd"], "kd"),
        (["--methods", "kd,kd,"], "unknown method"),
    ],
)
def test_what_is_refused_before_anything_is_made(ws: Path, words: list[str], said: str) -> None:
    result = compare(*words)
    assert (result.exit_code, result.stdout) == (2, "") and said in result.stderr
    assert not (ws / "compare").exists()


def test_variants_of_the_file(ws: Path) -> None:
    with (ws / "dgkd.toml").open("a") as file:
        file.write('\n[compare]\nreference = "a"\nseeds = [1]\n[compare.variants]\n')
        file.write('a = { method = "kd" }\n"b, lambda 0.9" = { method = "kd", lambda = 0.9 }\n')
    result = compare()
    assert result.exit_code == 0, result.output
    assert [cells(line)[0] for line in result.stdout.splitlines()[1:3]] == ["a (reference)", "b, lambda 0.9"]

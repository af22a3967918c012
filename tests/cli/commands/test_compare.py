"""`compare`: a whole comparison of tiny models, its table, its JSON, its helpers, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.tiny_chain import CONFIG, MODULE

from dgkd_cache.study.verdict import verdict_sentence
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


def with_two_jobs(modules: Path, patch: pytest.MonkeyPatch, *words: str) -> Result:
    """The command in this process, whose helper is started with the arguments of the command line."""
    command = ["compare", "--device", "cpu", *words, "--jobs", "2"]
    patch.setenv("PYTHONPATH", os.pathsep.join(map(str, (modules, ROOT, ROOT / "cli", ROOT / "stores"))))
    patch.setattr(sys, "argv", ["dgkd-cache", *command])
    return CliRunner().invoke(main, command)


ENDS_THE_SECOND = """
import os, sys

if "--quiet" in sys.argv:
    print("this process is not wanted", file=sys.stderr, flush=True)
    os._exit(7)
"""


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_the_tables_say_what_results_json_holds(ws: Path) -> None:
    result = compare("--methods", "scratch,kd", "--seeds", "3")
    assert result.exit_code == 0, result.output
    found = json.loads((ws / "compare" / "results.json").read_text())
    first, *parts = result.stdout.split("\n\n")
    assert first == verdict_sentence(found), "the verdict comes first"
    variants, comparisons, costs, notes = (part.splitlines() for part in parts)
    summary, (one,) = found["variants"]["kd"]["test"]["top1"], found["comparisons"]
    assert cells(variants[0]) == ["variant", "runs", "accuracy", "NLL", "ECE"]
    assert cells(variants[1])[:2] == ["scratch", "3"]
    assert cells(variants[2])[2] == f"{100 * summary['mean']:.2f} % ± {100 * summary['deviation']:.2f}"
    assert cells(comparisons[1]) == [
        *("kd", "scratch", f"{100 * one['mean']:+.2f}", f"{100 * one['low']:+.2f} to {100 * one['high']:+.2f}"),
        *(f"{one['adjusted_p']:.3f}", one["verdict"]),
    ]
    cost = found["variants"]["kd"]["cost"]
    assert cells(costs[2])[1] == "6" and cells(costs[2])[4] == "3", "three students of two epochs, a teacher of three"
    assert cells(costs[2])[6:8] == [f"{cost['guide_forwards']:,}", f"{cost['guide_forwards_saved']:,}"]
    assert "Fewer than 5 seeds: exploratory." in notes
    assert any("holds for these guides" in line for line in notes)
    printed = json.loads(compare("--methods", "scratch,kd", "--seeds", "3", "--json").stdout)
    assert printed == found


def test_the_best_epochs_are_columns_where_they_are_asked_for(ws: Path) -> None:
    """By validation where samples are held out; on test under the protocol of papers, with the word for it."""
    words = ("--methods", "scratch,kd", "--seeds", "1")
    assert "best" not in compare(*words).stdout
    held_out = compare(*words, "--set", "dataset.validation=16")
    assert "best by validation" in held_out.stdout and "optimistic" not in held_out.stdout
    papers = compare(*words, "--protocol", "paper")
    assert "best on test (optimistic)" in papers.stdout and "Best on test is optimistic" in papers.stdout
    found = json.loads(compare(*words, "--protocol", "paper", "--json").stdout)
    assert found["variants"]["kd"]["best_on_test"]["optimistic"] is True
    assert "best_on_test" not in compare(*words, "--json").stdout


def test_named_comparisons(ws: Path) -> None:
    pairs = 'compare.comparisons=[["kd", "scratch"], ["dgkd+drop", "kd"]]'
    result = compare("--methods", "scratch,kd,dgkd+drop", "--seeds", "2", "--set", pairs)
    assert result.exit_code == 0, result.output
    lines = result.stdout.split("\n\n")[2].splitlines()
    assert [cells(line)[:2] for line in lines[1:]] == [["kd", "scratch"], ["dgkd+drop", "kd"]]


def test_a_run_that_fails_leaves_the_others_and_is_an_incomplete_study(ws: Path) -> None:
    with (ws / "dgkd.toml").open("a") as file:
        file.write('\n[compare.variants]\nscratch = { method = "scratch" }\n')
        file.write('wild = { method = "scratch", lr = 1e30 }\nkd = { method = "kd" }\n')
    result = compare("--seeds", "2")
    assert result.exit_code == 3 and "2 of 8 runs and stores could not be made" in result.stderr
    assert "cannot be made, the rest goes on: the loss is not finite in epoch 0" in result.stderr
    assert "wild: 0 of 2 runs are finished." in result.stdout and "Not made: the run plain2-" in result.stdout
    assert [cells(line)[:2] for line in result.stdout.split("\n\n")[1].splitlines()[1:]] == [
        *(["scratch", "2"], ["wild", "0"], ["kd", "2"])
    ]


def test_two_jobs_share_the_work_and_change_no_byte(ws: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compare("--methods", "scratch,kd", "--seeds", "2").exit_code == 0
    alone = (ws / "compare" / "results.json").read_bytes()
    (ws / "compare").rename(tmp_path / "alone")
    done = with_two_jobs(tmp_path, monkeypatch, "--methods", "scratch,kd", "--seeds", "2")
    assert done.exit_code == 0, done.stderr
    assert (ws / "compare" / "results.json").read_bytes() == alone
    assert "job 2" not in done.stderr


def test_a_job_that_ends_early_is_told_and_its_work_is_done(
    ws: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module of the data set ends every process but the first one that loads it."""
    (tmp_path / "tiny_bars.py").write_text(MODULE + ENDS_THE_SECOND)
    done = with_two_jobs(tmp_path, monkeypatch, "--methods", "scratch,kd", "--seeds", "2")
    assert done.exit_code == 0, done.stderr
    assert re.search("job 2 of 2 ended with exit code 7: .*this process is not wanted", done.stderr)
    assert json.loads((ws / "compare" / "results.json").read_text())["variants"]["kd"]["runs"].keys() == {"0", "1"}


@pytest.mark.slow  # real processes, until a run is finished
def test_ctrl_c_ends_all_jobs_with_their_work_saved(ws: Path, tmp_path: Path) -> None:
    """One signal, to the first process alone, as a terminal's; the same command then goes on to the same end."""
    words = ("--methods", "scratch,kd", "--seeds", "4", "--set", "training.epochs=30")
    command = [sys.executable, "-m", "dgkd_cli", "compare", "--device", "cpu", *words, "--jobs", "3"]
    places = os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "cli", ROOT / "stores")))
    begun = subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": places}, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while not [*ws.glob("compare/records/*.json")]:
        assert begun.poll() is None
        time.sleep(0.05)
    helpers = [int(each) for each in Path(f"/proc/{begun.pid}/task/{begun.pid}/children").read_text().split()]
    begun.send_signal(signal.SIGINT)
    _, said = begun.communicate(timeout=100)
    assert begun.returncode == 130 and "run the same command again" in said, said
    assert len(helpers) == 2 and not any(Path(f"/proc/{helper}").exists() for helper in helpers)
    assert not (ws / "compare" / "results.json").exists()
    assert compare(*words).exit_code == 0
    stopped = (ws / "compare" / "results.json").read_bytes()
    (ws / "compare").rename(tmp_path / "stopped")
    assert compare(*words).exit_code == 0
    assert (ws / "compare" / "results.json").read_bytes() == stopped


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--methods", "scratch,dgdk"], "dgkd"),
        (["--seeds", "0"], "--seeds"),
        (["--reference", "kdd"], "kd"),
        (["--methods", "kd,kd,"], "a method is given twice"),
        (["--methods", "kd,"], "unknown method"),
        (["--methods", ""], "unknown method"),
        (["--protocol", "best"], "paper"),
        (["--methods", "kd,dgkd"], "the variants kd and dgkd are the same"),
        (["--set", "compare.seeds=[1, 1]"], "each seed once"),
        (["--set", "compare.reference=kdd"], "kd"),
        (["--set", "training.views=fresh"], "cannot train on fresh views"),
        (["--set", "training.select=best"], "validation"),
        (["--set", "training.select=best", "--set", "dataset.validation=9"], "a comparison cannot choose the epoch"),
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
    assert [cells(line)[0] for line in result.stdout.splitlines()[3:5]] == ["a", "b, lambda 0.9"]

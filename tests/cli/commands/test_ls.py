"""`ls`: the runs and stores that are there, in which state, and what is neither."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from dgkd_cache.config.workspace_config import read_config
from dgkd_cache.workspace.run_inputs import flatten, without_implied

Command = Callable[..., Result]


def test_ls_tells_states_and_sizes(command: Command, workspace: Path, teacher: Path) -> None:
    (workspace / "runs" / "ta1").mkdir()
    (workspace / "runs" / "other").mkdir()
    (workspace / "runs" / "other" / "card.json").write_text("{")
    (workspace / "guides" / "bad.zarr").mkdir(parents=True)
    (workspace / "guides" / "bad.zarr" / "zarr.json").write_text("{")
    result = command("ls")
    assert (result.exit_code, result.stderr) == (0, "")
    runs, stores = result.stdout.split("\n\n")
    assert [line.split()[:2] for line in runs.splitlines()[1:5]] == [
        ["teacher", "stale"],
        ["ta1", "missing"],
        ["student", "missing"],
        ["other", "damaged"],
    ]
    assert "88.12 %" in runs and "teacher: stale: a model of unknown inputs" in runs
    assert stores.splitlines()[1].split()[:2] == ["bad", "refused"]
    printed = json.loads(command("ls", "--json").stdout)
    assert printed["runs"][0]["nbytes"] == sum(path.stat().st_size for path in teacher.iterdir())
    assert printed["stores"][0]["why"]


def test_foreign_things_in_runs_are_named_and_hide_nothing(command: Command, workspace: Path, teacher: Path) -> None:
    runs = workspace / "runs"
    (runs / "A run?").mkdir()
    os.mkfifo(runs / "pipe")
    (runs / "piped").mkdir()
    os.mkfifo(runs / "piped" / "card.json")
    (runs / "sparse").mkdir()
    (runs / "sparse" / "card.json").touch()
    os.truncate(runs / "sparse" / "card.json", 2 * 2**30)
    (runs / "evil").mkdir()
    (runs / "evil" / "card.json").write_text('{"format": "\\u001b[2J[bold]x"}')
    printed = json.loads(command("ls", "--json").stdout)["runs"]
    assert {Path(run["name"]).name: run["state"] for run in printed} == {
        "teacher": "stale",
        "ta1": "missing",
        "student": "missing",
        "piped": "refused",
        "sparse": "damaged",
        "evil": "damaged",
        "A run?": "unknown",
        "pipe": "unknown",
    }
    assert [bool(run["why"]) for run in printed] == [True, False, False] + [True] * 5
    listed = command("ls")
    assert listed.exit_code == 0 and "\x1b" not in listed.stdout and "piped: refused: " in listed.stdout
    assert command("info", "teacher").exit_code == 0
    for name, code in (("piped", 15), ("sparse", 12), ("evil", 12)):
        result = command("info", name)
        assert (result.exit_code, result.stdout) == (code, "") and result.stderr.startswith("Error: runs/")


@pytest.mark.parametrize("width", [80, 120])
def test_the_reason_of_damage_is_whole_with_the_hint_of_run(
    command: Command, teacher: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """The hint names the run, and no terminal breaks it."""
    monkeypatch.setenv("COLUMNS", str(width))
    (teacher / "weights.safetensors").write_bytes(b"x")
    hint = "`dgkd-cache train --model teacher --fresh` sets it aside and trains it again"
    listed = " ".join(command("ls").stdout.split())
    assert "NAME" not in listed and "..." not in listed and hint in listed
    refused = command("run")
    assert refused.exit_code == 12 and hint in " ".join(refused.stderr.split())
    assert all(len(line) <= width for line in command("ls").stdout.splitlines())


@pytest.fixture
def runs(workspace: Path) -> Path:
    """Runs that were begun, with records as `train` writes them: the chain's teacher, and two students outside it."""
    config = read_config(workspace / "dgkd.toml")
    views = {**config.views.model_dump(mode="json"), "plan": "0" * 64}
    recipe = config.training.model_dump(mode="json", exclude={"checkpoint_steps", "workers", "input_size"})
    recipe |= {"precision": "float32", "channels_last": True}
    loss = config.distillation.model_dump(mode="json", by_alias=True) | {"temperature": 4.0}
    data = {"digest": "0" * 64, "test_digest": "0" * 64, "validation": 0}
    tree = {"architecture": "plain6", "dataset": data, "views": views, "training": recipe, "guides": {}}
    student = {**tree, "guides": {"teacher": "ab" * 32}, "live": False, "distillation": loss}
    other = {**student, "training": {**recipe, "seed": 1}, "distillation": {**loss, "keep": 0.5}}
    for name, record in (("teacher", tree), ("one", student), ("two", other)):
        folder = workspace / "runs" / name
        folder.mkdir(parents=True)
        (folder / "inputs.json").write_text(json.dumps(without_implied(flatten(record))))
    return workspace / "runs"


@pytest.mark.usefixtures("runs")
def test_experiments_are_told_apart(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = command("ls").stdout.splitlines()
    assert lines[0] == "all runs: epochs 2"
    assert lines[1] == "all runs under guides: objective paper, lambda 0.5"
    assert lines[2].split() == "run state architecture guides method dropping seed accuracy".split()
    assert {line.split()[0]: line.split()[-4:-1] for line in lines[6:8]} == {
        "one": ["bernoulli", "0.75", "0"],
        "two": ["bernoulli", "0.5", "1"],
    }
    assert max(map(len, lines)) <= 80


@pytest.mark.usefixtures("runs")
def test_a_setting_that_differs_is_stale_with_what_it_was_and_is(command: Command, workspace: Path) -> None:
    assert [run["state"] for run in json.loads(command("ls", "--json").stdout)["runs"]][0] == "begun"
    text = (workspace / "dgkd.toml").read_text()
    (workspace / "dgkd.toml").write_text(text.replace("lr = 0.01", "lr = 0.05"))
    for form in ([], ["--long"]):
        result = command("ls", *form)
        assert (result.exit_code, result.stderr) == (0, "")
        assert "teacher: stale: training.lr was 0.01, is 0.05" in result.stdout.splitlines()
    teacher, _, _, one, _ = json.loads(command("ls", "--json").stdout)["runs"]
    assert teacher["changes"] == [{"setting": "training.lr", "was": "0.01", "now": "0.05"}]
    assert (one["state"], one["guides"], one["settings"]["keep"]) == ("begun", ["teacher"], 0.75)


@pytest.mark.usefixtures("runs")
def test_the_forms_of_the_list(command: Command) -> None:
    rows = list(csv.DictReader(io.StringIO(command("ls", "--csv", "--sort", "-seed").stdout)))
    assert [(row["run"], row["seed"]) for row in rows][:2] == [("two", "1"), ("teacher", "0")]
    printed = json.loads(command("ls", "--json", "--sort", "-keep").stdout)["runs"]
    assert [run["name"] for run in printed] == ["one", "two", "teacher", "ta1", "student"]
    long = command("ls", "--long").stdout.splitlines()[0].split()
    assert {"seed", "epochs", "lr", "weight_decay", "temperature", "objective", "lambda"} <= {*long}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--sort", "acuracy"], "expected one of run, state, architecture, parameters, guides"),
        (["--csv", "--json"], "choose one"),
        (["--long", "--csv"], "choose one"),
    ],
)
def test_what_does_not_go_together_is_refused(command: Command, workspace: Path, options: list[str], said: str) -> None:
    result = command("ls", *options)
    assert (result.exit_code, result.stdout) == (2, "") and said in result.stderr


@pytest.mark.usefixtures("runs")
def test_it_needs_no_torch_and_no_data_set(workspace: Path) -> None:
    """The data set is a folder that is not there."""
    text = (workspace / "dgkd.toml").read_text()
    (workspace / "dgkd.toml").write_text('[dataset]\nname = "folder:gone"\n' + text)
    script = (
        "import sys\nfrom dgkd_cli.main import main\n"
        "main(['ls'], standalone_mode=False)\nassert 'torch' not in sys.modules"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "") and "begun" in ended.stdout

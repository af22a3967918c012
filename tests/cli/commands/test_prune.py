"""`prune`: what it asks of the library's task, what it refuses, and a chain that is pruned from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock, create_autospec

import pytest
from click.testing import Result

from dgkd_cache.config.pruning import PruningConfig
from dgkd_cache.config.tables import TrainingConfig
from dgkd_cache.run_files.model_card import load_card
from dgkd_cache.workspace import tasks
from dgkd_cache.workspace.pruning import Pruning
from dgkd_cache.workspace.tasks import TrainRequest

Command = Callable[..., Result]


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """The task, which trains nothing."""
    asked = create_autospec(tasks.prune_model, return_value=[])
    monkeypatch.setattr(tasks, "prune_model", asked)
    return asked


def asked(job: Mock) -> list[TrainRequest]:
    _, requests = job.call_args.args
    return list(requests)


def store(workspace: Path, name: str) -> Path:
    path = workspace / "guides" / f"{name}.zarr"
    path.mkdir(parents=True)
    (path / "zarr.json").write_text("{}")
    return path


def test_what_is_asked_of_the_task(command: Command, workspace: Path, teacher: Path, job: Mock) -> None:
    store(workspace, "big"), store(workspace, "ta1")
    result = command("prune", "teacher", "--guides", "big,ta1", "--sparsity", "0.5, 0.975", "--set", "pruning.steps=7")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (0, "runs: runs"), result.stderr
    first, second = asked(job)
    assert (first.name, second.name) == ("teacher-s50", "teacher-s97_5")
    assert (first.architecture, first.training) == ("plain6", TrainingConfig(epochs=2, lr=0.01))
    assert [path.name for path in first.guides] == ["big.zarr", "ta1.zarr"]
    assert first.pruning == Pruning(source="teacher", sparsity=0.5, settings=PruningConfig(steps=7))
    assert second.pruning == Pruning(source="teacher", sparsity=0.975, settings=PruningConfig(steps=7))
    assert (first.distillation.method, first.fresh) == ("dgkd", False)
    options = "--sparsity 0 --criterion magnitude --name mine --fresh --test-every 2"
    assert command("prune", "--model", "teacher", *options.split()).exit_code == 0
    (only,) = asked(job)
    assert (only.name, only.guides, only.fresh, only.test_every) == ("mine-s0", [], True, 2)
    assert only.pruning == Pruning(source="teacher", sparsity=0.0, settings=PruningConfig(criterion="magnitude"))
    assert only.distillation.method == "scratch"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--sparsity 1", "a sparsity is wrong: expected a number from 0 to below 1"),
        ("--sparsity 0.5,-0.1", "found '-0.1'"),
        ("--sparsity 0.5,half", "found 'half'"),
        ("--sparsity 0.5,0.50", "--sparsity names 0.5 more than once"),
        ("--sparsity ,", "--sparsity names none"),
        ("", "Missing option '--sparsity'"),
        ("--sparsity 0.5", "found no guides; name some with --guides, or choose --criterion gradient or magnitude"),
        ("--sparsity 0.5 --guides ,", "--guides names no guide"),
        ("--sparsity 0.5 --guides big,big", "--guides names big more than once"),
        ("--sparsity 0.5 --guides big --set distillation.lambda=0.0", "found distillation.lambda = 0"),
        ("--sparsity 0.5 --guides big --set distillation.method=kd", "distillation.method would have no effect"),
        ("--sparsity 0.5 --criterion gradient --set distillation.method=kd", "names the guides, or none: leave it out"),
        ("--sparsity 0.5 --criterion size", "'size' is not one of 'guided', 'gradient', 'magnitude'"),
        ("--sparsity 0.5 --criterion gradient --set pruning.criterion=magnitude", "set the same key: give one of them"),
        ("--sparsity 0.5 --guides big --set pruning.steps=0", "steps"),
        ("--sparsity 0.5 --criterion gradient --name Big", "a model's name is not usable"),
    ],
)
def test_bad_input_is_refused(
    command: Command, workspace: Path, teacher: Path, job: Mock, options: str, said: str
) -> None:
    store(workspace, "big")
    result = command("prune", "teacher", *options.split())
    assert (result.exit_code, job.call_count) == (2, 0)
    assert said in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("prune techer --sparsity 0.5 --criterion gradient", 2, "did you mean teacher?"),
        ("prune ta1 --sparsity 0.5 --criterion gradient", 3, "'ta1' is not trained"),
        ("prune teacher.d1 --sparsity 0.5 --criterion gradient", 2, "give the name of the model, teacher"),
        ("prune teacher --sparsity 0.5 --guides big", 10, "no guide store for 'big'"),
    ],
)
def test_what_is_not_there(
    command: Command, workspace: Path, teacher: Path, job: Mock, words: str, code: int, said: str
) -> None:
    result = command(*words.split())
    assert (result.exit_code, job.call_count) == (code, 0)
    assert said in " ".join(result.stderr.split())


def test_hints_make_source_and_guides_by_their_own_recipe(
    command: Command, workspace: Path, teacher: Path, job: Mock
) -> None:
    """--set of the retraining is not repeated: the source would be trained by it, and be stale for good."""
    own = ["--set", "training.lr=0.001", "--set", "distillation.lambda=0.9", "--set", "pruning.steps=4"]
    for words, hint in (
        ("prune ta1 --sparsity 0.5 --criterion gradient", "`dgkd-cache run --set views.count=3` trains and dumps"),
        ("prune teacher --sparsity 0.5 --guides teacher", "`dgkd-cache dump teacher --set views.count=3` makes it"),
    ):
        result = command(*words.split(), *own, "--set", "views.count=3")
        assert hint in " ".join(result.stderr.split()), result.stderr
    store(workspace, "big")
    assert command("prune", "teacher", "--guides", "big", "--sparsity", "0.5", *own).exit_code == 0
    (only,) = asked(job)
    assert (only.training.lr, only.distillation.lambda_, only.pruning.settings.steps) == (0.001, 0.9, 4)


def test_a_finished_chain_is_pruned_listed_dumped_and_exported(command: Command, here: Path) -> None:
    made = command("run", "-q")
    assert made.exit_code == 0, made.stderr
    words = "prune student --guides teacher --sparsity 0.5,0.9 --set pruning.steps=2 --set training.epochs=1"
    result = command(*words.split())
    assert result.exit_code == 0, result.stderr
    rows = [line.split() for line in result.stdout.splitlines()]
    assert [row[:2] for row in rows[1:]] == [["student-s50", "0.5"], ["student-s90", "0.9"]]
    assert "student-s90: " in result.stderr and " weights are removed" in result.stderr
    again = command(*words.split(), "--json")
    assert again.stderr.count("nothing to do") == 2
    card = json.loads(again.stdout)[1]
    assert card["training"]["pruning"]["sparsity"] == 0.9 and card["accuracy"]["test"] <= 1
    listed = json.loads(command("ls", "--json").stdout)["runs"]
    assert {run["name"]: run["settings"].get("pruning.sparsity") for run in listed} == {
        **{"teacher": None, "student": None, "student-s50": 0.5, "student-s90": 0.9}
    }
    info = command("info", "student-s90").stdout
    assert "pruning" in info and "0.9" in info and '{"' not in info and "{'" not in info
    assert "pruning.sparsity" in command("ls", "--long").stdout
    for verb in ("eval student-s90", "dump student-s90", "export student-s90 pruned.h5", "verify"):
        assert command(*verb.split()).exit_code == 0, verb
    other = command(*words.replace("epochs=1", "epochs=2").split())
    assert other.exit_code == 13 and "training.epochs was 1, is 2" in " ".join(other.stderr.split())
    assert load_card(here / "runs" / "student-s90").training["epochs"] == 1

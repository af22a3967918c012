"""Options of `train` that contradict each other or would be ignored: all pairs, and each kind with its message."""

from __future__ import annotations

import itertools
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest
from click.testing import Result
from torch import nn

from dgkd_cache.workspace import tasks
from dgkd_cache.workspace.tasks import TrainRequest

Command = Callable[..., Result]

OPTIONS = {
    "live": "--live",
    "fresh": "--fresh",
    "take-over": "--take-over",
    "seed": "--seed 3",
    "epochs": "--epochs 1",
    "objective": "--objective mean",
    "lambda": "--lambda 0.25",
    "temperature": "--temperature 3",
    "bernoulli": "--dropping bernoulli",
    "fixed": "--dropping fixed",
    "none": "--dropping none",
    "keep": "--keep 0.5",
    "drop": "--drop 1",
    "always": "--always teacher",
    "at-least-one": "--at-least-one",
    "scratch": "--method scratch",
    "kd": "--method kd",
    "takd": "--method takd",
    "dgkd": "--method dgkd",
    "architecture": "--architecture nets:make",
    "guides": "--guides teacher",
}

# What an option must have beside it to mean anything, for a model of two guides and a file that says bernoulli.
NEEDS = {"drop": {"fixed"}, "architecture": {"live"}}

# Pairs that cannot both be meant.
AGAINST = [
    *itertools.product(["keep", "always", "at-least-one"], ["fixed", "none"]),
    *itertools.product(["drop"], ["bernoulli", "none"]),
    *itertools.product(
        ["scratch"],
        ["live", "objective", "lambda", "temperature", "bernoulli", "fixed", "none", "keep", "drop", "always",
         "at-least-one"],
    ),
    *itertools.product(["kd", "takd"], ["fixed"]),  # of one guide, one is dropped in each batch
    ("takd", "always"),  # its guide is another
    ("always", "at-least-one"),
]  # fmt: skip


@pytest.fixture(scope="module")
def two_guides(
    dump: Callable[..., Path], make_tiny: Callable[..., nn.Module], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder of two stores."""
    folder = tmp_path_factory.mktemp("two_guides")
    dump(folder / "teacher.zarr", make_tiny(1), name="teacher")
    dump(folder / "ta1.zarr", make_tiny(2), name="ta1")
    return folder


@pytest.fixture
def job(workspace: Path, two_guides: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A workspace whose teacher is trained and dumped; what `train` asks of the library, in order."""
    shutil.copytree(two_guides, workspace / "guides")
    for name in ("teacher", "ta1"):
        (workspace / "runs" / name).mkdir(parents=True)
        (workspace / "runs" / name / "card.json").write_text("{}")
    asked: list[dict[str, Any]] = []

    def keep(_: object, request: TrainRequest, **words: Any) -> object:
        asked.append({**vars(request), **words})
        raise SystemExit(0)

    monkeypatch.setattr(tasks, "train_model", create_autospec(tasks.train_model, side_effect=keep))
    return asked


def means_nothing(chosen: set[str]) -> bool:
    """True for options of `--model student` of which one would be ignored, by the two tables above."""
    lacking = any(option in chosen and not needed <= chosen for option, needed in NEEDS.items())
    against = any({one, other} <= chosen for one, other in AGAINST)
    return lacking or against or "guides" in chosen


def test_all_pairs_of_options(command: Command, job: list[dict[str, Any]]) -> None:
    alone = [{option} for option in OPTIONS]
    pairs = [{one, other} for one, other in itertools.combinations(OPTIONS, 2)]
    refused = 0
    for chosen in [*alone, *pairs]:
        if len({OPTIONS[option].split()[0] for option in chosen}) < len(chosen):
            continue  # of one value, the last one holds, as everywhere; lists are refused below
        asked = len(job)
        words = " ".join(OPTIONS[option] for option in sorted(chosen)).split()
        result = command("train", "--model", "student", *words)
        expected = 2 if means_nothing(chosen) else 0
        assert result.exit_code == expected, (words, result.stderr)
        assert (len(job) - asked, bool(result.stderr)) == (expected == 0, expected == 2), words
        refused += expected == 2
    assert refused > 60


@pytest.mark.parametrize(
    ("options", "found", "do"),
    [
        ("--guides teacher,ta1 --method kd", "method kd uses one guide (the teacher)", "--guides teacher"),
        ("--guides teacher,ta1 --method takd", "method takd uses one guide (the model before it)", "--guides ta1"),
        ("--guides ta1 --method kd", "(the teacher): expected teacher, found ta1", "--guides teacher --method kd"),
        ("--guides ta1 --method kd", "name teacher, or choose takd", "--guides ta1 --method takd"),
        ("--guides teacher,teacher", "--guides names teacher more than once", "--guides teacher"),
        ("--guides ta1 --dropping fixed", "drop = 1 drops all of ta1; give a --drop below 1", "--guides ta1"),
        ("--guides ta1,teacher --dropping fixed --drop 2", "below 2", "--guides ta1,teacher --dropping fixed --drop 1"),
        ("--guides teacher,ta1 --keep 0", "--keep would leave no guide in any batch: keep = 0", "--method scratch"),
        ("--guides teacher --keep 0", "give a --keep above 0", "--guides teacher --keep 0.1"),
        (
            "--guides teacher,ta1 --keep 1 --at-least-one",
            "keeps one of teacher, ta1 anyway",
            "--guides teacher,ta1 --keep 1",
        ),
        ("--guides teacher,ta1 --keep 1 --always ta1", "all of teacher, ta1 anyway", "--guides teacher,ta1 --keep 1"),
        ("--guides teacher,ta1 --always ta1 --at-least-one", "always = ta1", "--guides teacher,ta1 --always ta1"),
        ("--guides teacher --always teacher --keep 0.5", "--keep would have no effect", "--guides teacher --keep 0.5"),
        (
            "--guides teacher --at-least-one --keep 0",
            "each batch keeps all of teacher",
            "--guides teacher --at-least-one",
        ),
        ("--guides ta1 --lambda 0 --temperature 2", "no effect with lambda = 0", "--guides ta1 --lambda 0"),
        ("--guides ta1 --lambda 0 --keep 0.5 --live", "--live and --keep", "--guides ta1 --lambda 0 --objective mean"),
        ("--guides teacher --method scratch", "--method scratch trains without guides", "--method scratch"),
        ("--guides , --method dgkd", "--guides names no guide", "--method scratch"),
        ("--method dgkd", "--method dgkd does not say which guides", "--method dgkd --guides teacher,ta1"),
        ("--method scratch --keep 0.5", "--keep would have no effect", "--guides teacher --keep 0.5"),
        ("--guides teacher --keep 0.5 --dropping none", "with dropping = none", "--guides teacher --dropping none"),
        ("--guides teacher,ta1 --drop 1", "add --dropping fixed", "--guides teacher,ta1 --drop 1 --dropping fixed"),
    ],
)
def test_a_student_of_its_own(command: Command, job: list[dict[str, Any]], options: str, found: str, do: str) -> None:
    result = command("train", "--student", "plain2", *options.split())
    assert (result.exit_code, result.stdout, job) == (2, "", [])
    assert found in result.stderr
    assert command("train", "--student", "plain2", *do.split()).exit_code == 0, "what the message recommends"


def test_the_guides_that_are_named_are_those_that_teach(command: Command, job: list[dict[str, Any]]) -> None:
    for method in ("kd", "takd", "dgkd"):
        guide = "teacher" if method == "kd" else "ta1"
        command("train", "--student", "plain2", "--guides", guide, "--method", method)
        assert [path.name for path in job[-1]["guides"]] == [f"{guide}.zarr"], method
    command("train", "--student", "plain2", "--guides", "teacher,ta1")
    assert [path.name for path in job[-1]["guides"]] == ["teacher.zarr", "ta1.zarr"]


def test_a_model_without_guides_takes_no_option_of_guides(command: Command, job: list[dict[str, Any]]) -> None:
    result = command("train", "--model", "teacher", "--lambda", "0.9", "--at-least-one")
    assert (result.exit_code, job) == (2, [])
    assert "--lambda and --at-least-one would have no effect, since this model has no guides" in result.stderr


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("--model teacher --method kd", "--method kd would have no effect: teacher is the first of the chain"),
        ("--model ta1 --always student", "unknown guide to keep always 'student'"),
        ("--model student --method takd --always teacher", "unknown guide to keep always 'teacher'"),
        ("--student plain2 --guides teacher --always ta1", "unknown guide to keep always 'ta1'"),
    ],
)
def test_a_guide_that_this_model_does_not_have(
    command: Command, job: list[dict[str, Any]], options: str, found: str
) -> None:
    result = command("train", *options.split())
    assert (result.exit_code, result.stdout, job) == (2, "", []) and found in result.stderr


def test_the_file_may_keep_guides_that_an_earlier_model_lacks(
    command: Command, job: list[dict[str, Any]], workspace: Path
) -> None:
    with (workspace / "dgkd.toml").open("a") as file:
        file.write('[distillation]\nalways = ["ta1"]\n')
    assert command("train", "--model", "ta1").exit_code == 0 and len(job) == 1


def test_what_the_file_says_counts(command: Command, job: list[dict[str, Any]], workspace: Path) -> None:
    with (workspace / "dgkd.toml").open("a") as file:
        file.write('[distillation]\ndropping = "fixed"\n')
    assert command("train", "--model", "ta1", "--drop", "0").exit_code == 0
    refused = command("train", "--model", "ta1", "--keep", "0.5")
    assert (
        refused.exit_code == 2 and "with dropping = fixed: leave it out, or add --dropping bernoulli" in refused.stderr
    )
    assert command("train", "--model", "ta1", "--keep", "0.5", "--dropping", "bernoulli").exit_code == 0


def test_kd_takes_a_teacher_from_outside_the_chain(
    command: Command,
    job: list[dict[str, Any]],
    dump: Callable[..., Path],
    make_tiny: Callable[..., nn.Module],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    other = dump(tmp_path_factory.mktemp("other") / "big.zarr", make_tiny(3), name="big")
    assert command("train", "--student", "plain2", "--guides", str(other), "--method", "kd").exit_code == 0
    assert (job[-1]["guides"], job[-1]["distillation"].method) == ([other], "kd")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("--model teacher --keep 0.5", "no guides: leave it out\n"),
        ("--model student --guides ''", "--guides goes with --student"),
        (
            "--student plain2 --guides guides/teacher.zarr --live",
            "finished runs by their names, and guides/teacher",
        ),
    ],
)
def test_nothing_is_advised_that_fails(command: Command, job: list[dict[str, Any]], options: str, found: str) -> None:
    result = command("train", *shlex.split(options))
    assert (result.exit_code, job) == (2, []) and found in result.stderr


@pytest.mark.parametrize(
    "options",
    [
        "train --student plain2 --guides teacher --guides ta1",
        "train --model student --always teacher --always ta1",
        "init --chain plain4 --chain plain2 new",
        "init --chain plain2 --transforms hflip --transforms none new",
    ],
)
def test_a_list_stands_in_one_option(command: Command, job: list[dict[str, Any]], options: str) -> None:
    result = command(*options.split())
    assert (result.exit_code, job) == (2, []) and "given 2 times: name all of them once, as in" in result.stderr


@pytest.mark.parametrize("dropping", ["none", "fixed"])
def test_another_way_of_dropping_takes_the_place_of_the_file_s(
    command: Command, job: list[dict[str, Any]], workspace: Path, dropping: str
) -> None:
    with (workspace / "dgkd.toml").open("a") as file:
        file.write('[distillation]\nalways = ["ta1"]\nat_least_one = true\n')
    assert command("train", "--model", "student", "--dropping", dropping).exit_code == 0
    settings = job[0]["distillation"]
    assert (settings.dropping, settings.always, settings.at_least_one) == (dropping, (), False)


@pytest.mark.parametrize("options", ["--keep 1", "--keep 0 --at-least-one", "--keep 0 --always teacher", "--lambda 0"])
def test_the_ends_of_a_sweep_are_taken(command: Command, job: list[dict[str, Any]], options: str) -> None:
    assert command("train", "--model", "student", *options.split()).exit_code == 0 and len(job) == 1


def test_an_empty_always_takes_back_what_the_file_says(
    command: Command, job: list[dict[str, Any]], workspace: Path
) -> None:
    with (workspace / "dgkd.toml").open("a") as file:
        file.write('[distillation]\nalways = ["teacher"]\n')
    assert command("train", "--model", "student", "--always", "", "--at-least-one").exit_code == 0
    assert (job[-1]["distillation"].always, job[-1]["distillation"].at_least_one) == ((), True)
    assert command("train", "--model", "student", "--at-least-one").exit_code == 2


def test_a_rule_of_the_file_that_drops_all_guides_of_an_earlier_model_is_left_to_the_job(
    command: Command, job: list[dict[str, Any]], workspace: Path
) -> None:
    with (workspace / "dgkd.toml").open("a") as file:
        file.write('[distillation]\ndropping = "fixed"\n')
    assert command("train", "--model", "ta1").exit_code == 0 and len(job) == 1
    refused = command("train", "--model", "ta1", "--drop", "1")
    assert refused.exit_code == 2 and "--drop would leave no guide in any batch: drop = 1" in refused.stderr

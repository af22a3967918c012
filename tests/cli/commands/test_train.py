"""`train`: what it asks of the library's task, which a double with the task's own signature stands for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock, create_autospec

import pytest
from click.testing import Result
from torch import nn

from dgkd_cache.config.tables import DistillationConfig, TrainingConfig
from dgkd_cache.errors import Interrupted
from dgkd_cache.run_files.model_card import ModelCard
from dgkd_cache.run_files.preprocess import Preprocess
from dgkd_cache.workspace import tasks
from dgkd_cache.workspace.tasks import TrainRequest

Command = Callable[..., Result]


@pytest.fixture
def card() -> ModelCard:
    return ModelCard(
        name="ta1",
        architecture="plain4",
        channels=1,
        classes=("a", "b"),
        height=8,
        width=8,
        parameters=1234,
        preprocess=Preprocess(mean=("0.5",), std=("0.25",)),
        dataset={"name": "digits", "digest": "0" * 64},
        plan_digest="",
        views={},
        training={},
        guides={"teacher": "ab" * 32},
        accuracy={"test": "0.8812"},
        weights_digest="0" * 64,
        seconds=75,
    )


@pytest.fixture
def train_job(card: ModelCard, monkeypatch: pytest.MonkeyPatch) -> Mock:
    asked = create_autospec(tasks.train_model, return_value=card)
    monkeypatch.setattr(tasks, "train_model", asked)
    return asked


def request(train_job: Mock) -> TrainRequest:
    """Returns the last request of the command."""
    _, asked = train_job.call_args.args
    return asked


def store(workspace: Path, name: str) -> Path:
    path = workspace / "guides" / f"{name}.zarr"
    path.mkdir(parents=True)
    (path / "zarr.json").write_text("{}")
    return path


def test_train_a_model_of_the_chain(command: Command, workspace: Path, train_job: Mock) -> None:
    store(workspace, "teacher")
    result = command("train", "--model", "ta1", "--device", "cpu")
    assert (result.exit_code, result.stderr) == (0, "")
    words = request(train_job)
    assert (words.name, words.architecture, train_job.call_args.kwargs["device"]) == ("ta1", "plain4", "cpu")
    assert [path.resolve() for path in words.guides] == [workspace / "guides" / "teacher.zarr"]
    assert words.live == []
    assert words.training == TrainingConfig(epochs=2, lr=0.01)
    assert words.distillation == DistillationConfig()
    assert "88.12 %" in result.stdout and "1 min 15 s" in result.stdout and "1,234" in result.stdout


def test_train_any_student_under_any_stores(
    command: Command,
    workspace: Path,
    train_job: Mock,
    dump: Callable[..., Path],
    make_tiny: Callable[..., nn.Module],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    dump(workspace / "guides" / "teacher.zarr", make_tiny(1), name="teacher")
    elsewhere = dump(tmp_path_factory.mktemp("elsewhere") / "big.zarr", make_tiny(2), name="big")
    result = command("train", "--student", "torchvision:resnet18", "--guides", f"teacher,{elsewhere}", "--json")
    assert result.exit_code == 0, result.stderr
    assert request(train_job).name == "student-torchvision-resnet18"
    assert request(train_job).architecture == "torchvision:resnet18"
    assert [path.name for path in request(train_job).guides] == ["teacher.zarr", "big.zarr"]
    assert request(train_job).distillation.method == "dgkd"
    assert json.loads(result.stdout)["accuracy"] == {"test": 0.8812}


def test_every_option_reaches_the_job(command: Command, workspace: Path, train_job: Mock) -> None:
    store(workspace, "teacher"), store(workspace, "ta1")
    options = (
        "--model student --name s7 --epochs 9 --seed 7 --precision float32 --method takd --objective mean "
        "--lambda 0.25 --temperature 3 --dropping bernoulli --keep 0.5"
    )
    result = command("train", *options.split())
    assert result.exit_code == 0, result.stderr
    words = request(train_job)
    assert words.name == "s7"
    assert [path.name for path in words.guides] == ["ta1.zarr"], "takd: the one before"
    assert words.training == TrainingConfig(epochs=9, lr=0.01, seed=7, precision="float32")
    assert words.distillation == DistillationConfig(
        method="takd",
        objective="mean",
        lambda_=0.25,
        temperature=3.0,
        dropping="bernoulli",
        keep=0.5,
    )
    assert command("train", "--model", "student", "--dropping", "fixed", "--drop", "0").exit_code == 0
    assert (request(train_job).distillation.dropping, request(train_job).distillation.drop) == (
        "fixed",
        0,
    )
    assert command("train", "--model", "student", "--always", "ta1").exit_code == 0
    assert request(train_job).distillation.always == ("ta1",)
    assert command("train", "--model", "student", "--at-least-one").exit_code == 0
    assert request(train_job).distillation.at_least_one is True
    assert request(train_job).log == ()
    assert command("train", "--model", "student", "--log", "tensorboard, wandb").exit_code == 0
    assert request(train_job).log == ("tensorboard", "wandb")


def test_a_guide_of_two_stores_and_its_name(
    command: Command,
    workspace: Path,
    train_job: Mock,
    dump: Callable[..., Path],
    make_tiny: Callable[..., nn.Module],
) -> None:
    dump(workspace / "guides" / "big.zarr", make_tiny(1))
    dump(workspace / "guides" / "big-3-5.zarr", make_tiny(1), name="big", views=range(3, 5))
    listed = command("ls").stdout
    assert re.search(r"^big-3-5 +sealed +3:5 ", listed, re.MULTILINE) and re.search(
        r"^big +sealed", listed, re.MULTILINE
    )
    assert ["range", "3:5"] in [line.split() for line in command("info", "big-3-5").stdout.splitlines()]
    words = ("train", "--student", "plain2", "--guides", "big,big-3-5", "--always")
    assert command(*words, "big").exit_code == 0
    assert [path.name for path in request(train_job).guides] == ["big.zarr", "big-3-5.zarr"]
    refused = command(*words, "bug")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "unknown guide to keep always 'bug'" in refused.stderr and "did you mean big" in refused.stderr


def test_the_method_of_the_file_is_not_that_of_a_student_with_guides_of_its_own(
    command: Command,
    workspace: Path,
    train_job: Mock,
    dump: Callable[..., Path],
    make_tiny: Callable[..., nn.Module],
) -> None:
    dump(workspace / "guides" / "big.zarr", make_tiny(1))
    words = ("train", "--student", "plain2", "--guides", "big")
    refused = command(*words, "--set", "distillation.method=kd")
    assert (refused.exit_code, train_job.call_count) == (2, 0)
    assert "leave it out, or give --method in its place" in " ".join(refused.stderr.split())
    for followed in (words, (*words, "--method", "kd")):
        assert command(*followed).exit_code == 0


def test_live_guides_are_runs(command: Command, workspace: Path, train_job: Mock) -> None:
    lost = command("train", "--model", "ta1", "--live")
    assert lost.exit_code == 3
    assert "'teacher' is not trained" in lost.stderr
    (workspace / "runs" / "teacher").mkdir(parents=True)
    (workspace / "runs" / "teacher" / "card.json").write_text("{}")
    assert command("train", "--model", "ta1", "--live").exit_code == 0
    assert [path.name for path in request(train_job).live] == ["teacher"]
    assert request(train_job).guides == []


def test_live_guides_are_no_draws(command: Command, workspace: Path, train_job: Mock) -> None:
    """Draws are rows of a store: the model itself would be another guide, and is not taken for them in silence."""
    (workspace / "runs" / "teacher").mkdir(parents=True)
    (workspace / "runs" / "teacher" / "card.json").write_text("{}")
    for guide in ("teacher.d*", "teacher.d0"):
        refused = command("train", "--student", "plain2", "--guides", guide, "--live")
        assert (refused.exit_code, train_job.call_count) == (2, 0)
        assert f"{guide} names stores of draws: leave --live out" in " ".join(refused.stderr.split())
    refused = command("train", "ta1", "--live", "--set", "cache.draws=3")
    assert (refused.exit_code, train_job.call_count) == (2, 0)
    said = " ".join(refused.stderr.split())
    assert "[cache] has draws = 3" in said and "leave --live out, or add --set cache.draws=0" in said
    for words in ("train ta1 --live --set cache.draws=0", "train teacher --live --set cache.draws=3"):
        assert "draws" not in command(*words.split()).stderr
    assert command("train", "ta1", "--live", "--set", "cache.draws=0").exit_code == 0


def test_fresh_is_asked_for(command: Command, workspace: Path, train_job: Mock) -> None:
    for options, fresh in (((), False), (("--fresh",), True)):
        assert command("train", "--model", "teacher", *options).exit_code == 0
        assert request(train_job).fresh is fresh


def test_a_student_of_its_own_needs_guides_or_to_be_told_that_there_are_none(
    command: Command, workspace: Path, train_job: Mock
) -> None:
    result = command("train", "--student", "plain2")
    assert result.exit_code == 2 and "--student needs --guides A,B,..., or --method scratch" in result.stderr
    assert command("train", "--student", "plain2", "--guides", "").exit_code == 2
    assert command("train", "--student", "plain2", "--method", "scratch").exit_code == 0
    assert list(request(train_job).guides) == [] and request(train_job).distillation.method == "scratch"


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        ("", 2, "exactly one of NAME"),
        ("--model ta1 --student plain2", 2, "exactly one of NAME"),
        ("--model ta1 --guides teacher", 2, "--guides goes with --student"),
        ("--model ta9", 2, "did you mean ta1"),
        ("--model ta1", 10, "`dgkd-cache run`"),
        ("--student plain2 --guides techer", 10, "no guide store for 'techer'"),
        ("--model teacher --name A", 2, "a-z, 0-9"),
        ("--model teacher --keep 2", 2, "'keep' in table [distillation]"),
        ("--model teacher --always teacher", 2, "--always would have no effect"),
        ("--model teacher --dropping none --always teacher", 2, "no always"),
        ("--model teacher --dropping none --at-least-one", 2, "no at_least_one"),
        ("--model teacher --epochs 0", 2, "'epochs' in table [training]"),
    ],
)
def test_train_refuses(command: Command, workspace: Path, options: str, code: int, word: str) -> None:
    result = command("train", *options.split())
    assert result.exit_code == code, result.stderr
    assert word in result.stderr
    assert result.stdout == ""


def test_an_interrupted_job_is_130(command: Command, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = Interrupted("stopped at step 5 of 90", do="run the same command again to go on")
    asked = create_autospec(tasks.train_model, side_effect=stopped)
    monkeypatch.setattr(tasks, "train_model", asked)
    result = command("train", "--model", "teacher")
    assert (result.exit_code, result.stdout) == (130, "")
    assert "stopped at step 5" in result.stderr
    assert asked.call_args.kwargs["stop"]() is False

"""Completion in a shell: names of the workspace, without torch and without an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from dgkd_cli.main import main


def asked(words: str) -> dict[str, str]:
    """Returns the answer of the program to bash about the last of the words, as click's own protocol has it."""
    about = {"_DGKD_CACHE_COMPLETE": "bash_complete", "COMP_WORDS": f"dgkd-cache {words}"}
    return about | {"COMP_CWORD": str(len(words.split(" ")))}


def offered(answer: str) -> list[str]:
    return [line.partition(",")[2] for line in answer.split()]


def completed(words: str) -> list[str]:
    """Returns the offers to bash for the last of the words."""
    done = CliRunner(env=asked(words)).invoke(main, prog_name="dgkd-cache")
    assert done.stderr == "" and isinstance(done.exception, SystemExit | None), done.exception
    return offered(done.stdout)


@pytest.mark.parametrize("words", ["train t", "dump t", "eval t", "eval --model t", "info t"])
def test_models_of_the_chain(workspace: Path, words: str) -> None:
    assert completed(words) == ["teacher", "ta1"]


def test_runs_and_stores_of_the_folder_of_w(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("runs/student-kd", "guides/student-kd-2-4.zarr"):
        (workspace / name).mkdir(parents=True)
    monkeypatch.chdir("/")
    assert completed(f"-w {workspace} eval s") == completed(f"eval -w {workspace} s") == ["student", "student-kd"]
    assert completed(f"-w {workspace} info student-kd") == ["student-kd", "student-kd-2-4"]


def test_keys_and_verbs(workspace: Path) -> None:
    assert completed("run --set training.lr") == [f"training.lr{one}=" for one in ("", "_schedule", "_steps", "_gamma")]
    assert completed("run --set distillation.la") == ["distillation.lambda="]
    assert completed("du") == ["dump"]


def test_the_last_name_of_a_list(workspace: Path) -> None:
    """Bash has one word for teacher,t; guides are stores, or after --live the runs."""
    for name in ("runs/teacher", "guides/teacher.zarr", "guides/ta1.zarr"):
        (workspace / name).mkdir(parents=True)
    assert completed("train --student resnet8 --guides ") == ["teacher", "ta1"]
    assert completed("train --student resnet8 --guides teacher,t") == ["teacher,ta1"]
    assert completed("train --live --student resnet8 --guides t") == ["teacher"]
    assert completed("train --always ta1,") == ["ta1,teacher", "ta1,student"]
    assert completed("init --chain resnet26,wrn") == [f"resnet26,{one}" for one in completed("train --student wrn")]
    assert completed("init --chain plain1") == completed("train --student plain1") == ["plain10"]


def test_data_sets(workspace: Path) -> None:
    assert completed("init --dataset cif") == completed("datasets cif") == ["cifar10", "cifar100"]
    assert completed("init --dataset i") == ["imagenet:"] and completed("datasets t") == ["tiny-imagenet:"]
    assert completed("datasets f") == ["fashion-mnist", "folder:"]


def test_recipes(workspace: Path) -> None:
    assert completed("init --recipe off") == completed("recipes off") == ["official"]


def test_keys_of_one_model(workspace: Path) -> None:
    assert completed("run --set training.ta1.warm") == ["training.ta1.warmup_epochs="]
    assert completed("run --set chain.") == ["chain.teacher=", "chain.ta1=", "chain.student="]
    assert not [key for key in completed("run --set t") if key.count(".") != 1]


def test_nothing_is_completed_where_the_workspace_cannot_be_read(workspace: Path) -> None:
    (workspace / "dgkd.toml").write_text("[chain")
    assert completed("eval t") == []
    (workspace / "dgkd.toml").unlink()
    assert completed("eval t") == []


def test_no_torch(workspace: Path) -> None:
    """In a process of its own, as a shell starts it."""
    script = """
import sys
from dgkd_cli.main import main

try:
    main(prog_name="dgkd-cache")
finally:
    assert "torch" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | asked("eval t"), capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert offered(done.stdout) == ["teacher", "ta1"]

"""`adopt`: what it asks of the library, what it prints, and options that exclude each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import Result

from dgkd_cache.models.registry import build_model
from dgkd_cli.humanize import percent_text

Command = Callable[..., Result]


@pytest.fixture
def weights(workspace: Path) -> str:
    pytest.importorskip("sklearn", reason="digits need scikit-learn")
    model = build_model("plain4", channels=1, classes=10, height=8, width=8, seed=0)
    torch.save(model.state_dict(), workspace / "w.pt")
    return "w.pt"


def test_adopt(command: Command, weights: str) -> None:
    asked = ("adopt", "big", "--arch", "plain4", "--weights", weights, "--accept-accuracy")
    result = command(*asked)
    assert result.exit_code == 0, result.output
    assert "plain4" in result.stdout and "in the assumed order of the data set" in result.stdout
    assert 'teacher = "adopted:big"' in result.stderr
    again = json.loads(command(*asked, "--json").stdout)
    assert (again["made"], again["written"], again["training"]["method"]) == (False, False, "adopted")
    assert percent_text(str(again["accuracy"]["test"])) in result.stdout
    said = command("info", "big").stdout
    assert "adopted from" in said and "w.pt" in said
    assert "whole" in command("verify", "big").stdout


def test_a_low_accuracy_is_exit_code_13(command: Command, weights: str) -> None:
    result = command("adopt", "big", "--arch", "plain4", "--weights", weights)
    assert result.exit_code == 13 and "--accept-accuracy" in result.stderr
    assert not Path("runs/big").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "exactly one of --weights FILE and --pretrained"),
        (("--weights", "w.pt", "--pretrained"), "exactly one of"),
        (("--weights", "none.pt"), "No such file"),
        (("--pretrained",), "nothing is published of plain4"),
        (("--weights", "w.pt", "--mean", "0.5,x"), "a number for each channel"),
        (("--weights", "w.pt", "--interpolation", "lanczos"), "Invalid value"),
    ],
)
def test_what_cannot_be_is_exit_code_2(
    command: Command, workspace: Path, arguments: tuple[str, ...], said: str
) -> None:
    result = command("adopt", "big", "--arch", "plain4", *arguments)
    assert result.exit_code == 2 and said in result.stderr


def test_a_model_from_elsewhere_is_not_trained(command: Command, workspace: Path) -> None:
    text = Path("dgkd.toml").read_text().replace('ta1 = "plain4"', 'ta1 = "adopted:big"')
    Path("dgkd.toml").write_text(text)
    result = command("train", "ta1")
    assert result.exit_code == 2 and "ta1 is adopted:big: it is not trained here" in result.stderr
    assert command("dump", "ta1").exit_code == 3
    assert "adopted:big" in command("ls").stdout

"""`eval`: what it asks of the library's task, and the score that it prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from unittest.mock import create_autospec

import pytest
from click.testing import Result

from dgkd_cache.training.evaluate import Score
from dgkd_cache.workspace import tasks

Command = Callable[..., Result]


def test_eval(command: Command, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = create_autospec(tasks.evaluate_model, return_value=Score(samples=60000, accuracy=0.5, loss=0.25))
    monkeypatch.setattr(tasks, "evaluate_model", asked)
    result = command("eval", "--model", "ta1", "--split", "train")
    assert (result.exit_code, result.stderr) == (0, "")
    assert (asked.call_args.kwargs["model"], asked.call_args.kwargs["split"]) == ("ta1", "train")
    assert "50.00 %" in result.stdout and "60,000" in result.stdout
    assert json.loads(command("eval", "--model", "ta1", "--json").stdout)["accuracy"] == 0.5
    assert asked.call_args.kwargs["split"] == "test"

"""The demo as the Makefile runs it, end to end."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_demo(tmp_path: Path) -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = [shlex.split(line) for line in re.findall(r"dgkd-cache ((?:init|-w) demo.*)", recipe)]
    assert len(commands) == 2

    def dgkd(*arguments: str) -> str:
        # Without `env` a child has the COLUMNS that readline set when pytest loaded it; os.environ has none.
        done = subprocess.run(
            [sys.executable, "-m", "dgkd_cli", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ},
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    for words in commands:
        output = dgkd(*words)
    assert re.search(r"student +resnet8 .* teacher,ta1,ta2 ", output)
    rows = json.loads(dgkd("-w", "demo", "run", "--json"))
    accuracies = {row["model"]: float(row["accuracy"]) for row in rows}
    assert len(accuracies) == 4 and min(accuracies.values()) > 0.85

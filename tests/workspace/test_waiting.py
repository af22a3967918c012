"""A folder that another process has locked: the verbs say that they wait, and Ctrl-C and SIGTERM stop them."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.tiny_chain import MODULE, content, run, workspace

CHAIN = 'teacher = "plain2"\nstudent = "plain2"'


@pytest.mark.parametrize(
    ("words", "folder", "number"),
    [
        pytest.param(["dump", "--model", "teacher"], "guides", signal.SIGTERM, marks=pytest.mark.slow),
        (["train", "--model", "student", "--fresh"], "runs", signal.SIGINT),
        pytest.param(["run", "--remake"], "runs", signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_waiting_is_said_and_stopped(tmp_path: Path, words: list[str], folder: str, number: int) -> None:
    (tmp_path / "tiny_bars.py").write_text(MODULE)
    ws = workspace(tmp_path / "ws", chain=CHAIN, training__epochs=1)
    run(ws)
    config = ws.folder / "dgkd.toml"
    config.write_text(config.read_text().replace("epochs = 2", "epochs = 4"))
    before = content(ws.folder)
    places = [str(tmp_path), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    handle = os.open(ws.folder / folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with subprocess.Popen(
            [sys.executable, "-m", "dgkd_cli", "-w", str(ws.folder), *words],
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))},
            text=True,
        ) as process:
            assert process.stderr is not None
            said = next((line for line in process.stderr if line.startswith("waiting for ")), "")
            assert str(ws.folder / folder) in said and "another process has locked it" in said
            process.send_signal(number)
            rest = process.stderr.read()
            assert process.wait() == 130, rest
        assert "\nstopped while waiting for" in rest and "Error" not in rest and "Traceback" not in rest
    finally:
        os.close(handle)
    assert content(ws.folder) == before
    assert sorted(os.listdir(ws.folder / folder)) == sorted({path.split("/")[1] for path in before if folder in path})

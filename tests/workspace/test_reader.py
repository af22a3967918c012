"""The setting `cache.reader`: the same runs by either, nothing stale, and a run whose chunks are cut short."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.tiny_chain import MODULE, Lines, content, run, train, workspace

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.workspace.chain import chain_rows
from dgkd_cache.workspace.workspace import Workspace

CUT = """
import os, sys
from pathlib import Path
from dgkd_cli.main import entry
from dgkd_stores import GuideStore
really, calls = GuideStore.gather_rows, 0
def gather_rows(self, index):
    global calls
    calls += 1
    if calls == 2:
        for chunk in (self.path / "logits").glob("c.*"):
            os.truncate(chunk, 0)
    return really(self, index)
GuideStore.gather_rows = gather_rows
entry()
"""


@pytest.mark.parametrize("schedule", ["cycle", "draw"])
def test_a_chain_by_either_reader(tmp_path: Path, schedule: str) -> None:
    found = {}
    for reader in ("mmap", "pread"):
        ws = workspace(tmp_path / reader, views__schedule=schedule, cache__reader=reader)
        run(ws)
        found[reader] = content(ws.folder)
    assert found["mmap"] == found["pread"] and len(found["mmap"]) > 3


def test_another_reader_makes_nothing_stale(done) -> None:
    ws, _ = done
    before = content(ws.folder)
    for reader in ("mmap", "pread"):
        other = ws.with_config(with_overrides(ws.config, {"cache.reader": reader}))
        assert {row.state for row in chain_rows(other, device="cpu")} == {"done"}
        run(other)
    assert content(ws.folder) == before
    records = [json.loads(record.read_text()) for record in ws.folder.glob("runs/*/inputs.json")]
    assert len(records) == 3 and all(len(record) > 10 for record in records)
    assert not any("reader" in key for record in records for key in record)


def test_a_run_says_that_rows_are_copied(done, tmp_path: Path) -> None:
    shutil.copytree(done[0].folder, tmp_path / "ws")
    ws = Workspace.open(tmp_path / "ws")
    guides = [ws.store_path("teacher"), ws.store_path("ta1")]
    for number, reader, told in (
        (0, "mmap", []),
        (1, "pread", ["rows of teacher, ta1 are read by pread and not mapped: reader is set"]),
    ):
        lines = Lines()
        train(
            ws.with_config(with_overrides(ws.config, {"cache.reader": reader})),
            f"student-{number}",
            guides=guides,
            progress=lines,
        )
        assert [line for line in lines.lines if "pread" in line] == told


@pytest.mark.parametrize(
    ("reader", "code"), [pytest.param("pread", 12, marks=pytest.mark.slow), ("mmap", -signal.SIGBUS)]
)
def test_chunks_cut_short_while_a_run_reads_them(tmp_path: Path, reader: str, code: int) -> None:
    ws = workspace(tmp_path / "ws", cache__reader=reader)
    run(ws)
    (ws.folder / "dgkd.toml").write_text(
        (ws.folder / "dgkd.toml").read_text().replace("[cache]", f'[cache]\nreader = "{reader}"')
    )
    command = ["-w", str(ws.folder), "train", "--student", "plain2", "--guides", "teacher", "--name", "cut"]
    (tmp_path / "tiny_bars.py").write_text(MODULE)
    done = subprocess.run(
        [sys.executable, "-c", CUT, *command],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    if reader == "pread":
        assert "samples 0 to 95: damaged: expected a chunk of" in done.stderr and "0 bytes" in done.stderr
        assert "Traceback" not in done.stderr
    else:
        assert "Fatal Python error: Bus error" in done.stderr and "mapped.py" in done.stderr

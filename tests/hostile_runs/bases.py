"""Small workspaces in the states that a run may be left in, made once: what the corpus changes copies of."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from support.tiny_chain import MODULE, run, workspace

from dgkd_cache.workspace.workspace import Workspace

__all__ = ["STATES", "make_bases", "run_files"]

STATES = ("finished", "begun", "undumped")

CHAIN = 'teacher = "plain2"\nstudent = "plain2"'
STOPPED_AFTER = 5
"""Steps of the student, three an epoch: there are a checkpoint, a line of metrics and weights of the best epoch."""


def make_bases(folder: Path) -> None:
    """A folder for each of `STATES`, and beside them the module of their data set."""
    torch.set_num_threads(1)
    (folder / "module").mkdir()
    (folder / "module" / "tiny_bars.py").write_text(MODULE)
    sys.path.insert(0, str(folder / "module"))
    settings = {"dataset__validation": 16, "training__select": "best"}
    ws = workspace(folder / "finished", chain=CHAIN)
    toml = ws.folder / "dgkd.toml"
    text = toml.read_text().replace("[views]", "validation = 16\n[views]")
    toml.write_text(text.replace("[training]\n", '[training]\nselect = "best"\n'))
    assert Workspace.open(ws.folder).config == workspace(folder / "again", chain=CHAIN, **settings).config
    shutil.rmtree(folder / "again")
    run(Workspace.open(ws.folder))

    shutil.copytree(folder / "finished", folder / "begun")
    shutil.rmtree(folder / "begun" / "runs" / "student")
    killed(Workspace.open(folder / "begun"))
    assert (folder / "begun" / "runs" / "student" / "checkpoint.safetensors").is_file()

    shutil.copytree(folder / "finished", folder / "undumped")
    shutil.rmtree(folder / "undumped" / "guides")
    shutil.rmtree(folder / "undumped" / "runs" / "student")


def killed(ws: Workspace) -> None:
    """Begins to run a chain and is killed at it, so that its lock is left."""
    soon = after(STOPPED_AFTER)
    if not (child := os.fork()):
        run(ws, stop=lambda: soon() and os.kill(os.getpid(), signal.SIGKILL))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def run_files(base: Path) -> list[str]:
    """Every file of the runs in a workspace, and its settings, by their paths in it."""
    found = [path for path in sorted(base.glob("runs/**/*")) if path.is_file()]
    return ["dgkd.toml", *(str(path.relative_to(base)) for path in found)]


def after(steps: int) -> Callable[[], bool]:
    """Says stop once it was asked that often."""
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked >= steps

    return stop

"""Weights & Biases: one run of theirs for each of ours, kept in the run's folder `wandb`, online or offline.

When their run has ended, `wandb/dgkd.json` gets its id and the number of its lines: a resumed run goes on in the same
one and passes on each line once. After a kill there is no such file, because wandb loses what it has not written yet
(up to 15 s); then a new run of theirs gets all lines. Project, mode and login are wandb's own: WANDB_PROJECT,
WANDB_MODE, `wandb login`.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from typing import Any

from dgkd_cache.run_files.reading import parse_object, read_file
from dgkd_cache.training.loggers.mirror import Line, LoggedRun, own_folder, scalars
from dgkd_stores.disk import write_durably

__all__ = ["WandbRun"]

_PROJECT = "dgkd-cache"
"""The project where WANDB_PROJECT names none."""


class WandbRun:
    """Logs each line at its step, and the run's settings as the config."""

    def __init__(self, run: LoggedRun) -> None:
        self._logged = run
        self._id, self._lines = uuid.uuid4().hex[:16], 0
        self._run: Any = None

    def begin(self, lines: Sequence[Line]) -> None:
        """Begins or resumes their run, and logs the lines that it lacks."""
        import wandb

        self._path = own_folder(self._logged, "wandb") / "dgkd.json"
        if os.path.lexists(self._path):
            ended = parse_object(read_file(self._path, limit=4096), self._path)
            self._id, self._lines = str(ended["id"]), int(ended["lines"])
            self._path.unlink()
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", _PROJECT),
            name=self._logged.name,
            id=self._id,
            resume="allow",
            dir=self._logged.folder,
            config=dict(self._logged.settings),
            # What the terminal shows and the code that was started are not asked for.
            settings=wandb.Settings(console="off", disable_code=True, disable_git=True),
        )
        for line in lines:
            self.add(line)

    def add(self, line: Line) -> None:
        """Logs a line, unless their run has it: a run that goes on from a checkpoint repeats later epochs."""
        if line["epoch"] >= self._lines:
            self._run.log(scalars(line), step=line["step"])
            self._lines = line["epoch"] + 1

    def close(self, *, failed: bool) -> None:
        """Ends their run, and online waits until it is sent."""
        self._run.finish(exit_code=int(failed))
        write_durably(self._path, json.dumps({"id": self._id, "lines": self._lines}).encode())

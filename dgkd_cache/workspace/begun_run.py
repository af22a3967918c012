"""Reads the settings and the progress of a run that is begun and not finished. Loads no torch."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dgkd_cache.paths import CHECKPOINT_FILE, METRICS_FILE
from dgkd_cache.run_files.checkpoint_file import read_record
from dgkd_cache.run_files.reading import damaged_file, parse_object, read_file
from dgkd_cache.workspace.run_inputs import read_inputs, recorded_value

__all__ = ["BegunRun", "read_begun"]


@dataclass(frozen=True, kw_only=True)
class BegunRun:
    """A run that is not finished: its settings by dotted key, and the step that its checkpoint was written after.

    `step` and `epoch` count from 1; they are 0 without a checkpoint. `steps` and `epochs` are those of the whole run,
    None where they are not known: no file says how many steps an epoch has before the first one has ended.
    """

    settings: Mapping[str, object]
    step: int = 0
    steps: int | None = None
    epoch: int = 0
    epochs: int | None = None
    seconds: float = 0.0


def read_begun(folder: Path) -> BegunRun:
    """Returns what the files of the unfinished run in `folder` say; no tensor is read, and no digest checked.

    Raises Damaged (exit 12) for a file that is none of a run's, UnsafeStore (exit 15) for one that is not regular.
    """
    inputs = read_inputs(folder) or {}
    settings = {key: recorded_value(inputs, key) for key in inputs}
    epochs = settings.get("training.epochs")
    known = epochs if isinstance(epochs, int) and epochs > 0 else None
    if not os.path.lexists(path := folder / CHECKPOINT_FILE):
        return BegunRun(settings=settings, epochs=known)
    record = read_record(path)
    step, seconds = record.get("step"), record.get("seconds")
    if not (isinstance(step, int) and 0 < step < 2**63 and isinstance(seconds, float) and math.isfinite(seconds)):
        raise damaged_file(path, "a step and the seconds up to it", f"{step!r:.40} and {seconds!r:.40}")
    each = _steps_per_epoch(folder / METRICS_FILE)
    return BegunRun(
        settings=settings,
        step=step,
        steps=known * each if known and each else None,
        epoch=math.ceil(step / each) if each else 1,
        epochs=known,
        seconds=seconds,
    )


def _steps_per_epoch(path: Path) -> int | None:
    """Returns the step after which the first epoch ended; None if it has not."""
    first, newline, _ = (read_file(path) if os.path.lexists(path) else b"").partition(b"\n")
    step = parse_object(first, path).get("step") if newline else None
    return step if isinstance(step, int) and 0 < step < 2**63 else None

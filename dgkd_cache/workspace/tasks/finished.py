"""Checks an existing run in a folder, finished or begun, before it is used."""

from __future__ import annotations

import os
from pathlib import Path

from dgkd_cache.errors import Mismatch
from dgkd_cache.paths import CARD_FILE, INPUTS_FILE, leftovers
from dgkd_cache.run_files.model_card import ModelCard, load_card
from dgkd_cache.workspace import run_inputs as record
from dgkd_cache.workspace.run_check import require_sound

__all__ = ["finished_run", "remove_leftovers", "require_same_inputs"]


def finished_run(folder: Path, name: str, inputs: dict[str, str]) -> ModelCard | None:
    """Returns the finished run in `folder`, fully checked; None if there is none, or one begun with the same inputs."""
    require_sound(folder)
    before, finished = record.read_inputs(folder), os.path.lexists(folder / CARD_FILE)
    if before is None:
        if finished:
            raise Mismatch(
                f"{folder} holds a model of unknown inputs",
                expected=f"a file {INPUTS_FILE} beside its card",
                found="none",
                do="choose another --name, or start over with --fresh",
            )
        return None
    require_same_inputs(folder, name, before, inputs)
    if not finished:
        return None
    # A kill between writing the card and their removal leaves them.
    remove_leftovers(folder)
    return load_card(folder)


def require_same_inputs(folder: Path, name: str, before: dict[str, str], inputs: dict[str, str]) -> None:
    """Raises Mismatch, which names the settings that differ, unless the run called `name` was made with `inputs`."""
    if differing := record.changes(before, inputs):
        raise Mismatch(
            f"the run {name} in {folder} has other inputs",
            expected="the same settings, data, guides and precision",
            found=record.describe_changes(differing),
            do="choose another --name, or start over with --fresh (the old run is set aside, not deleted)",
        )


def remove_leftovers(folder: Path) -> None:
    """Removes files that only an unfinished run needs; the caller must hold the run's lock."""
    for leftover in leftovers(folder):
        leftover.unlink()

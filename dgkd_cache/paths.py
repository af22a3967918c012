"""Names and places of files: the folder of data sets, and what lies in the folder of a run. Loads no torch."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = [
    "CARD_FILE",
    "CHECKPOINT_FILE",
    "DUMP_SECONDS_FILE",
    "INPUTS_FILE",
    "METRICS_FILE",
    "RUN_FILES",
    "WEIGHTS_FILE",
    "best_file",
    "data_root",
    "is_there",
    "leftovers",
]

CARD_FILE = "card.json"
"""The last file of a run: a folder with a card holds a finished model."""

INPUTS_FILE = "inputs.json"
"""The first file of a run: the record of all that it depends on."""

METRICS_FILE = "metrics.jsonl"
"""A line an epoch."""

WEIGHTS_FILE = "weights.safetensors"
"""The finished model."""

CHECKPOINT_FILE = "checkpoint.safetensors"
"""The state from which a run that is not finished goes on."""

DUMP_SECONDS_FILE = "dump_seconds.txt"
"""The seconds that its dumps took."""

RUN_FILES = (
    CARD_FILE,
    DUMP_SECONDS_FILE,
    INPUTS_FILE,
    METRICS_FILE,
    WEIGHTS_FILE,
    CHECKPOINT_FILE,
    "best-*.safetensors",
)
"""Patterns of all names that this program writes in a run's folder; what else lies there is somebody's."""

_UNFINISHED = re.compile(r"(checkpoint|best-\d+)\.safetensors((\.[0-9a-f]{32})?\.partial)?")


def data_root(given: Path | None) -> Path:
    """The folder of downloaded data sets: the one that was `given`, else the default one of this user."""
    return Path("~/.cache/dgkd-cache").expanduser() if given is None else given


def best_file(epoch: int) -> str:
    """A file for each epoch: a kill between it and the checkpoint that names it must not mix two epochs' weights."""
    return f"best-{epoch}.safetensors"


def leftovers(folder: Path) -> list[Path]:
    """The checkpoint and the weights of best epochs in `folder`: what only a run that is not finished needs."""
    return [
        path
        for path in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if _UNFINISHED.fullmatch(path.name) and (path.is_symlink() or path.is_file())
    ]


def is_there(path: Path) -> bool:
    """True where anything has that name, be it a link to nothing."""
    return os.path.lexists(path)

"""Names and paths of files: the folder of data sets, and the files of a run's folder. Loads no torch."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = [
    "CARD_FILE",
    "CHECKPOINT_FILE",
    "DATA_FORMS",
    "DUMP_SECONDS_FILE",
    "INPUTS_FILE",
    "METRICS_FILE",
    "RUN_FILES",
    "WEIGHTS_FILE",
    "best_file",
    "cache_folder",
    "data_folder",
    "data_root",
    "dump_seconds_file",
    "folders_in",
    "leftovers",
]

CARD_FILE = "card.json"
"""The last file of a run: a folder with a card holds a finished model."""

INPUTS_FILE = "inputs.json"
"""The first file of a run: the record of all that it depends on."""

METRICS_FILE = "metrics.jsonl"
"""One line for each epoch."""

WEIGHTS_FILE = "weights.safetensors"
"""The finished model."""

CHECKPOINT_FILE = "checkpoint.safetensors"
"""The state from which an unfinished run continues."""

DUMP_SECONDS_FILE = "dump_seconds.txt"
"""The time of its dumps in seconds."""

RUN_FILES = (
    CARD_FILE,
    DUMP_SECONDS_FILE,
    "dump_seconds-d*.txt",
    INPUTS_FILE,
    METRICS_FILE,
    WEIGHTS_FILE,
    CHECKPOINT_FILE,
    "best-*.safetensors",
)
"""Patterns of all names that this program writes in a run's folder; other files there are the user's."""

_UNFINISHED = re.compile(r"(checkpoint|best-\d+)\.safetensors((\.[0-9a-f]{32})?\.partial)?")


DATA_FORMS = {"folder": "PATH", "imagenet": "ROOT", "tiny-imagenet": "ROOT"}
"""The kinds of data set that are named with their folder, as `folder:PATH`, and what their path is called."""


def data_folder(name: str) -> tuple[str, str] | None:
    """Returns the kind and the path of a data set that is named with its folder, None for any other name."""
    kind, colon, path = name.partition(":")
    return (kind, path) if colon and kind in DATA_FORMS else None


def data_root(given: Path | None) -> Path:
    """Returns the folder of downloaded data sets: `given`, or the default one of this user."""
    return Path("~/.cache/dgkd-cache").expanduser() if given is None else given


def cache_folder() -> Path:
    """Returns the folder of what can be made again: DGKD_CACHE_DIR, or the default one of this user."""
    given = os.environ.get("DGKD_CACHE_DIR")
    return Path(given).absolute() if given else data_root(None) / "cache"


def folders_in(parent: Path) -> list[Path]:
    """Returns the folders in a folder, in the order of their names; none where that is not there."""
    return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []


def dump_seconds_file(draw: int | None = None) -> str:
    """Returns the file name of the time of a run's dumps, or of the dump of one draw of it."""
    return DUMP_SECONDS_FILE if draw is None else f"dump_seconds-d{draw}.txt"


def best_file(epoch: int) -> str:
    """Returns the file name of an epoch's best weights; a kill before the checkpoint must not mix two epochs."""
    return f"best-{epoch}.safetensors"


def leftovers(folder: Path) -> list[Path]:
    """Returns the files in `folder` that only an unfinished run needs: checkpoint and weights of best epochs."""
    return [
        path
        for path in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if _UNFINISHED.fullmatch(path.name) and (path.is_symlink() or path.is_file())
    ]

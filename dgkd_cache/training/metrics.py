"""Metrics as JSON lines: one line an epoch, appended whole; a resumed run first cuts off what it will write again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dgkd_stores.disk.files import full_disk, write_durably

__all__ = ["MetricsLog", "read_metrics"]


class MetricsLog:
    """The metrics file of one run."""

    def __init__(self, path: Path, *, resume_epoch: int) -> None:
        """Keeps the lines of epochs before `resume_epoch` and drops the others. Raises NoSpace, and loses nothing."""
        self._path = path
        if not path.exists():
            return
        kept = [line for line in read_metrics(path) if line["epoch"] < resume_epoch]
        text = "".join(map(_line, kept)).encode()
        if text != path.read_bytes():
            with full_disk(path):
                write_durably(path, text, temporary=path.with_name(path.name + ".partial"))

    def append(self, values: Mapping[str, Any]) -> None:
        """One more line. Raises NoSpace."""
        with full_disk(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(_line(values))


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a metrics file; a last line cut off by a crash is left out."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines]


def _line(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), allow_nan=False) + "\n"

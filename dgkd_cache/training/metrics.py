"""Metrics as JSON lines: one line an epoch, appended whole; a resumed run first cuts off what it will write again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["MetricsLog", "read_metrics"]


class MetricsLog:
    """The metrics file of one run."""

    def __init__(self, path: Path, *, resume_epoch: int) -> None:
        """Keeps the lines of epochs before `resume_epoch` and drops the others."""
        self._path = path
        kept = [line for line in read_metrics(path) if line["epoch"] < resume_epoch] if path.exists() else []
        path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")

    def append(self, values: Mapping[str, Any]) -> None:
        """One more line."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(values)) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a metrics file; a last line cut off by a crash is left out."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines]

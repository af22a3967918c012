"""Metrics as JSON lines, one for each epoch; each write replaces the whole file and never modifies the old one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dgkd_cache.errors import Damaged
from dgkd_cache.paths import METRICS_FILE
from dgkd_cache.run_files.reading import LIMITS, START_OVER, parse_object, read_file
from dgkd_cache.training.loggers.mirror import Mirror
from dgkd_stores.disk import Partial, full_disk, partial_of, write_durably

__all__ = ["MetricsLog", "read_metrics"]


class MetricsLog:
    """The metrics file of one run."""

    def __init__(
        self,
        path: Path,
        *,
        resume_epoch: int,
        digest: str | None = None,
        partial: Partial = partial_of,
        mirror: Mirror | None = None,
    ) -> None:
        """Keeps the lines of epochs before `resume_epoch` and drops the others, which a resumed run writes again.

        `mirror` gets the kept lines, and each new one once it is written. Raises Damaged if the kept lines do not match
        `digest`, UnsafeStore if it is not a regular file, and NoSpace; then the file is unchanged.
        """
        self._path, self._partial = path, partial
        there = _read(path) if os.path.lexists(path) else b""
        lines = there.split(b"\n")[:-1][:resume_epoch]
        self._text = b"".join(line + b"\n" for line in lines)
        if digest is not None and digest != self.digest:
            raise Damaged(
                f"{path} is not what was written up to the checkpoint beside it",
                expected=f"lines of {resume_epoch} epochs, of SHA-256 {digest[:16]}",
                found=f"{len(lines)}, of {self.digest[:16]}",
                do=START_OVER,
            )
        if self._text != there:
            self._write(self._text)
        self._mirror = mirror or Mirror()
        self._mirror.begin(_parse(self._text, path))

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all lines so far."""
        return hashlib.sha256(self._text).hexdigest()

    def append(self, values: Mapping[str, Any]) -> None:
        """Adds a line. Raises NoSpace; then the file is unchanged."""
        text = self._text + (json.dumps(dict(values), allow_nan=False) + "\n").encode()
        self._write(text)
        self._text = text
        self._mirror.add(values)

    def _write(self, text: bytes) -> None:
        with full_disk(self._path):
            write_durably(self._path, text, temporary=self._partial(self._path))


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Reads the lines of a metrics file; ignores an incomplete last line, which an older version may have left.

    Raises Damaged, UnsafeStore and FileNotFoundError.
    """
    return _parse(_read(path), path)


def _parse(text: bytes, path: Path) -> list[dict[str, Any]]:
    return [parse_object(line, path) for line in text.split(b"\n")[:-1]]


def _read(path: Path) -> bytes:
    return read_file(path, limit=LIMITS[METRICS_FILE])

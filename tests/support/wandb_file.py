"""Reads what wandb has written offline: a `.wandb` file is a log of LevelDB's form with records of protobuf."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["WandbFile", "wandb_files"]

_BLOCK = 32768
_FIRST_BYTES = b":W&B"
_FULL, _LAST = 1, 4


def wandb_files(folder: Path) -> list[WandbFile]:
    """The files of all sessions in a folder, in order."""
    paths = sorted(folder.glob("wandb/offline-run-*/*.wandb"), key=lambda path: path.stat().st_mtime_ns)
    return [WandbFile(path) for path in paths]


class WandbFile:
    """One session of a run: `run` is its record, `history` its rows by step."""

    def __init__(self, path: Path) -> None:
        records = _finished(path)
        self.run = next(one.run for one in records if one.HasField("run"))
        self.config = {item.key: json.loads(item.value_json) for item in self.run.config.update}
        self.exit_code = next(one.exit.exit_code for one in records if one.HasField("exit"))
        self.history: list[dict[str, Any]] = [
            {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in one.history.item}
            for one in records
            if one.HasField("history")
        ]


def _finished(path: Path) -> list[Any]:
    """The records of a session that has ended; the process of wandb's writes the last ones a moment later."""
    from wandb.proto.wandb_internal_pb2 import Record

    deadline = time.monotonic() + 60
    while True:
        records = [Record.FromString(data) for data in _records(path.read_bytes())]
        if any(one.HasField("exit") for one in records):
            return records
        assert time.monotonic() < deadline, f"{path} has no end"
        time.sleep(0.01)


def _records(data: bytes) -> Iterator[bytes]:
    assert data.startswith(_FIRST_BYTES)
    at, whole = 7, b""
    while at + 7 <= len(data):
        left = _BLOCK - at % _BLOCK
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        if kind == 0:
            return
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (_FULL, _LAST):
            yield whole
            whole = b""

"""TensorBoard: one event file in the run's folder `tensorboard`, with a scalar for each number of a line.

A resumed run begins the file anew with the lines of metrics.jsonl. So it is their copy at any time, nothing is twice or
lost, wherever the run was killed. Records are written with TensorBoard's own writer but without its thread: an error
comes out of the call that met it.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from typing import Any

from dgkd_cache.training.loggers.mirror import Line, LoggedRun, own_folder, scalars

__all__ = ["TensorBoardEvents"]

_SUFFIX = ".dgkd"
"""The end of the names of files that this logger writes; event files of others are not touched."""


class TensorBoardEvents:
    """Writes scalars, whose times are those of the training."""

    def __init__(self, run: LoggedRun) -> None:
        self._run = run
        self._writer: Any = None
        self._started = 0.0

    def begin(self, lines: Sequence[Line]) -> None:
        """Begins the file anew with these lines."""
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder, now = own_folder(self._run, "tensorboard"), time.time()
        self._started = now - (lines[-1]["seconds"] if lines else 0.0)
        for old in folder.glob(f"events.out.tfevents.*{_SUFFIX}"):
            old.unlink()
        name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}.{os.getpid()}{_SUFFIX}"
        self._writer = RecordWriter(open(folder / name, "xb"))
        self._write(wall_time=now, file_version="brain.Event:2")
        # A TensorBoard that is running drops what it read from the file before.
        self._write(wall_time=now, step=0, session_log=SessionLog(status=SessionLog.START))
        for line in lines:
            self.add(line)

    def add(self, line: Line) -> None:
        """Writes a line, which readers then see."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars(line).items()]
        self._write(wall_time=self._started + line["seconds"], step=line["step"], summary=Summary(value=values))

    def close(self, *, failed: bool) -> None:
        """Closes the file."""
        self._writer.close()

    def _write(self, **event: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._writer.write(Event(**event).SerializeToString())
        self._writer.flush()

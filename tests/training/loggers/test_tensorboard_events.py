"""Event files, read back with TensorBoard's own reader: the lines, each once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgkd_cache.training.loggers import LoggedRun
from dgkd_cache.training.loggers.tensorboard_events import TensorBoardEvents


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The scalars of a folder by their tag, each with its step."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), purge_orphaned_data=False)
    events.Reload()
    return {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def expected(lines: list[dict[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    tags = [name for name in lines[0] if name != "step"]
    return {tag: [(line["step"], float(np.float32(line[tag]))) for line in lines] for tag in tags}


def log(run: LoggedRun, before: list[dict[str, Any]], more: list[dict[str, Any]]) -> None:
    logger = TensorBoardEvents(run)
    logger.begin(before)
    for line in more:
        logger.add(line)
    logger.close(failed=False)


def test_a_line_can_be_read_as_soon_as_it_is_added(run: LoggedRun, lines: Any) -> None:
    logger = TensorBoardEvents(run)
    logger.begin([])
    for count in (1, 2, 3):
        logger.add(lines(count)[-1])
        assert read(run.folder / "tensorboard") == expected(lines(count))
    logger.close(failed=False)


@pytest.mark.parametrize("kept", [0, 2, 4, 5])
def test_a_resumed_run_has_each_line_once(run: LoggedRun, lines: Any, kept: int) -> None:
    """It was stopped after four lines, of which it repeats some, or had one more that was not passed on."""
    log(run, [], lines(4))
    log(run, lines(kept), lines(6)[kept:])
    assert read(run.folder / "tensorboard") == expected(lines(6))
    assert len(os.listdir(run.folder / "tensorboard")) == 1


def test_a_killed_process_leaves_half_a_record_at_most(run: LoggedRun, lines: Any) -> None:
    log(run, [], lines(3))
    (file,) = (run.folder / "tensorboard").iterdir()
    file.write_bytes(file.read_bytes()[:-7])
    log(run, lines(3), lines(4)[3:])
    assert read(run.folder / "tensorboard") == expected(lines(4))


def test_times_are_those_of_the_training(run: LoggedRun, lines: Any) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log(run, lines(3), lines(5)[3:])
    events = EventAccumulator(str(run.folder / "tensorboard"))
    events.Reload()
    times = [one.wall_time for one in events.Scalars("loss")]
    assert np.diff(times) == pytest.approx(np.diff([line["seconds"] for line in lines(5)]), abs=1e-5)


def test_files_of_others_are_left(run: LoggedRun, lines: Any) -> None:
    folder = run.folder / "tensorboard"
    folder.mkdir()
    for name in ("events.out.tfevents.1.host.2.0", "notes.txt"):
        (folder / name).write_text("")
    log(run, [], lines(1))
    log(run, [], lines(1))
    assert len(os.listdir(folder)) == 3


def test_a_full_disk_comes_out_of_the_call(run: LoggedRun, lines: Any) -> None:
    logger = TensorBoardEvents(run)
    logger.begin([])
    (file,) = (run.folder / "tensorboard").iterdir()
    with pytest.raises(OSError, match="No space left"):
        with open("/dev/full", "wb", buffering=0) as full:
            os.dup2(full.fileno(), logger._writer._writer.fileno())
        logger.add(lines(1)[0])
    with pytest.raises(OSError, match="No space left"):
        logger.close(failed=True)
    assert file.exists()

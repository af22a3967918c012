"""The command `compare`, run by two workers in forks of a process that has torch loaded, and killed at any moment."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dgkd_cli.main import main

__all__ = ["kill_both", "killed_at", "run_alone", "what_is_there"]

Words = Sequence[str]


def _fork(folder: Path, words: Words, group: int, before: Callable[[], None] = lambda: None) -> int:
    """Starts `dgkd-cache compare` in a process of a group (0: its own), as each helper of `--jobs` runs it."""
    pid = os.fork()
    if pid:
        os.setpgid(pid, group)
        return pid
    status = 1
    try:
        os.setpgid(0, group)
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        before()
        main.main(["-w", str(folder), "compare", *words, "--device", "cpu", "--quiet"], standalone_mode=False)
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException as error:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, repr(error).encode())
    finally:
        os._exit(status)


def _end(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run_alone(folder: Path, words: Words, workers: int = 1) -> float:
    """Runs the command to its end, by that many workers at once; the seconds that it took."""
    begun = time.perf_counter()
    pids = [_fork(folder, words, 0) for _ in range(workers)]
    assert [_end(pid) for pid in pids] == [0] * workers
    return time.perf_counter() - begun


def kill_both(folder: Path, words: Words, moment: float) -> bool:
    """Starts two workers and kills them with one signal after `moment` seconds; False if both had ended before."""
    first = _fork(folder, words, 0)
    both = [first, _fork(folder, words, first)]
    time.sleep(moment)
    os.killpg(first, signal.SIGKILL)
    codes = [_end(pid) for pid in both]
    assert set(codes) <= {0, -signal.SIGKILL}, codes
    return codes != [0, 0]


def killed_at(folder: Path, words: Words, target: str, *, after: bool) -> None:
    """Runs one worker that is killed right before, or after, the first file of that pattern gets its name."""

    def aim() -> None:
        really = os.replace

        def replace(source: Any, path: Any, **settings: Any) -> None:
            hit = Path(path).match(target)
            if not hit or after:
                really(source, path, **settings)
            if hit:
                os.kill(os.getpid(), signal.SIGKILL)

        os.replace = replace

    assert _end(_fork(folder, words, 0, aim)) == -signal.SIGKILL, target


def what_is_there(folder: Path) -> Counter[str]:
    """Returns what a kill has left, each kind once: locks and unfinished work, by the part of the work that was hit."""
    place, seen = folder / "compare", Counter[str]()
    runs = [path for path in place.glob("runs/*") if path.suffix != ".writing"]
    seen["a training: checkpoint"] = any((run / "checkpoint.safetensors").exists() for run in runs)
    seen["a training: lock"] = any(place.glob("runs/*.writing"))
    seen["a dump: lock"] = any(place.glob("guides/*.writing"))
    records = {path.stem for path in place.glob("records/*.json")}
    seen["a run without its record"] = any((run / "card.json").exists() and run.name not in records for run in runs)
    seen["an unfinished file"] = any(place.rglob("*.partial"))
    seen["no results"] = not (place / "results.json").exists()
    return +seen

"""Start-up of the command line: what a user waits for, from a fresh process to its end, of verbs that compute nothing.

The workspace has a chain of three models, trained for one epoch each on the embedded digits before anything is timed.
The bars are those of wall time; an import of torch is beside them, to which each of these verbs once came.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import Span, Timed, arguments, at_most, finish, rounds, scratch
from benchmarks.result import Row, Side

VERBS = ("--help", "ls", "info teacher", "models")
CHAIN = ("init", "--dataset", "digits", "--chain", "plain6,plain4,plain2", "--epochs", "1", "--views", "1")


def main(given: Sequence[str] | None = None) -> None:
    options = arguments(__doc__, {"rounds": 10}, {"rounds": 1}, given)
    program = [sys.executable, "-m", "dgkd_cli"]
    with scratch(options) as folder:
        for words in ((*CHAIN, str(folder / "demo")), ("-q", "-w", str(folder / "demo"), "run")):
            subprocess.run([*program, *words], check=True, stdout=subprocess.DEVNULL)
        sides: dict[str, Timed] = {verb: _process([*program, *verb.split()], folder / "demo") for verb in VERBS}
        sides["import torch"] = _process([sys.executable, "-c", "import torch"], folder)
        times = rounds(sides, options.rounds)
    rows = [
        Row(
            what=name if name == "import torch" else f"dgkd-cache {name}",
            unit="s",
            samples=tuple(map(float, taken)),
            processor=tuple(one.processor for one in taken if isinstance(one, Span)),
            sides=(Side(name="a fresh process", median=statistics.median(taken)),),
            higher_is_better=False,
            bar=None if name == "import torch" else at_most(1.0),
        )
        for name, taken in times.items()
    ]
    finish("startup", "Start-up", rows, options)


def _process(command: Sequence[str], folder: Path) -> Timed:
    """The seconds from the start of a process to its end; its files are in the system's memory after the warm-up."""

    def side(_: int) -> float:
        before, started = _processor(), time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "COLUMNS": "80"})
        return Span(time.perf_counter() - started, _processor() - before)

    return side


def _processor() -> float:
    """The processor seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()

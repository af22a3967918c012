"""One fresh process of `busy.py`: it is told how much to do, does it, and answers with the seconds, line by line.

python benchmarks/busy_child.py WORK PRECISION CHANNELS_LAST OWN_CORES

It is a script, so that torch is loaded before `benchmarks/__init__.py` says how threads wait.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch

from benchmarks.dump import Job
from benchmarks.harness import Stopwatch
from benchmarks.synthetic import cifar_like, views_of
from benchmarks.training import loop, run_steps
from dgkd_cache.device.autotune import Combination
from dgkd_cache.device.cores import own_cores
from dgkd_cache.device.threads import threads_for

BATCH = 128


def main(given: list[str]) -> None:
    work, precision, last, own = given
    device = torch.device("cpu")
    run = _work(work, Combination(precision=precision, channels_last=bool(int(last))))
    with ExitStack() as placed:
        if int(own) and work != "dump":  # as training does
            size = int(work.split("@")[1])
            placed.enter_context(threads_for(BATCH * size * size, device, os.environ))
            placed.enter_context(own_cores(device))
        run(1 if work == "dump" else 3)
        print("ready", flush=True)
        for line in sys.stdin:
            stopwatch = Stopwatch()
            run(int(line))
            span = stopwatch.span(int(line))
            print(json.dumps({"wall": span, "processor": span.processor}), flush=True)


def _work(work: str, combination: Combination) -> Callable[[int], None]:
    device = torch.device("cpu")
    if work == "dump":
        job = Job(1024, 64, 10, "resnet20", device=device, combination=combination)

        def dumps(units: int) -> None:
            for _ in range(units):
                with tempfile.TemporaryDirectory() as folder:
                    job.writer(Path(folder) / "guide.zarr").run()

        return dumps
    student, size = work.split("@")
    views = views_of(cifar_like(8192, 10, size=int(size)))
    trained = loop(views, None, device=device, student=student, combination=combination)
    first = 0

    def steps(units: int) -> None:
        nonlocal first
        run_steps(trained, first, units)
        first += units

    return steps


if __name__ == "__main__":
    main(sys.argv[1:])

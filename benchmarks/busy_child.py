"""One fresh process of `busy.py`: it is told how much to do, does it, and answers with the seconds, line by line.

python -m benchmarks.busy_child WORK PRECISION CHANNELS_LAST
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.dump import Job
from benchmarks.synthetic import cifar_like, views_of
from benchmarks.training import loop, run_steps
from dgkd_cache.autotune import Combination


def main(given: list[str]) -> None:
    work, precision, last = given
    run = _work(work, Combination(precision=precision, channels_last=bool(int(last))))
    run(3)
    print("ready", flush=True)
    for line in sys.stdin:
        units = int(line)
        wall, processor = time.perf_counter(), time.process_time()
        run(units)
        found = {"wall": (time.perf_counter() - wall) / units, "processor": (time.process_time() - processor) / units}
        print(json.dumps(found), flush=True)


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

"""One process of a dump that several share: gets ready, says so, waits for a line, and dumps its views.

python -m benchmarks.dump_share STORE I/N CORE SAMPLES TEST_SAMPLES CLASSES MODEL PRECISION CHANNELS_LAST
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from benchmarks.dump import VIEWS, Job
from dgkd_cache.device.autotune import Combination


def main() -> None:
    path, share, core, samples, test_samples, classes, architecture, precision, last = sys.argv[1:]
    os.sched_setaffinity(0, {int(core)})
    part, parts = map(int, share.split("/"))
    job = Job(
        int(samples),
        int(test_samples),
        int(classes),
        architecture,
        device=torch.device("cpu"),
        combination=Combination(precision=precision, channels_last=bool(int(last))),
    )
    writer, mine = job.writer(Path(path)), range(VIEWS * part // parts, VIEWS * (part + 1) // parts)
    print("ready", flush=True)
    sys.stdin.readline()
    writer.run(mine=mine)
    print("done", flush=True)


if __name__ == "__main__":
    main()

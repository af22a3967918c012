"""The C library as it comes, and as the command line sets it: it keeps freed memory for the next step.

Each side is a fresh process; the processes take turns, a few steps at a time, while the other one sleeps.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch

from benchmarks.fresh_process import FreshProcess, fresh_process
from benchmarks.harness import arguments, at_most, finish, ratio, rounds
from benchmarks.result import Row
from dgkd_cache.device.allocator import VARIABLES
from dgkd_cache.device.device import choose

WORKS = {
    "plain2@32": "a step of plain2 on 32x32",
    "resnet8@32": "a step of resnet8 on 32x32",
    "resnet26@32": "a step of resnet26 on 32x32",
    "resnet26@8": "a step of resnet26 on 8x8",
    "dump": "a dump of resnet20",
}
KEPT, UNSET = "memory kept", "unset"


def main(given: Sequence[str] | None = None) -> None:
    options = arguments(__doc__, {"rounds": 12, "steps": 12}, {"rounds": 1, "steps": 1}, given)
    notes = ["Unset: glibc as it comes. Sides are medians of one step, or of one dump."]
    finish("allocator", "Freed memory", [_row(work, options) for work in WORKS], options, notes)


def _row(work: str, options: Any) -> Row:
    bare = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    as_it_comes = {"GLIBC_TUNABLES": ""}  # changes nothing; without a variable of the user the child would set its own
    environments: Mapping[str, Mapping[str, str]] = {KEPT: {**bare, **VARIABLES}, UNSET: {**bare, **as_it_comes}}
    chosen = choose(torch.device("cpu"))
    with ExitStack() as ended:
        children = {
            name: ended.enter_context(fresh_process(work, chosen, environment=environment, own_cores=True))
            for name, environment in environments.items()
        }
        units = 1 if work == "dump" else options.steps
        times = rounds({name: partial(_span, child.begin(), units) for name, child in children.items()}, options.rounds)
    return ratio(f"{WORKS[work]}: {KEPT} / {UNSET}", times, over=KEPT, under=UNSET, floor=1.0, bar=at_most(1.03))


def _span(child: FreshProcess, units: int, _round: int) -> Any:
    return child.span(units)


if __name__ == "__main__":
    main()

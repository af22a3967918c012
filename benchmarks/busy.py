"""Training, dumping and the demo while another process keeps cores busy, and what the waits of idle threads cost.

Each side is a fresh process with OpenMP's waits set before torch is loaded; the processes take turns, a few steps at a
time, while the others sleep. A busy core is a Python process that loops and is pinned to no core.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.fresh_process import FreshProcess, fresh_process
from benchmarks.harness import Span, Times, arguments, at_most, finish, ratio, rounds, scratch
from benchmarks.result import Row, Side
from benchmarks.spread import median_interval
from dgkd_cache.device.device import choose
from dgkd_cache.device.openmp import SPIN_COUNT

SHIPPED = f"{SPIN_COUNT} spins, own cores"
UNSET = "unset"
WAITS: Mapping[str, tuple[Mapping[str, str], bool]] = {
    UNSET: ({}, False),
    **{f"{count} spins": ({"GOMP_SPINCOUNT": count}, False) for count in ("100000", SPIN_COUNT, "3000")},
    "passive": ({"OMP_WAIT_POLICY": "passive"}, False),
    "unset, own cores": ({}, True),
    **{f"{count} spins, own cores": ({"GOMP_SPINCOUNT": count}, True) for count in (SPIN_COUNT, "3000")},
    "passive, own cores": ({"OMP_WAIT_POLICY": "passive"}, True),
}
"""Ways of waiting: the environment that says so, and whether each thread has a core of its own."""
WORKS = {"resnet8@32": "resnet8 on 32x32", "resnet26@8": "the demo's teacher on 8x8", "dump": "a dump"}
SURE = 0.02
"""The interval of the pairs may go up and down by this share."""


def main(given: Sequence[str] | None = None) -> None:
    defaults = {"rounds": 6, "steps": 6, "pairs": 40, "most_pairs": 80, "pair_steps": 100, "all_waits": 1}
    of_demo: dict[str, int | str] = {"demos": 3, "epochs": 12, "chain": "resnet26,resnet20,resnet14,resnet8"}
    quick = {"rounds": 1, "steps": 1, "pairs": 1, "most_pairs": 1, "pair_steps": 10, "all_waits": 0}
    quick_demo: dict[str, int | str] = {"demos": 1, "epochs": 1, "chain": "plain4,plain2"}
    options = arguments(__doc__, {**defaults, **of_demo}, {**quick, **quick_demo}, given)
    rows = [_pairs(options)]
    for work, what in WORKS.items():
        rows += _beside_others(work, what, options)
    with scratch(options) as folder:
        rows.append(_demo(folder, options))
    notes = [
        f"Shipped: GOMP_SPINCOUNT={SPIN_COUNT}, and a core for each thread while a model trains. Unset: as torch "
        "comes. Sides are medians of one unit of work.",
        "With cores of their own, threads are as many as training takes: one for the demo's teacher.",
    ]
    finish("busy", "Beside other processes", rows, options, notes)


def _pairs(options: Any) -> Row:
    """Idle: each pair is two fresh processes that take turns, ten steps at a time, until both have `pair_steps`."""
    ratios: list[float] = []
    processor: list[float] = []
    sides: Times = {SHIPPED: [], UNSET: []}
    while len(ratios) < options.most_pairs:
        with ExitStack() as ended:
            pair = {name: _child(ended, "resnet8@32", name) for name in sides}
            for child in pair.values():
                child.begin()
            turns: dict[str, list[Span]] = {name: [] for name in sides}
            for turn in range(max(1, options.pair_steps // 10)):
                for name in sorted(pair, reverse=(turn + len(ratios)) % 2 == 0):
                    turns[name].append(pair[name].span(10))
        for name, spans in turns.items():
            sides[name].append(statistics.fmean(spans))
        ratios.append(sides[SHIPPED][-1] / sides[UNSET][-1])
        processor.append(sum(s.processor for s in turns[SHIPPED]) / sum(s.processor for s in turns[UNSET]))
        interval = median_interval(ratios)
        sure = interval.coverage >= 0.95 and interval.high - interval.low <= 2 * SURE * statistics.median(ratios)
        if len(ratios) >= options.pairs and sure:
            break
    return Row(
        what="idle, resnet8 on 32x32, pairs of fresh processes: a step as shipped / unset",
        unit="x",
        samples=tuple(ratios),
        processor=tuple(processor),
        sides=tuple(Side(name=name, median=statistics.median(seconds)) for name, seconds in sides.items()),
        floor=1.0,
        floor_is="nothing lost",
        higher_is_better=False,
        bar=at_most(1.03),
    )


def _beside_others(work: str, what: str, options: Any) -> list[Row]:
    """Idle, one core busy and all cores busy, in every round; each way of waiting is a side of each row."""
    units = 1 if work == "dump" else options.steps
    times: dict[str, Times] = {}
    with ExitStack() as ended:
        # A dump's threads do not wait for one another.
        names = list(WAITS) if options.all_waits and work != "dump" else [SHIPPED, UNSET]
        children = {name: _child(ended, work, name) for name in names}
        for child in children.values():
            child.begin()
        for cores in (0, 1, os.cpu_count() or 1):
            with _busy(cores):
                sides = {name: lambda i, child=child: child.span(units) for name, child in children.items()}
                times[_loaded(cores)] = rounds(sides, options.rounds)
    rows = []
    for load, seconds in times.items():
        busy = load != "idle"
        row = ratio(
            f"{what}, {load}: as shipped / {'idle' if busy else 'unset'}",
            {"shipped": seconds[SHIPPED], "other": times["idle"][SHIPPED] if busy else seconds[UNSET]},
            over="shipped",
            under="other",
            floor=None,
            bar=at_most(2.5) if load == _loaded(1) else None,
        )
        sides_shown = tuple(Side(name=name, median=statistics.median(each)) for name, each in seconds.items())
        rows.append(
            Row(what=row.what, unit="x", samples=row.samples, processor=row.processor, sides=sides_shown, bar=row.bar)
        )
    return rows


def _demo(folder: Path, options: Any) -> Row:
    """The demo's two commands with one core busy, beside the same on an idle machine."""

    def demo(load: int) -> float:
        place = folder / "demo"
        words = [
            "init",
            str(place),
            "--dataset",
            "digits",
            "--chain",
            options.chain,
            "--epochs",
            str(options.epochs),
            "--views",
            "6",
        ]
        with _busy(load):
            started = time.perf_counter()
            for command in (words, ["-w", str(place), "run"]):
                done = subprocess.run(
                    [sys.executable, "-m", "dgkd_cli", "--quiet", *command], env=_bare(), capture_output=True, text=True
                )
                assert done.returncode == 0, done.stderr
            taken = time.perf_counter() - started
        shutil.rmtree(place)
        return taken

    times = rounds({"one core busy": lambda i: demo(1), "idle": lambda i: demo(0)}, options.demos)
    return ratio(
        "the demo, one core busy / idle", times, over="one core busy", under="idle", floor=None, bar=at_most(2.5)
    )


def _child(ended: ExitStack, work: str, waits: str) -> FreshProcess:
    chosen = choose(torch.device("cpu"))
    said, own = WAITS[waits]
    return ended.enter_context(fresh_process(work, chosen, environment={**_bare(), **said}, own_cores=own))


def _bare() -> dict[str, str]:
    """The environment without any word on threads."""
    said = ("OMP_", "GOMP_", "KMP_")
    return {name: value for name, value in os.environ.items() if not name.startswith(said)}


@contextmanager
def _busy(cores: int) -> Iterator[None]:
    """So many processes that do nothing but compute."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _loaded(cores: int) -> str:
    return {0: "idle", 1: "one core busy"}.get(cores, "all cores busy")


if __name__ == "__main__":
    main()

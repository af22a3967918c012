"""Memory of training from a store of 4 GB, and what the first touch of its blocks costs.

Each run is a process of its own, so that nothing is left over from another. RssAnon is what the process itself asked
for; pages of the mapped store are the page cache's, and the system takes them back when it wants to.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import Stopwatch, Timed, Times, arguments, at_most, finish, ratio, scratch
from benchmarks.result import Row, Side
from benchmarks.synthetic import cifar_like, random_stores, views_of
from benchmarks.training import Loop, cached, loop, run_steps, touch_all
from dgkd_cache.device.autotune import Combination
from dgkd_cache.device.device import choose
from dgkd_cache.views.renderer import ViewRenderer

SAMPLE_EVERY = 5
"""Steps between two looks at the memory."""

WARM_UP = 2


def main(given: Sequence[str] | None = None) -> None:
    defaults = {"rounds": 6, "steps": 80, "views": 40, "samples": 50_000, "classes": 1000}
    touch = {"touch_rounds": 7, "touch_steps": 20, "touch_views": 4}
    quick = {"rounds": 1, "steps": 3, "views": 2, "samples": 2_000, "touch_rounds": 1, "touch_steps": 2}
    options = arguments(__doc__, {**defaults, **touch}, quick, given)
    rows: list[Row] = []
    notes: list[str] = []
    with scratch(options) as folder:
        chosen = choose(options.device)
        how = [chosen.precision, str(int(chosen.channels_last))]
        job = [str(options.views), str(options.samples), str(options.classes), str(options.steps), *how]
        views = views_of(cifar_like(options.samples, options.classes))
        store = random_stores(folder, views, 1, count=options.views)[0]
        nbytes = sum(file.stat().st_size for file in store.rglob("c.*"))
        rows.append(_memory(store, nbytes, job, options.rounds))
        notes.append(_limited(store, nbytes, job))
        rows += _first_touch(folder, views, options.views, f"{options.classes} classes, draw", "draw", options)
    with scratch(options) as folder:
        views = views_of(cifar_like(options.samples, 10))
        rows += _first_touch(folder, views, options.touch_views, "10 classes, cycle", "cycle", options)
    finish("memory", "Memory, and the first touch of a block", rows, options, notes)


def child(given: Sequence[str]) -> None:
    """Trains from a store, or without one (`-`), and prints the largest RssAnon that it saw, in bytes.

    So few steps do not reach every block of the store: what they left is read afterwards, in batches of the same size.
    """
    store, count, samples, classes, steps, precision, last = given
    combination = Combination(precision=precision, channels_last=bool(int(last)))
    views = views_of(cifar_like(int(samples), int(classes)))
    device = torch.device("cpu")
    with ExitStack() as opened:
        bank = None
        if store != "-":
            bank = opened.enter_context(cached([Path(store)], views, count=int(count), device=device))
        trained = loop(views, bank, device=device, kind="draw", count=int(count), combination=combination)
        largest = 0
        for first in range(0, int(steps), SAMPLE_EVERY):
            run_steps(trained, first, min(SAMPLE_EVERY, int(steps) - first))
            largest = max(largest, _anonymous())
        if bank is not None:
            for _ in touch_all(bank, views, int(count)):
                largest = max(largest, _anonymous())
    print(largest)


def _memory(store: Path, nbytes: int, job: Sequence[str], count: int) -> Row:
    def side(path: str) -> Timed:
        return lambda i: _child(path, job) / 1e6

    with_store, without = side(str(store)), side("-")
    pairs = [(with_store(i), without(i)) for i in range(count)]
    return Row(
        what=f"RssAnon of training from a store of {nbytes / 1e9:.2f} GB, above that of training without guides",
        unit="MB",
        samples=tuple(a - b for a, b in pairs),
        sides=(
            Side(name="with", median=statistics.median(a for a, _ in pairs), unit="MB"),
            Side(name="without", median=statistics.median(b for _, b in pairs), unit="MB"),
        ),
        higher_is_better=False,
        bar=at_most(300.0),
    )


def _limited(store: Path, nbytes: int, job: Sequence[str]) -> str:
    """The same run where the system allows less memory, page cache included, than the store has; said in words."""
    without = _child("-", job)
    limit = int(without + nbytes / 4) // 2**20
    what = f"A memory limit below the size of the store ({limit} MiB for process and page cache)"
    runner = shutil.which("systemd-run")
    if runner is None:
        return f"{what} was not tried: there is no systemd-run here."
    scope = [runner, "--scope", "--quiet", "-p", f"MemoryMax={limit}M", "-p", "MemorySwapMax=0"]
    done = subprocess.run([*scope, *_command(str(store), job)], capture_output=True, text=True)
    if done.returncode and "ystemd" in done.stderr + done.stdout or "bus" in done.stderr:
        return f"{what} was not tried: {done.stderr.strip().splitlines()[-1][:120]}."
    if done.returncode:
        return f"{what}: the run FAILED with exit code {done.returncode}."
    return f"{what}: the run ended, with RssAnon of {int(done.stdout) / 1e6:,.0f} MB."


def _child(store: str, job: Sequence[str]) -> int:
    done = subprocess.run(_command(store, job), stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout)


def _command(store: str, job: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "benchmarks.memory_child", store, *job]


def _first_touch(folder: Path, views: ViewRenderer, count: int, label: str, kind: str, options: Any) -> list[Row]:
    """Steps whose blocks nobody has proven yet, beside the same steps again, and beside training alone."""
    stores = random_stores(folder, views, 1 if kind == "draw" else 3, count=count)
    device, steps = options.device, int(options.touch_steps)
    alone = loop(views, None, device=device, kind=kind, count=count)

    def timed(trained: Loop, i: int) -> float:
        stopwatch = Stopwatch()
        run_steps(trained, i * steps, steps)
        return stopwatch.span(steps)

    times: Times = {"alone": [], "first pass": [], "later": []}
    timed(alone, 0)
    for i in range(options.touch_rounds):
        # A bank just opened has proven nothing, so each round is a first pass, over other batches; the later pass is
        # the same steps again. Warm-up is in another epoch: other views (cycle) or other draws.
        with cached(stores, views, count=count, device=device) as bank:
            guided = loop(views, bank, device=device, kind=kind, count=count)
            run_steps(guided, (1 + i) * guided.steps.steps_per_epoch + i * steps, WARM_UP)
            times["first pass"].append(timed(guided, i))
            times["later"].append(timed(guided, i))
            guided.close()
        times["alone"].append(timed(alone, i))
    guides = f"{len(stores)} guide{'s' if len(stores) > 1 else ''}"
    return [
        ratio(
            f"step alone / with {guides}, {label}, {name}",
            times,
            over="alone",
            under=name,
            floor_is="guidance for nothing",
        )
        for name in ("first pass", "later")
    ]


def _anonymous() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("Linux has it since 4.5")


if __name__ == "__main__":
    main()

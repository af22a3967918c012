"""Guides that come from the disk: the first steps of an epoch whose view is not in memory, by the order of its samples.

What a store that is larger than memory costs, on any machine: before each round the system is told to drop the pages of
the view (posix_fadvise), and the steps of an epoch begin. In block order neighbours on disk come together and are read
ahead. The images are in memory.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import Stopwatch, Timed, arguments, finish, ratio, rounds, scratch, synchronize
from benchmarks.synthetic import cifar_like, random_stores, views_of
from benchmarks.training import Loop, cached, loop, run_steps

GUIDES, VIEWS = 3, 1


def main(given: Sequence[str] | None = None) -> None:
    defaults = {"rounds": 6, "steps": 20, "samples": 200_000, "classes": 1000}
    quick = {"rounds": 1, "steps": 2, "samples": 2_000, "classes": 10}
    options = arguments(__doc__, defaults, quick, given)
    with scratch(options) as folder:
        views = views_of(cifar_like(options.samples, options.classes))
        stores = random_stores(folder, views, GUIDES, count=VIEWS)
        files = [file for store in stores for file in (store / "logits").glob("c.*")]
        with cached(stores, views, count=VIEWS, device=options.device) as bank:
            sides: dict[str, Timed] = {
                "alone": _begun(loop(views, None, device=options.device, count=VIEWS), [], options.steps)
            }
            for order in ("shuffled", "blocks"):
                guided = loop(views, bank, device=options.device, count=VIEWS, order=order)
                sides[f"{order}, in memory"] = _begun(guided, [], options.steps)
                sides[f"{order}, on disk"] = _begun(guided, files, options.steps)
            times = rounds(sides, options.rounds)
    rows = [
        ratio(
            f"3 guides, {options.classes} classes, {name}: step alone / step",
            times,
            over="alone",
            under=name,
            floor_is="guidance for nothing",
        )
        for name in sides
        if name != "alone"
    ]
    nbytes = options.samples * options.classes * 2 * GUIDES
    per_second = ", ".join(f"{name} {1 / statistics.median(took):.2f}" for name, took in times.items())
    notes = [
        f"{nbytes / 1e9:.1f} GB of rows a view, three guides together; the first {options.steps} steps of an epoch.",
        f"Steps a second: {per_second}.",
    ]
    finish("disk", "Guides from the disk", rows, options, notes)


def _begun(on: Loop, dropped: Sequence[Path], steps: int) -> Timed:
    """The seconds of a step, over the first steps of an epoch, once the pages of these files are dropped."""

    def side(i: int) -> float:
        on.close()
        for file in dropped:
            handle = os.open(file, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)
        synchronize(on.device)
        stopwatch = Stopwatch()
        run_steps(on, (i + 1) * on.steps.steps_per_epoch, steps)
        synchronize(on.device)
        return stopwatch.span(steps)

    return side


if __name__ == "__main__":
    main()

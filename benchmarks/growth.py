"""Measures how the cost of cached guides grows with guides, with views and with samples.

From three guides, 10 views and 50,000 samples one thing at a time changes, and at last all of them. Each sample of an
epoch has its own view (`draw`), which is the dearer schedule. Every block of the stores has been read and proven once
before: what the first touch costs is in `memory.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.harness import arguments, finish, ratio, rounds, scratch
from benchmarks.result import Row
from benchmarks.synthetic import cifar_like, random_stores, views_of
from benchmarks.training import cached, loop, touch_all

ALL_VIEWS = 162
CELLS = (
    (50_000, 10, (1, 3, 7)),
    (10_000, 10, (3,)),
    (200_000, 10, (3,)),
    (50_000, ALL_VIEWS, (3,)),
    (200_000, ALL_VIEWS, (7,)),
)
"""Samples, views, and the numbers of guides to try with them."""


def main(given: Sequence[str] | None = None) -> None:
    defaults = {"rounds": 7, "steps": 10, "divide": 1, "classes": 10}
    options = arguments(__doc__, defaults, {"rounds": 1, "steps": 1, "divide": 100}, given)
    rows = [row for samples, count, guides in CELLS for row in _cell(samples, count, guides, options)]
    notes: list[str] = ["`divide` makes every number of samples that many times smaller."] if options.divide > 1 else []
    finish("growth", "How the cost grows", rows, options, notes)


def _cell(samples: int, count: int, guides: Sequence[int], options: Any) -> list[Row]:
    samples //= options.divide
    device = options.device
    views = views_of(cifar_like(samples, options.classes), scheme="enumerated" if count == ALL_VIEWS else "sampled")
    rows = []
    with scratch(options) as folder:
        alone = loop(views, None, device=device, kind="draw", count=count)
        for number in guides:
            stores = random_stores(folder, views, number, count=count)
            nbytes = sum(file.stat().st_size for store in stores for file in store.rglob("c.*"))
            with cached(stores, views, count=count, device=device) as bank:
                for _ in touch_all(bank, views, count):
                    pass
                guided = loop(views, bank, device=device, kind="draw", count=count)
                times = rounds(
                    {"alone": alone.timed(options.steps), "guided": guided.timed(options.steps)}, options.rounds
                )
                guided.close()
            rows.append(
                ratio(
                    f"{number} guide{'s' * (number > 1)}, {count} views, {samples:,} samples ({nbytes / 1e9:.2f} GB): "
                    "step alone / guided",
                    times,
                    over="alone",
                    under="guided",
                    floor_is="guidance for nothing",
                )
            )
    return rows


if __name__ == "__main__":
    main()

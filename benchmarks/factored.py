"""Rows of many classes in `factored` beside float16 and uint8: bytes, KL, gather, decoding, and a training step.

The logits are those of a linear layer of D inputs, of a standard deviation of 2, the same ones in every encoding. A
gather reads and checks the stored rows of a batch of 128; a bank's gather decodes them on the device as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from benchmarks.harness import Timed, arguments, at_least, finish, ratio, rounds, scratch, seconds, synchronize
from benchmarks.result import Row
from benchmarks.synthetic import cifar_like, linear_logits, random_store, views_of
from benchmarks.training import cached, loop
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import GuideStore, RowIndex

ENCODINGS = ("float16", "uint8", "factored")
BATCH, VIEWS = 128, 2


def main(given: Sequence[str] | None = None) -> None:
    defaults = {"rounds": 15, "batches": 40, "samples": 20_000, "large_samples": 3_000, "step_rounds": 24, "steps": 15}
    quick = {"rounds": 2, "batches": 2, "samples": 600, "large_samples": 300, "step_rounds": 2, "steps": 2}
    options = arguments(__doc__, defaults, quick, given)
    rows: list[Row] = []
    notes: list[str] = []
    for classes, width, samples in ((1000, 512, options.samples), (21_841, 768, options.large_samples)):
        with scratch(options) as folder:
            views = views_of(cifar_like(samples, classes))
            paths = {encoding: folder / f"{encoding}.zarr" for encoding in ENCODINGS}
            for encoding, path in paths.items():
                random_store(path, views, count=VIEWS, encoding=encoding, width=width, seed_of="guide")
            notes += [_described(path, classes, width) for path in paths.values()]
            rows += _gathers(paths, views, f"C = {classes:,}, D = {width}", options)
            if classes == 1000:
                rows.append(_step(paths["factored"], views, options))
    finish("factored", "Rows of coefficients, of many classes", rows, options, notes)


def _described(path: Path, classes: int, width: int) -> str:
    """The bytes of a row, and the error of the first rows at the temperature of the store."""
    with GuideStore.open(path) as store:
        count = min(256, len(store.label_N))
        stored = special.log_softmax(store.gather(np.zeros(count, int), np.arange(count)).astype(np.float64), axis=1)
        exact = special.log_softmax(linear_logits("guide", count, classes, width).astype(np.float64), axis=1)
        kl = float((np.exp(exact) * (exact - stored)).sum(axis=1).mean())
        top1 = float((exact.argmax(axis=1) == stored.argmax(axis=1)).mean())
        return (
            f"C = {classes:,}, D = {width}, {store.header.encoding}: {store.header.row_bytes:,} bytes a row, "
            f"{sum(one.nbytes for one in store.shared.values()) / 1e6:.1f} MB once; KL {kl:.2g} nats at T = 4, top-1 "
            f"{100 * top1:.1f} %."
        )


def _gathers(paths: dict[str, Path], views: ViewRenderer, label: str, options: Any) -> list[Row]:
    """Each encoding's time divided by that of `factored`."""
    random = np.random.default_rng(0)
    samples = len(views.images)
    pairs = [(random.integers(0, VIEWS, BATCH), random.integers(0, samples, BATCH)) for _ in range(options.batches)]
    rows = []
    with ExitStack() as opened:
        stores = {name: opened.enter_context(GuideStore.open(path)) for name, path in paths.items()}
        banks = {
            name: opened.enter_context(cached([path], views, count=VIEWS, device=options.device))
            for name, path in paths.items()
        }

        def gathers(name: str) -> Timed:
            return lambda i: seconds(lambda: [stores[name].gather_rows(RowIndex(*each)) for each in pairs], len(pairs))

        def decodes(name: str) -> Timed:
            def side(i: int) -> None:
                for each in pairs:
                    banks[name].gather(*each)
                synchronize(options.device)

            return lambda i: seconds(lambda: side(i), len(pairs))

        for what, sides in (("GuideStore.gather_rows", gathers), ("GuideBank.gather", decodes)):
            times = rounds({name: sides(name) for name in ENCODINGS}, options.rounds)
            for other in ENCODINGS[:-1]:
                name = f"{label}: {what}, {other} / factored"
                rows.append(ratio(name, times, over=other, under="factored", floor=None))
    return rows


def _step(path: Path, views: ViewRenderer, options: Any) -> Row:
    """A step of resnet8 alone beside one under this guide."""
    with cached([path], views, count=VIEWS, device=options.device) as bank:
        alone = loop(views, None, device=options.device, count=VIEWS)
        guided = loop(views, bank, device=options.device, count=VIEWS)
        sides = {"alone": alone.timed(options.steps), "factored": guided.timed(options.steps)}
        times = rounds(sides, options.step_rounds)
    return ratio(
        "C = 1,000: step of resnet8 alone / with a factored guide",
        times,
        over="alone",
        under="factored",
        floor_is="guidance for nothing",
        bar=at_least(0.95),
    )


if __name__ == "__main__":
    main()

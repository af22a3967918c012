"""The project's loop with cached guides beside a stock loop (`stock_loop.py`): one that distils, and one that does not.

resnet8 on 32x32x3, batches of 128, guides resnet26, resnet20 and resnet14. The stock loop's workers are started and
warm before its clock starts and gone before the other side runs; the project's side pays for whatever it starts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import torch

from benchmarks.harness import Timed, Times, arguments, at_least, finish, ratio, rounds, scratch, synchronize
from benchmarks.result import Row
from benchmarks.step import THREE
from benchmarks.stock_loop import StockImages, StockLoop
from benchmarks.synthetic import cifar_like, random_stores, views_of
from benchmarks.training import cached, loop
from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.models.registry import build_model

VIEWS = 4
WARM_UP = 6
"""Steps before the clock starts: the loader's queue is then as full as it stays."""


def main(given: Sequence[str] | None = None) -> None:
    defaults = {"rounds": 7, "steps": 15, "samples": 50_000, "classes": 10}
    options = arguments(__doc__, defaults, {"rounds": 2, "steps": 2, "samples": 2_000}, given)
    images, device = cifar_like(options.samples, options.classes), options.device
    views = views_of(images)
    stock = _stock_images(images)
    with scratch(options) as folder:
        stores = random_stores(folder, views, len(THREE), count=VIEWS)
        with cached(stores, views, count=VIEWS, device=device) as bank:
            ours = loop(views, bank, device=device, count=VIEWS)
            alone = loop(views, None, device=device, count=VIEWS)
            students = [_model("resnet8", options.classes) for _ in range(2)]
            guides = [_model(name, options.classes) for name in THREE]
            distilling = StockLoop(stock, students[0], guides, device=device)
            stock_alone = StockLoop(stock, students[1], [], device=device)
            times: Times = rounds(
                {
                    "ours, 3 cached guides": ours.timed(options.steps),
                    "ours, alone": alone.timed(options.steps),
                    "stock, 3 live guides": _timed(distilling, device, options.steps),
                    "stock, alone": _timed(stock_alone, device, options.steps),
                },
                options.rounds,
            )
    rows: list[Row] = []
    for over, limit in (("stock, 3 live guides", 8.0), ("stock, alone", 1.5)):
        ceiling = statistics.median(a / b for a, b in zip(times[over], times["ours, alone"], strict=True))
        rows.append(
            ratio(
                f"{over} / ours with 3 cached guides",
                times,
                over=over,
                under="ours, 3 cached guides",
                floor=ceiling,
                floor_is="ours with no guides at all",
                bar=at_least(limit),
            )
        )
    per_second = ", ".join(f"{name} {1 / statistics.median(seconds):.1f}" for name, seconds in times.items())
    finish("stock", "Beside a stock loop", rows, options, [f"Steps a second: {per_second}."])


def _timed(stock: StockLoop, device: torch.device, steps: int) -> Timed:
    def side(i: int) -> float:
        batches = stock.batches()
        for _ in range(WARM_UP):
            stock.step(*next(batches))
        synchronize(device)
        started = time.perf_counter()
        for _ in range(steps):
            stock.step(*next(batches))
        synchronize(device)
        taken = (time.perf_counter() - started) / steps
        del batches  # ends the workers: they would go on filling their queue while another side runs
        return taken

    return side


def _stock_images(images: TensorImages) -> StockImages:
    pixels_NHWI = images.pixels_NIHW.permute(0, 2, 3, 1).contiguous().numpy()
    return StockImages(pixels_NHWI, images.labels_N)


def _model(name: str, classes: int) -> torch.nn.Module:
    return build_model(name, channels=3, classes=classes, height=32, width=32, seed=0)


if __name__ == "__main__":
    main()

"""Measures what cached guidance costs a training step and saves against the same loop with live guides.

resnet8 on 32x32x3, batches of 128, dropping on (keep 0.75); guides resnet26, resnet20 and resnet14, then seven of them.
The live loop is the project's own: same precision, memory format, views and drops, and only kept guides are forwarded.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import numpy as np
import torch

from benchmarks.harness import (
    Span,
    Stopwatch,
    Timed,
    Times,
    arguments,
    at_least,
    finish,
    ratio,
    rounds,
    scratch,
    synchronize,
)
from benchmarks.result import Row, Side
from benchmarks.synthetic import cifar_like, random_stores, views_of
from benchmarks.training import AllForwarded, Loop, cached, live, loop
from dgkd_cache.errors import InvalidInput
from dgkd_cache.guides.live import LiveGuides
from dgkd_cache.views.renderer import ViewRenderer

THREE = ("resnet26", "resnet20", "resnet14")
LARGE = ("resnet110", "resnet20", "resnet14")
SEVEN = 7
VIEWS = 4


def main(given: Sequence[str] | None = None) -> None:
    defaults = {"rounds": 24, "steps": 15, "live_rounds": 7, "live_steps": 10, "samples": 50_000, "classes": 10}
    quick = {"rounds": 2, "steps": 2, "live_rounds": 2, "live_steps": 2, "samples": 2_000}
    options = arguments(__doc__, defaults | {"compile": 1}, quick | {"compile": 0}, given)
    views, device = views_of(cifar_like(options.samples, options.classes)), options.device
    rows: list[Row] = []
    notes: list[str] = []
    with scratch(options) as folder, ExitStack() as open_banks:
        stores = random_stores(folder, views, SEVEN, count=VIEWS)

        def with_cached(guides: int, *, compiled: bool = False) -> Loop:
            bank = open_banks.enter_context(cached(stores[:guides], views, count=VIEWS, device=device))
            return loop(views, bank, device=device, count=VIEWS, compiled=compiled)

        alone = loop(views, None, device=device, count=VIEWS)
        sides = {"alone": alone, "3 guides": with_cached(3), "7 guides": with_cached(SEVEN)}
        times = rounds({name: side.timed(options.steps) for name, side in sides.items()}, options.rounds)
        for name, limit in (("3 guides", 0.97), ("7 guides", 0.93)):
            rows.append(
                ratio(
                    f"step alone / with {name} cached",
                    times,
                    over="alone",
                    under=name,
                    floor_is="guidance for nothing",
                    bar=at_least(limit),
                )
            )
        three = sides["3 guides"]
        for teacher, guides in (("", THREE), (" (resnet110 teacher)", LARGE)):
            rows += _against_live(teacher, guides, alone, three, views, options.live_steps, options.live_rounds, device)
        if options.compile:
            try:
                both = loop(views, None, device=device, count=VIEWS, compiled=True), with_cached(3, compiled=True)
            except InvalidInput as error:
                notes.append(str(error).splitlines()[0])
            else:
                rows += _compiled(alone, *both, options.live_steps, options.live_rounds)
    per_second = ", ".join(f"{name} {1 / statistics.median(seconds):.1f}" for name, seconds in times.items())
    notes.append(f"Steps a second: {per_second}.")
    finish("step", "A training step with and without guides", rows, options, notes)


def _against_live(
    label: str,
    architectures: Sequence[str],
    alone: Loop,
    three: Loop,
    views: ViewRenderer,
    steps: int,
    count: int,
    device: torch.device,
) -> list[Row]:
    """Live guides beside the cache; the ceiling is made of what the student's step and each forward take here.

    Its formula is (t_student + p * sum of t_guides) / t_student with p the share of a guide's steps in which it was
    kept, counted in the steps that were timed: 0.75 in the long run.
    """
    guides = live(architectures, views, device=device)
    kept = loop(views, guides, device=device, count=VIEWS)
    everything = loop(views, AllForwarded(guides), device=device, count=VIEWS)
    forwards = {f"forward {i}": _forward(guides, i, kept, steps) for i in range(len(architectures))}
    sides = {"alone": alone, "cached": three, "live": kept, "live, all forwarded": everything}
    times = rounds({**{name: side.timed(steps) for name, side in sides.items()}, **forwards}, count)
    share_RG = [
        np.mean([kept.steps.inputs.keep(step) for step in range((i + 1) * steps, (i + 2) * steps)], axis=0)
        for i in range(count)
    ]
    ones = np.ones(len(architectures))
    rows = []
    for name, shares, bar in (("live", share_RG, at_least(0.95)), ("live, all forwarded", [ones] * count, None)):
        ceilings = [_ceiling(times, i, share_G, float) for i, share_G in enumerate(shares)]
        by_processor = [_ceiling(times, i, share_G, _processor) for i, share_G in enumerate(shares)]
        speedup = ratio(
            f"{name}{label} / cached",
            times,
            over=name,
            under="cached",
            floor=statistics.median(ceilings),
            floor_is="arithmetic ceiling",
        )
        rows.append(speedup)
        rows.append(
            Row(
                what=f"{name}{label} / cached, as a share of the ceiling of the same round",
                unit="x",
                samples=tuple(s / c for s, c in zip(speedup.samples, ceilings, strict=True)),
                processor=tuple(s / c for s, c in zip(speedup.processor, by_processor, strict=True)),
                sides=tuple(
                    Side(name=f"forward of {architecture}", median=statistics.median(times[f"forward {i}"]))
                    for i, architecture in enumerate(architectures)
                ),
                floor=1.0,
                floor_is="the ceiling",
                bar=bar,
            )
        )
    return rows


def _compiled(alone: Loop, compiled: Loop, guided: Loop, steps: int, count: int) -> list[Row]:
    """Measures the gain of torch.compile; the round that compiles is not counted."""
    sides = {"alone": alone, "alone, compiled": compiled, "3 guides, compiled": guided}
    times = rounds({name: side.timed(steps) for name, side in sides.items()}, count)
    return [
        ratio("step alone / the same compiled", times, over="alone", under="alone, compiled", floor=None),
        ratio(
            "step alone / with 3 guides cached, both compiled",
            times,
            over="alone, compiled",
            under="3 guides, compiled",
            floor_is="guidance for nothing",
        ),
    ]


def _ceiling(
    times: Times, i: int, share_G: np.ndarray[tuple[int, ...], np.dtype[np.float64]], clock: Callable[[float], float]
) -> float:
    student = clock(times["alone"][i])
    return float((student + sum(share * clock(times[f"forward {g}"][i]) for g, share in enumerate(share_G))) / student)


def _processor(span: float) -> float:
    assert isinstance(span, Span)
    return span.processor


def _forward(guides: LiveGuides, guide: int, on: Loop, steps: int) -> Timed:
    """The seconds of one guide's forward pass over a rendered batch, normalising included."""
    keep_G = np.arange(len(guides.names)) == guide
    views_B, samples_B = next(on.steps.inputs.pairs(0, 1))
    pixels_BIHW = on.views.pixels(views_B, samples_B).to(on.device)

    def side(i: int) -> float:
        synchronize(on.device)
        stopwatch = Stopwatch()
        for _ in range(steps):
            guides.begin(views_B, samples_B, keep_G).softened(pixels_BIHW)
        synchronize(on.device)
        return stopwatch.span(steps)

    return side


if __name__ == "__main__":
    main()

"""View pixels beside torchvision v2 per sample, and the parameters of a whole view.

At 32 pixels the kernel renders batches of 128 of a set in memory; torchvision crops and flips the same images one by
one, once with its transforms (which also draw) and once with its functional kernels, given the parameters.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from benchmarks.harness import Timed, Times, arguments, at_least, at_most, finish, ratio, rounds, seconds
from benchmarks.result import Row, Side
from benchmarks.spread import Bar
from benchmarks.synthetic import cifar_like
from dgkd_cache.randomness.philox import WORDS_PER_BLOCK, Domain, philox_words
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer

BATCH = 128
IMAGENET = 1_281_167


def main(given: Sequence[str] | None = None) -> None:
    defaults = {"rounds": 11, "batches": 50, "samples": 50_000, "parameter_samples": IMAGENET}
    quick = {"rounds": 2, "batches": 2, "samples": 2_000, "parameter_samples": 10_000}
    options = arguments(__doc__, defaults, quick, given)
    rows = _pixels(32, options.samples, options.batches, options.rounds, at_least(10))
    rows += _pixels(224, min(options.samples, 1_000), max(options.batches // 10, 1), options.rounds, None)
    for transforms in (["crop(4)", "hflip"], ["resized-crop(224)", "hflip"]):
        rows.append(_parameters(transforms, options.parameter_samples, options.rounds))
    finish("views", "Views: pixels and parameters", rows, options)


def _pixels(size: int, samples: int, batches: int, count: int, bar: Bar | None) -> list[Row]:
    images = cifar_like(samples, 10, size=size)
    padding = size // 8
    plan = ViewPlan.build(image=(3, size, size), transforms=[f"crop({padding})", "hflip"])
    views = ViewRenderer(plan, images)
    random = np.random.default_rng(0)
    order = [random.integers(0, samples, BATCH) for _ in range(batches)]
    view_B = np.zeros(BATCH, np.int64)
    parameters_NP = plan.parameters(0, 0, samples)
    pixels_NIHW = images.pixels_NIHW
    crop = v2.Compose([v2.RandomCrop(size, padding=padding), v2.RandomHorizontalFlip()])

    def transforms(samples_B: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> torch.Tensor:
        return torch.stack([crop(pixels_NIHW[i]) for i in samples_B])

    def functions(samples_B: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> torch.Tensor:
        out = []
        for i, (top, left, flip) in zip(samples_B, parameters_NP[samples_B].tolist(), strict=True):
            image_IHW = functional.crop(functional.pad(pixels_NIHW[i], [padding]), top, left, size, size)
            out.append(functional.horizontal_flip(image_IHW) if flip else image_IHW)
        return torch.stack(out)

    assert torch.equal(functions(order[0]), views.pixels(view_B, order[0])), "both sides render the same pixels"
    out_BIHW = torch.empty((BATCH, 3, size, size), dtype=torch.uint8)
    several = {
        "kernel": lambda s: views.pixels(view_B, s),
        "transforms": transforms,
        "functional": functions,
        "copy": lambda s: torch.index_select(pixels_NIHW, 0, torch.from_numpy(s), out=out_BIHW),
    }

    def timed(act: Callable[[np.ndarray[tuple[int, ...], np.dtype[np.int64]]], torch.Tensor]) -> Timed:
        return lambda _: seconds(lambda: [act(s) for s in order], batches * BATCH)

    times: Times = rounds({name: timed(act) for name, act in several.items()}, count)
    rows = []
    for name in ("transforms", "functional"):
        rows.append(
            ratio(
                f"{size} px, a sample: torchvision v2 {name} / view kernel",
                times,
                over=name,
                under="kernel",
                floor=statistics.median(a / b for a, b in zip(times[name], times["copy"], strict=True)),
                floor_is="rows copied as they are",
                bar=bar,
            )
        )
    return rows


def _parameters(transforms: list[str], samples: int, count: int) -> Row:
    """The parameters of all samples in one view; the floor is drawing their words."""
    plan = ViewPlan.build(image=(3, None, None) if "resized" in transforms[0] else (3, 32, 32), transforms=transforms)
    blocks = samples * plan.blocks_per_sample

    def words() -> None:
        philox_words(plan.key16, view=1, domain=Domain.PARAMETERS, first_block=0, blocks=blocks)

    times = rounds(
        {
            "parameters": lambda i: seconds(lambda: plan.parameters(1, 0, samples)),
            "words": lambda i: seconds(words),
        },
        count,
    )
    return Row(
        what=f"parameters of a view, {samples:,} samples, {', '.join(transforms)}",
        unit="s",
        samples=tuple(times["parameters"]),
        sides=(Side(name=f"{blocks * WORDS_PER_BLOCK:,} words alone", median=statistics.median(times["words"])),),
        floor=statistics.median(times["words"]),
        floor_is="its random words",
        higher_is_better=False,
        bar=at_most(1.0),
    )


if __name__ == "__main__":
    main()

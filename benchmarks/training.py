"""The project's own training loop, set up for a benchmark: any student under cached, live or no guides.

`run_steps` is the one place that knows how a step is taken.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.harness import Stopwatch, Timed, synchronize
from benchmarks.synthetic import PREPROCESS
from dgkd_cache.config.tables import TrainingConfig
from dgkd_cache.device.autotune import Combination
from dgkd_cache.device.cores import own_cores
from dgkd_cache.device.device import choose, place
from dgkd_cache.distillation.dropping import Dropping
from dgkd_cache.distillation.guide_losses import GuideLoss
from dgkd_cache.distillation.objectives import KL
from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.guides.guided_batch import GuidedBatch
from dgkd_cache.guides.live import LiveGuide, LiveGuides
from dgkd_cache.guides.protocol import Begun, Guidance
from dgkd_cache.models.preprocessing import Preprocessing
from dgkd_cache.models.registry import build_model
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.training.steps import Guided, Steps
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.schedule import Schedule
from dgkd_stores import default_digest_rows, get_encoding

__all__ = ["AllForwarded", "Loop", "cached", "live", "loop", "run_steps", "touch_all"]

TEMPERATURE = 4.0
DROPPING = Dropping()


@dataclass(kw_only=True)
class Loop:
    """The steps of a run, with what they are fed from; it goes on from one block of steps to the next."""

    steps: Steps
    views: ViewRenderer
    device: torch.device
    _fed: Generator[GuidedBatch] | None = None
    _next: int = -1

    def close(self) -> None:
        """Ends what reads ahead; the loop may still be used."""
        if self._fed is not None:
            self._fed.close()
        self._fed = None

    def timed(self, steps: int) -> Timed:
        """A side: the seconds of one step, over `steps` steps that go on where the round before stopped."""

        def side(i: int) -> float:
            first = (i + 1) * steps
            with own_cores(self.device):
                synchronize(self.device)
                stopwatch = Stopwatch()
                run_steps(self, first, steps)
                synchronize(self.device)
                return stopwatch.span(steps)

        return side


def run_steps(loop: Loop, first: int, steps: int) -> None:
    """Steps `first` to `first + steps` of a run, as `Trainer.run` takes them, without its records and checkpoints."""
    if loop._fed is None or loop._next != first:
        loop.close()
        loop._fed = loop.steps.prefetch(first)
    for batch in islice(loop._fed, steps):
        loop.steps.train_step(batch)
    loop._next = first + steps


def loop(
    views: ViewRenderer,
    guidance: Guidance | None,
    *,
    device: torch.device,
    student: str = "resnet8",
    kind: str = "cycle",
    count: int = 10,
    batch_size: int = 128,
    compiled: bool = False,
    order: str = "shuffled",
    combination: Combination | None = None,
    dropping: Dropping = DROPPING,
    guide_loss: GuideLoss = KL,
) -> Loop:
    """A student in the default recipe: precision and memory format as `auto` chooses them, dropping with keep 0.75."""
    channels, height, width = views.plan.view_shape
    random, samples = RunRandom(0), len(views.images)
    chosen = combination or choose(device)
    training = TrainingConfig(epochs=10_000, batch_size=batch_size, lr=0.01, compile=compiled).model_copy(
        update={"precision": chosen.precision, "channels_last": chosen.channels_last, "order": order}
    )
    moved = ViewRenderer(views.plan, views.images.to(device))
    steps = Steps(
        build_model(
            student, channels=channels, classes=len(views.images.classes), height=height, width=width, seed=0
        ).train(),
        Preprocessing(PREPROCESS, channels_last=chosen.channels_last).to(device),
        views=moved,
        samples_N=np.arange(samples),
        schedule=Schedule(kind, count, random=random, samples=samples),
        random=random,
        training=training,
        guided=Guided(guidance=guidance, dropping=dropping, objective="paper", lambda_=0.5, guide_loss=guide_loss),
        device=device,
    )
    return Loop(steps=steps, views=moved, device=device)


def cached(stores: Sequence[Path], views: ViewRenderer, *, count: int, device: torch.device) -> GuideBank:
    """The stores as guides; close it."""
    return GuideBank(stores, views, views=range(count), temperature=TEMPERATURE, device=device)


def touch_all(bank: GuideBank, views: ViewRenderer, count: int) -> Iterator[None]:
    """Has every block of float16 stores proven, in batches of 128 rows, one a block; gives way after each."""
    rows = default_digest_rows(get_encoding("float16").row_bytes(len(views.images.classes)))
    firsts = np.arange(0, len(views.images), rows)
    view_N, sample_N = (part.ravel() for part in np.meshgrid(np.arange(count), firsts, indexing="ij"))
    for start in range(0, len(view_N), 128):
        bank.gather(view_N[start : start + 128], sample_N[start : start + 128])
        yield


def live(architectures: Sequence[str], views: ViewRenderer, *, device: torch.device) -> LiveGuides:
    """Guides in the precision and memory format that the student trains in."""
    channels, height, width = views.plan.view_shape
    classes, chosen = len(views.images.classes), choose(device)
    guides = [
        LiveGuide(
            name=f"guide{i}",
            identity="",
            preprocess=Preprocessing(PREPROCESS, channels_last=chosen.channels_last).to(device),
            model=place(
                build_model(name, channels=channels, classes=classes, height=height, width=width, seed=i + 1),
                device,
                channels_last=chosen.channels_last,
            ),
        )
        for i, name in enumerate(architectures)
    ]
    return LiveGuides(guides, temperature=TEMPERATURE, classes=classes, device=device, precision=chosen.precision)


class AllForwarded:
    """Live guides as the authors run them: each is forwarded, and a dropped one's logits are thrown away."""

    def __init__(self, guides: LiveGuides) -> None:
        self._guides = guides
        self.names, self.identities, self.temperature = guides.names, guides.identities, guides.temperature
        self.topk_names = guides.topk_names

    def begin(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64], keep_G: NDArray[np.bool_]) -> Begun:
        return _SomeOfAll(self._guides.begin(views_B, samples_B, np.ones_like(keep_G)), np.flatnonzero(keep_G))

    def expect(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64]) -> None:
        pass


@dataclass(frozen=True)
class _SomeOfAll:
    """The rows of the kept guides out of those of all."""

    everything: Begun
    kept_K: NDArray[np.int64]

    def softened(self, pixels_BIHW: Tensor) -> Tensor:
        return self.everything.softened(pixels_BIHW)[self.kept_K]

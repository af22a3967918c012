"""Evaluation on un-augmented images, in batches of a fixed size and in index order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from dgkd_cache.datasets.decoders import PILLOW
from dgkd_cache.datasets.images import Images
from dgkd_cache.device.device import autocast, usable_device
from dgkd_cache.distributed.ranks import ALONE, Ranks
from dgkd_cache.errors import InvalidInput
from dgkd_cache.progress import Progress, Silent, check_reporting
from dgkd_cache.training.network_pass import network_pass, require_rows
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores.arguments import integers, refusal, require_integer, require_kind

__all__ = ["Score", "evaluate", "evaluate_samples"]

_CALL = "evaluate"


@dataclass(frozen=True, kw_only=True)
class Score:
    """The result of `evaluate`."""

    samples: int
    """The number of images."""
    accuracy: float
    """The top-1 accuracy, in [0, 1]."""
    loss: float
    """The mean cross-entropy, in nats."""


def evaluate(
    model: nn.Module,
    forward: Callable[[Tensor], Tensor],
    images: Images | ViewRenderer,
    *,
    samples: npt.ArrayLike | None = None,
    device: torch.device | str = "cpu",
    precision: str = "float32",
    batch_size: int = 512,
    progress: Progress | None = None,
) -> Score:
    """Returns the score of a model of yours on un-augmented images, in evaluation mode.

    `forward` takes uint8 pixels (B, I, H, W) on `device`, where the model is, and returns logits (B, C), as for
    `GuideWriter`. Images of several sizes, or of another size than the views, need a `ViewRenderer`, which resizes them
    to the views' size. `samples` are the numbers of the samples to score (default: all), and `precision` is float32 or
    bf16. Afterwards, also after an error, each module of the model is in the mode that it was in, so this can be called
    within a training loop. Raises InvalidInput for arguments out of range, and for what `forward` raises or returns
    instead.
    """
    require_kind(_CALL, "model", model, nn.Module, expected="a torch.nn.Module")
    if not callable(forward):
        expected = "a function of uint8 pixels (B, I, H, W) that returns logits (B, C)"
        raise refusal(_CALL, "forward", forward, expected=expected, do="write lambda pixels: model(pixels / 255)")
    expected, do = "the images of a split, or a ViewRenderer of them", "write images=data.test"
    require_kind(_CALL, "images", images, (Images, ViewRenderer), expected=expected, do=do)
    if not isinstance(precision, str) or precision not in ("float32", "bf16"):
        raise refusal(_CALL, "precision", precision, expected="float32 or bf16")
    require_integer(_CALL, "batch_size", batch_size, low=1)
    check_reporting(_CALL, progress)
    where = usable_device(device, call=_CALL)
    views = images if isinstance(images, ViewRenderer) else _as_they_are(images)
    expected = "at least one sample's number, one-dimensional integers"
    given = range(len(views.images)) if samples is None else samples
    samples_N = integers(_CALL, "samples", given, expected=expected, do="leave samples out to score all")
    if not len(samples_N):
        raise refusal(_CALL, "samples", samples, expected=expected, do="leave samples out to score all")
    views.images.require_samples(samples_N)
    return evaluate_samples(
        model,
        forward,
        views,
        samples_N,
        device=where,
        precision=precision,
        batch_size=int(batch_size),
        progress=progress,
    )


def evaluate_samples(
    model: nn.Module,
    forward: Callable[[Tensor], Tensor],
    views: ViewRenderer,
    samples_N: NDArray[np.int64],
    *,
    device: torch.device,
    precision: str,
    batch_size: int = 512,
    what: str = "evaluate",
    progress: Progress | None = None,
    ranks: Ranks = ALONE,
) -> Score:
    """Returns the model's score on the un-augmented images `samples_N`, in evaluation mode; restores its modes.

    `forward` takes uint8 pixels. The task is called `what` in `progress`. `ranks` share the batches, and each gets the
    score over all batches.
    """
    progress = progress or Silent()
    correct = torch.zeros((), dtype=torch.int64, device=device)
    loss = torch.zeros((), dtype=torch.float64, device=device)
    labels_N = torch.from_numpy(views.images.labels_N[samples_N]).to(device)
    progress.start(what, total=len(samples_N), unit="samples")
    cuts = range(0, len(samples_N), batch_size)
    with _evaluation_mode(model):
        for start in cuts[ranks.rank :: ranks.world]:
            samples_B = samples_N[start : start + batch_size]
            labels_B = labels_N[start : start + batch_size]
            pixels_BIHW = views.evaluation_pixels(samples_B).to(device)
            with torch.inference_mode(), autocast(device, precision):
                with network_pass(pixels_BIHW, "when it is evaluated", ranks):
                    logits_BC = forward(pixels_BIHW)
                require_rows(logits_BC, len(samples_B), len(views.images.classes))
                logits_BC = logits_BC.float()
                correct += (logits_BC.argmax(1) == labels_B).sum()
                loss += F.cross_entropy(logits_BC, labels_B, reduction="sum").double()
            progress.advance(len(samples_B))
    progress.finish()
    sums = torch.stack(ranks.all_gather(torch.stack([correct.double(), loss]))).sum(0)
    count = len(samples_N)
    return Score(samples=count, accuracy=sums[0].item() / count, loss=sums[1].item() / count)


@contextmanager
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Puts the model into evaluation mode; afterwards each of its modules is in the mode that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        model.train(modes[0][1])  # for a `train` of its own, which may do more than set the mode
        for module, training in modes:
            module.training = training


def _as_they_are(images: Images) -> ViewRenderer:
    """Returns the images in their own size. Raises InvalidInput if they have several."""
    if images.height is None or images.width is None:
        raise InvalidInput(
            f"{_CALL}: the images of {images.name} ({images.split}) have several sizes",
            expected="images of one size, or a ViewRenderer that resizes them",
            found="images alone",
            do="write images=ViewRenderer(plan, data.test), with the plan of the training",
        )
    shape = images.channels, images.height, images.width
    plan = ViewPlan.build(image=shape, transforms=["none"], decoder=images.decoder or PILLOW)
    return ViewRenderer(plan, images)

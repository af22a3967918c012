"""Mean and standard deviation per channel: published constants where known, else computed in integers.

Numbers are decimal strings for pixels in [0, 1], so that copies are not rounded again.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, localcontext

import torch
from torch import Tensor

from dgkd_cache.datasets.images import Images

__all__ = ["KNOWN", "SUBSET", "Constants", "mean_and_std"]

Constants = tuple[tuple[str, ...], tuple[str, ...]]

# Over all pixels of the training split (for CIFAR-10 the mean of per-image deviations is in use as well).
KNOWN: dict[str, Constants] = {
    # KellerJordan/cifar10-airbench, CIFAR_MEAN and CIFAR_STD
    "cifar10": (("0.4914", "0.4822", "0.4465"), ("0.2470", "0.2435", "0.2616")),
    # weiaicunzai/pytorch-cifar100, conf/global_settings.py, rounded
    "cifar100": (("0.5071", "0.4865", "0.4409"), ("0.2673", "0.2564", "0.2762")),
    # pytorch/vision, references/classification/presets.py, and in the transforms of all its weights
    "imagenet": (("0.485", "0.456", "0.406"), ("0.229", "0.224", "0.225")),
    # pytorch/examples, mnist/main.py
    "mnist": (("0.1307",), ("0.3081",)),
    # mean_and_std of the published files, rounded; the tests recompute it where Debian's package is installed
    "fashion-mnist": (("0.2860",), ("0.3530",)),
}

SUBSET = 5_000
"""The number of samples that are read, evenly spaced over the index, if the pixels are not in memory."""

_CHUNK = 2_048
_DIGITS = Decimal("0.000001")


def mean_and_std(images: Images) -> Constants:
    """Returns mean and (population) standard deviation of each channel, six decimals, for pixels in [0, 1].

    They are over all samples if these are in memory, else over SUBSET evenly spaced ones. The sums are integers, so the
    result is the same on every machine. A constant channel gets the deviation 1.
    """
    histogram_I256 = torch.zeros(images.channels, 256, dtype=torch.int64)
    for pixels_NIHW in _chunks(images):
        for channel in range(images.channels):
            values = pixels_NIHW[:, channel].flatten()
            histogram_I256[channel] += torch.bincount(values, minlength=256).cpu()
    value_256 = torch.arange(256)
    count = int(histogram_I256[0].sum())
    sum_I = [int(total) for total in (histogram_I256 * value_256).sum(dim=1)]
    square_I = [int(total) for total in (histogram_I256 * value_256 * value_256).sum(dim=1)]
    with localcontext(prec=60):
        mean_I = [Decimal(total) / (255 * count) for total in sum_I]
        std_I = [
            Decimal(count * square - total * total).sqrt() / (255 * count)
            for total, square in zip(sum_I, square_I, strict=True)
        ]
        return (
            tuple(str(mean.quantize(_DIGITS)) for mean in mean_I),
            tuple(str(std.quantize(_DIGITS) or Decimal(1).quantize(_DIGITS)) for std in std_I),
        )


def _chunks(images: Images) -> Iterator[Tensor]:
    resident_NIHW, held_N = images.pixels_NIHW, images.samples_N
    if resident_NIHW is not None:
        yield from torch.split(resident_NIHW if len(held_N) == len(images) else resident_NIHW[held_N], _CHUNK)
        return
    read = min(len(held_N), SUBSET)
    for image_IHW in images.each([held_N[place * len(held_N) // read] for place in range(read)]):
        yield image_IHW[None]

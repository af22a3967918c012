"""The probe: checks before training that a consumer has the pixels that a guide saw. It needs no guide.

It covers 64 fixed (view, sample) pairs. If pixels are exact everywhere (class b), it stores SHA-256 of each pair's
pixels; otherwise 64 random +-1 projections, whose differences estimate the RMSE: JPEG decoders differ by a fraction of
a grey level, and a crop that is one pixel off by many. Plain means would not detect that crop.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.randomness.philox import Domain, integer_below, philox_words
from dgkd_cache.views.abc import IntArray
from dgkd_cache.views.renderer import ViewRenderer

__all__ = ["PAIRS", "PROJECTIONS", "PROJECTION_RMSE_BOUND", "ProbeKind", "check_probe", "make_probe"]

ProbeKind = Literal["sha256", "projection"]

PAIRS = 64
PROJECTIONS = 64
PROJECTION_RMSE_BOUND = 2  # grey levels of 255; the estimate from 64 projections is within 9 % (1 sigma)

_SLAB = 2**14  # pixels of a pair multiplied at once: sums of 2^14 * 255 are exact in float64


def make_probe(
    views: ViewRenderer, first: int, count: int
) -> tuple[ProbeKind, npt.NDArray[np.uint8] | npt.NDArray[np.int32]]:
    """Returns the probe of views [first, first + count): "sha256", uint8 [64, 32] or "projection", int32 [64, 64]."""
    return _probe_of(views, *_pairs(views, range(first, first + count)))


def check_probe(views: ViewRenderer, *, kind: str, values: npt.NDArray[Any], ranges: Sequence[range]) -> None:
    """Raises Mismatch, which names the first pair that differs, unless a store's probe agrees with these views.

    `values` is the store's array, whose pair p is of the views at place p modulo the length of `ranges`. Projections
    agree up to an estimated RMSE of PROJECTION_RMSE_BOUND grey levels. Pairs of samples that are not here are left out.
    """
    views_B, samples_B = _pairs(views, *ranges)
    here_B = np.isin(samples_B, views.images.samples_N)
    if not here_B.any():
        first = ", ".join(map(str, np.unique(samples_B)[:5].tolist()))
        raise Mismatch(
            "the pixels cannot be compared with those that the guide saw",
            expected=f"at least one of the samples that the store has a probe of, such as {first}",
            found=f"{len(views.images.samples_N)} other samples of the guide",
            do="use more of the guide's samples",
        )
    views_B, samples_B = views_B[here_B], samples_B[here_B]
    own_kind, own = _probe_of(views, views_B, samples_B)
    if kind != own_kind or values.shape != (PAIRS, own.shape[1]) or values.dtype != own.dtype:
        raise Mismatch(
            "the probe of the guide store is of another kind",
            expected=f"{own_kind} {own.dtype}{[PAIRS, own.shape[1]]}, as these images and this view plan have",
            found=f"{kind} {values.dtype}{list(values.shape)}",
            do="use the data set in the form that the store was dumped from",
        )
    difference = values[here_B].astype(np.int64) - own
    if own_kind == "sha256":
        differs_B = difference.any(axis=1)
        bound = "the same pixels"
    else:
        mean_square_B = (difference**2).sum(axis=1) / (PROJECTIONS * math.prod(views.plan.view_shape))
        differs_B = mean_square_B > PROJECTION_RMSE_BOUND**2
        bound = f"pixels within an RMSE of {PROJECTION_RMSE_BOUND} grey levels"
    if not differs_B.any():
        return
    pair = int(np.flatnonzero(differs_B)[0])
    how = "" if own_kind == "sha256" else f", an RMSE of about {math.sqrt(mean_square_B[pair]):.1f}"
    raise Mismatch(
        "these pixels are not the ones that the guide saw",
        expected=f"{bound} in view {views_B[pair]} of {views.images.describe(int(samples_B[pair]))}",
        found=f"others{how}; {int(differs_B.sum())} of {len(views_B)} probed pairs differ",
        do="use the images and the library versions that the store was dumped with, or dump the guide again",
    )


def _probe_of(
    views: ViewRenderer, views_B: IntArray, samples_B: IntArray
) -> tuple[ProbeKind, npt.NDArray[np.uint8] | npt.NDArray[np.int32]]:
    pixels_BIHW = views.pixels(views_B, samples_B).cpu().numpy()
    if views.plan.exact and views.images.digest_kind == "pixels":
        return "sha256", np.stack([_pixel_digest(pixels) for pixels in pixels_BIHW])
    return "projection", _projections(views, pixels_BIHW.reshape(len(pixels_BIHW), -1))


def _pairs(views: ViewRenderer, *ranges: range) -> tuple[IntArray, IntArray]:
    """Returns views and samples of all pairs; pair p is of the range at place p modulo the number of `ranges`."""
    pairs = [_pairs_of(views, one) for one in ranges]
    pair_B = np.arange(PAIRS)
    views_B, samples_B = (np.stack(each)[pair_B % len(ranges), pair_B] for each in zip(*pairs, strict=True))
    return views_B, samples_B


def _pairs_of(views: ViewRenderer, held: range) -> tuple[IntArray, IntArray]:
    if held.start < 0 or not held:
        raise InvalidInput(
            "no views to probe", expected="at least one view", found=f"{len(held)} views from {held.start}"
        )
    words = philox_words(
        views.plan.key16, view=held.start, domain=Domain.PROBE, first_block=0, blocks=2 * PAIRS // 4
    ).reshape(PAIRS, 2)
    return held.start + integer_below(words[:, 0], len(held)), integer_below(words[:, 1], len(views.images))


def _pixel_digest(pixels_IHW: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    content = np.array(pixels_IHW.shape, dtype="<i8").tobytes() + pixels_IHW.tobytes()
    return np.frombuffer(hashlib.sha256(content).digest(), np.uint8)


def _projections(views: ViewRenderer, pixels_BD: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Returns int32 [B, 64]: sums of pixels times +-1 (bit set: +1), with the same signs for every pair."""
    total = np.zeros((len(pixels_BD), PROJECTIONS), np.float64)
    key16, size = views.plan.key16, pixels_BD.shape[1]
    for start in range(0, size, _SLAB):
        stop = min(start + _SLAB, size)
        first_block, blocks = start // 256, -(-(stop - start) // 256)
        signs_PD = np.empty((PROJECTIONS, stop - start), np.float64)
        for projection in range(PROJECTIONS):
            words = philox_words(
                key16, view=projection, domain=Domain.PROBE_SIGNS, first_block=first_block, blocks=blocks
            )
            bits = np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little")
            signs_PD[projection] = bits[: stop - start] * 2.0 - 1.0
        total += pixels_BD[:, start:stop].astype(np.float64) @ signs_PD.T
    assert np.abs(total).max() < 2**31, "a view too large for the probe"
    return total.astype(np.int32)

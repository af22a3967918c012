"""Explains why two splits differ, by the first sample that differs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.datasets.alignment import GuideSamples
from dgkd_cache.datasets.images import Images

__all__ = ["explain_difference"]


def explain_difference(
    images: Images | GuideSamples,
    *,
    label_N: NDArray[np.int64],
    sample_digest_N16: NDArray[np.uint8],
    classes: Sequence[str],
) -> str | None:
    """Returns the first difference of `images` from the recorded classes, labels and sample digests, or None.

    Compared in this order: classes, number of samples, content (a change or another order), labels.
    """
    if tuple(classes) != images.classes:
        return _classes(images.classes, tuple(classes))
    if len(label_N) != len(images):
        return f"{len(images)} samples here, {len(label_N)} recorded"
    here_N, recorded_N = _rows(images.sample_digest_N16), _rows(sample_digest_N16)
    changed = np.flatnonzero(here_N != recorded_N)
    if len(changed):
        first = int(changed[0])
        counted = f"{len(changed)} of {len(images)} samples differ, the first is {images.describe(first)}"
        elsewhere = np.flatnonzero(recorded_N == here_N[first])
        content = f", whose content was recorded as sample {elsewhere[0]}" if len(elsewhere) else ", with other content"
        reordered = np.array_equal(np.sort(here_N), np.sort(recorded_N))
        return ("the same samples in another order: " if reordered else "") + counted + content
    relabelled = np.flatnonzero(images.labels_N != label_N)
    if len(relabelled):
        first = int(relabelled[0])
        return (
            f"{len(relabelled)} of {len(images)} labels differ, the first at {images.describe(first)}: "
            f"{_label(images, images.labels_N[first])} here, {_label(images, label_N[first])} recorded"
        )
    return None


def _classes(here: tuple[str, ...], recorded: tuple[str, ...]) -> str:
    if len(here) != len(recorded):
        only = sorted(set(here) ^ set(recorded))
        return f"{len(here)} classes here, {len(recorded)} recorded; not in both: {', '.join(only[:10])}"
    place = next(i for i, (ours, theirs) in enumerate(zip(here, recorded, strict=True)) if ours != theirs)
    return f"class {place} is {here[place]!r} here, {recorded[place]!r} recorded"


def _rows(digest_N16: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """Returns each digest as one value that numpy can compare and sort."""
    return np.ascontiguousarray(digest_N16).view("S16").ravel()


def _label(images: Images | GuideSamples, label: np.int64) -> str:
    return f"{label} ({images.classes[label]})" if 0 <= label < len(images.classes) else str(label)

"""Explains why two splits differ: by the first sample that differs, and the numbers of those that are new or gone."""

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
    here_N, recorded_N = _rows(images.sample_digest_N16), _rows(sample_digest_N16)
    if len(label_N) != len(images):
        counted = f"{len(images)} samples here, {len(label_N)} recorded"
        return "; ".join([counted, *_new_and_gone(images, here_N, recorded_N)])
    changed = np.flatnonzero(here_N != recorded_N)
    if len(changed):
        first = int(changed[0])
        counted = f"{len(changed)} of {len(images)} samples differ, the first is {images.describe(first)}"
        elsewhere = np.flatnonzero(recorded_N == here_N[first])
        content = f", whose content was recorded as sample {elsewhere[0]}" if len(elsewhere) else ", with other content"
        if np.array_equal(np.sort(here_N), np.sort(recorded_N)):
            return f"the same samples in another order: {counted}{content}"
        # Where a known content is at another place, others came or went before it.
        moved = np.isin(here_N[changed], recorded_N).any()
        return "; ".join([counted + content, *(_new_and_gone(images, here_N, recorded_N) if moved else [])])
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


def _new_and_gone(
    images: Images | GuideSamples, here_N: NDArray[np.bytes_], recorded_N: NDArray[np.bytes_]
) -> list[str]:
    """Returns how many samples have a content that is not recorded, and how many recorded ones are not here."""
    new, gone = np.flatnonzero(~np.isin(here_N, recorded_N)), np.flatnonzero(~np.isin(recorded_N, here_N))
    told = [f"{len(new)} new, the first is {images.describe(int(new[0]))}"] if len(new) else []
    return told + ([f"{len(gone)} gone, the first was sample {gone[0]}"] if len(gone) else [])


def _rows(digest_N16: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """Returns each digest as one value that numpy can compare and sort."""
    return np.ascontiguousarray(digest_N16).view("S16").ravel()


def _label(images: Images | GuideSamples, label: np.int64) -> str:
    return f"{label} ({images.classes[label]})" if 0 <= label < len(images.classes) else str(label)

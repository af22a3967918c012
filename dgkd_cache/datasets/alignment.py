"""Matches the samples of a guide with ours by content: which of our samples is each of its samples.

A sample is known by its digest and its label. Samples that share both, duplicates, are matched in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.datasets.digests import content_digest
from dgkd_cache.datasets.images import Images
from dgkd_cache.errors import Mismatch

__all__ = ["GuideSamples", "match_samples"]

_KINDS = {"pixels": "pixels", "file": "files"}
"""Kinds of sample digests, and what they are of."""

_DO = "use the images and labels that the guide saw, all of them or fewer"


@dataclass(frozen=True, kw_only=True, eq=False)
class GuideSamples:
    """The samples of a guide as its store records them; N samples, C of its classes."""

    guide: str
    """The name of the guide."""
    seal: str
    """The seal of its store."""
    name: str
    split: str
    classes: tuple[str, ...]
    labels_N: NDArray[np.int64]
    sample_digest_N16: NDArray[np.uint8]
    channels: int
    height: int | None
    width: int | None
    digest_kind: str
    decoding: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.labels_N)

    @property
    def digest(self) -> str:
        """The digest of the split, computed from its content, as `Images.digest`."""
        return content_digest(self)

    def describe(self, sample: int) -> str:
        """Describes the sample for a message, such as 'sample 17 (train, class ship)'."""
        return f"sample {sample} ({self.split}, class {self.classes[self.labels_N[sample]]})"


def match_samples(images: Images, guide: GuideSamples, labels_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns int64 (N,): for each sample of the guide the number of ours, or -1 where we do not have it.

    `labels_N` are the guide's labels in our classes, -1 for a class that is not ours. Raises Mismatch, which names the
    first difference, if sample digests are of another kind, and unless one of the two sets of samples has all of the
    other: a changed pixel or label is neither another order nor a subset.
    """
    if guide.digest_kind != images.digest_kind:
        raise Mismatch(
            "the samples of the guide cannot be matched with these images",
            expected=f"digests of {_KINDS[images.digest_kind]}, as {images.name} ({images.split}) has them",
            found=f"digests of {_KINDS[guide.digest_kind]}",
            do="use the data set in the form that the guide was dumped from",
        )
    index_N = _match(_keys(images.sample_digest_N16, images.labels_N), _keys(guide.sample_digest_N16, labels_N))
    missing_N = np.flatnonzero(index_N < 0)
    extra_N = np.setdiff1d(np.arange(len(images)), index_N)
    if len(extra_N) and len(missing_N):
        _refuse_other_labels(images, guide, extra_N, missing_N)
    missing_N = missing_N[labels_N[missing_N] >= 0]
    if len(extra_N) and (len(missing_N) or len(extra_N) == len(images)):
        first = f"the first is {images.describe(int(extra_N[0]))}"
        raise Mismatch(
            "these are not the guide's samples in another order, nor a part of them",
            expected=f"the {len(guide)} samples of the guide, or some of them, or these and more",
            found=f"{len(extra_N)} of {len(images)} samples here have a content that the guide has not, {first}; "
            f"{len(missing_N)} of the guide's are not here",
            do=_DO,
        )
    return index_N


def _refuse_other_labels(
    images: Images, guide: GuideSamples, extra_N: NDArray[np.int64], missing_N: NDArray[np.int64]
) -> None:
    """Raises Mismatch if a sample that is left over here is one of the guide with another label."""
    left, theirs = _digests(images.sample_digest_N16)[extra_N], _digests(guide.sample_digest_N16)[missing_N]
    relabelled_N = extra_N[np.isin(left, theirs)]
    if not len(relabelled_N):
        return
    first = int(relabelled_N[0])
    there = int(missing_N[np.flatnonzero(theirs == _digests(images.sample_digest_N16)[first])[0]])
    raise Mismatch(
        f"{len(relabelled_N)} of {len(images)} samples have another label than the guide's",
        expected=f"class {guide.classes[guide.labels_N[there]]}, as the guide has it for its sample {there}",
        found=f"the same content at {images.describe(first)}",
        do=_DO,
    )


def _match(ours_N: NDArray[np.bytes_], theirs_N: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """Returns the place in `ours_N` of each key in `theirs_N`, the i-th of equal keys for the i-th; -1 for none."""
    _, key_N = np.unique(np.concatenate([ours_N, theirs_N]), return_inverse=True)
    ours, theirs = (_numbered(key_N[part]) for part in (slice(len(ours_N)), slice(len(ours_N), None)))
    order = np.lexsort(ours)
    place_of = np.full(len(theirs_N), -1, np.int64)
    # Pairs (occurrence, key) as one number each, so that they can be searched.
    base = len(key_N) + 1
    sorted_N, wanted_N = (ours[1] * base + ours[0])[order], theirs[1] * base + theirs[0]
    found = np.searchsorted(sorted_N, wanted_N)
    inside = found < len(sorted_N)
    inside[inside] = sorted_N[found[inside]] == wanted_N[inside]
    place_of[inside] = order[found[inside]]
    return place_of


def _numbered(key_N: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns for each key how many equal ones come before it, and the key."""
    order = np.argsort(key_N, kind="stable")
    starts = np.flatnonzero(np.diff(key_N[order], prepend=-1))
    before = np.empty(len(key_N), np.int64)
    before[order] = np.arange(len(key_N)) - np.repeat(starts, np.diff(np.append(starts, len(key_N))))
    return before, key_N


def _keys(digest_N16: NDArray[np.uint8], labels_N: NDArray[np.int64]) -> NDArray[np.bytes_]:
    labels_N8 = np.ascontiguousarray(labels_N, dtype="<i8").view(np.uint8).reshape(-1, 8)
    return np.ascontiguousarray(np.hstack([digest_N16, labels_N8])).view("S24").ravel()


def _digests(digest_N16: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    return np.ascontiguousarray(digest_N16).view("S16").ravel()

"""Aligns our images with the samples of a guide's store: what `[dataset] align` and `GuideBank(align=True)` do."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dgkd_cache.datasets.aligned import AlignedImages
from dgkd_cache.datasets.alignment import GuideSamples
from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.images import Images
from dgkd_cache.datasets.normalisation import mean_and_std
from dgkd_cache.datasets.remarks import say_aligned
from dgkd_cache.errors import Mismatch
from dgkd_stores import GuideStore, one_line

__all__ = ["align_dataset", "align_images", "can_align", "recorded_test", "recorded_train"]


def align_images(images: Images, store: GuideStore, class_map: Mapping[str, str] | None = None) -> AlignedImages:
    """Returns our training images in the order of the guide's samples, and logs how many these are.

    Raises Mismatch, which names the guide and the first difference, as `AlignedImages`.
    """
    try:
        aligned = _train(images, store, class_map)
    except Mismatch as error:
        name = one_line(store.header.guide.called)
        raise Mismatch(
            f"guide {name!r} ({store.path}): {error.problem}", expected=error.expected, found=error.found, do=error.do
        ) from error
    held = "all samples" if aligned.complete else f"{len(aligned.samples_N)} of the {len(aligned)} samples"
    columns = (
        "" if aligned.columns_C is None else f", {len(aligned.classes)} of its {len(aligned.guide.classes)} classes"
    )
    unused = f"; {aligned.unused} samples that it has not are left out" if aligned.unused else ""
    say_aligned(f"{images.name} ({images.split})", f"{held} of guide {store.header.guide.called}{columns}{unused}")
    return aligned


def can_align(images: Images, store: GuideStore) -> bool:
    """Returns True if our training images are the guide's samples in another order, some of them, or these and more."""
    with suppress(Mismatch):
        _train(images, store, None)
        return True
    return False


def align_dataset(dataset: Dataset, path: Path, class_map: Mapping[str, str] | None = None) -> Dataset:
    """Returns the data set with its training images aligned with the guide's store at `path`.

    So are the test images, if they are those of the guide in another order; otherwise they stay as they are. Mean and
    deviation are computed again, over the aligned images, where they were computed from ours. Raises as
    `GuideStore.open` and `align_images`.
    """
    with GuideStore.open(path) as store:
        train, test = align_images(dataset.train, store, class_map), dataset.test
        with suppress(Mismatch):  # which a store without test images raises, too
            aligned = AlignedImages(test, recorded_test(store, test), class_map=class_map)
            test = aligned if aligned.complete and not aligned.unused else test
    constants = dataset.mean, dataset.std
    if constants == mean_and_std(dataset.train):  # computed from these images, not published
        constants = mean_and_std(train)
    return replace(dataset, train=train, test=test, mean=constants[0], std=constants[1])


def recorded_train(store: GuideStore, images: Images) -> GuideSamples:
    """Returns the training samples that the store records, in the size that its view plan has."""
    plan = store.header.plan
    height, width = (_size(plan.get(key), getattr(images, key)) for key in ("height", "width"))
    return replace(_samples(store, images, "decoding"), height=height, width=width)


def recorded_test(store: GuideStore, images: Images) -> GuideSamples:
    """Returns the test samples that the store records, in the size of `images`, our test images."""
    return replace(
        _samples(store, images, "test_decoding"),
        split=images.split,
        labels_N=store.test_label_M.astype(np.int64),
        sample_digest_N16=store.test_sample_digest_M16,
    )


def _train(images: Images, store: GuideStore, class_map: Mapping[str, str] | None) -> AlignedImages:
    return AlignedImages(images, recorded_train(store, images), class_map=class_map)


def _samples(store: GuideStore, images: Images, rules: str) -> GuideSamples:
    """Returns the guide's training samples in the size of `images`; `rules` names how it decoded them."""
    data, decoding = store.header.dataset, store.header.compute.get(rules)
    known = decoding if isinstance(decoding, Mapping) else {}
    return GuideSamples(
        guide=store.header.guide.called,
        seal=str(store.seal),
        name=data.name,
        split=data.split,
        classes=tuple(data.classes),
        labels_N=store.label_N.astype(np.int64),
        sample_digest_N16=store.sample_digest_N16,
        channels=images.channels,
        height=images.height,
        width=images.width,
        digest_kind=data.sample_digest,
        decoding={key: value for key, value in known.items() if isinstance(value, int)},
    )


def _size(recorded: Any, own: int | None) -> int | None:
    """Returns the size that the guide's view plan has, which is None where its images differ in size."""
    return recorded if recorded is None or (isinstance(recorded, int) and 0 < recorded < 2**16) else own

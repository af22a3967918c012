"""Explains a changed data set by its samples: how many differ, are new or gone, and which is the first.

The record of a run has digests of whole splits. A guide store has the digest of each sample, so one in the workspace
that was dumped from the recorded data tells what has changed since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from dgkd_cache.datasets.alignment import GuideSamples
from dgkd_cache.datasets.compare import explain_difference
from dgkd_cache.datasets.images import Images
from dgkd_cache.errors import DgkdError
from dgkd_cache.guides.align import recorded_test, recorded_train
from dgkd_cache.workspace.run_inputs import recorded_value
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore

__all__ = ["explain_data"]


def explain_data(ws: Workspace, before: Mapping[str, str]) -> str:
    """Returns how the data set differs from that of `before`, the record of a run, as clauses that end a reason.

    It is empty if the data set is the recorded one, and where no store here has the recorded samples.
    """
    dataset, told = ws.dataset(), ""
    for key, images, samples_of in (
        ("dataset.digest", dataset.train, recorded_train),
        ("dataset.test_digest", dataset.test, recorded_test),
    ):
        recorded = recorded_value(before, key)
        if recorded in (None, images.digest) or (samples := _recorded(ws, images, samples_of, recorded)) is None:
            continue
        difference = explain_difference(
            images,
            label_N=samples.labels_N,
            sample_digest_N16=samples.sample_digest_N16,
            classes=samples.classes,
        )
        told += f"; {images.split} images: {difference}" if difference else ""
    return told


def _recorded(
    ws: Workspace, images: Images, samples_of: Callable[[GuideStore, Images], GuideSamples], digest: object
) -> GuideSamples | None:
    """Returns the samples of the split with this digest, by the first store that was dumped from it."""
    for name in ws.stores():
        with suppress(DgkdError, OSError), GuideStore.open(ws.store_path(name), allow_incomplete=True) as store:
            samples = samples_of(store, images)
            if samples.digest == digest:
                return samples
    return None

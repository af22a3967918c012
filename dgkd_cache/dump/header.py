"""StoreDraft: a guide's store before it is written, with its header and its identity arrays.

They tell a student which guide it has, and that it sees the samples and views that the guide saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.datasets.dataset import decoding_record
from dgkd_cache.device.environment import MACHINE
from dgkd_cache.dump.encoding_error import (
    describe_error,
    encoding_error_rows,
    measure_encoding_error,
    tell_of_other_temperatures,
    warn_of_error,
)
from dgkd_cache.dump.label_order import tell_of_labels, warn_of_unmixed
from dgkd_cache.dump.logit_source import LogitSource
from dgkd_cache.errors import Mismatch
from dgkd_cache.progress import Progress
from dgkd_cache.views.probe import make_probe
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import (
    ChunkSlot,
    DatasetIdentity,
    GuideIdentity,
    IdentityArrays,
    StoreHeader,
    decimal,
    default_digest_rows,
)
from dgkd_stores.arguments import require_integer

__all__ = ["StoreDraft", "draft_header"]


@dataclass(frozen=True, kw_only=True)
class StoreDraft:
    """A guide's store before it is written: the header without accuracy and encoding error, and what measures them."""

    header: StoreHeader
    logits: LogitSource
    train: ViewRenderer
    test: ViewRenderer | None
    """The test images; None if there are no logits of them, which only a guide of given logits may lack."""
    width: int | None = None
    """The coefficients of a row in the encoding `factored`; None for a model that does not end in a linear layer."""

    @property
    def forwards(self) -> int:
        """The number of samples that a dump of all views forwards.

        Those of every view, of the test set, the rows that judge its encoding, and the first batch once more, of a draw
        twice.
        """
        samples, tests = len(self.train.images), self.header.dataset.test_samples
        rehearsed = min(self.logits.settings.batch_size, tests) * (1 if self.header.guide.draw is None else 2)
        return self.header.views * samples + tests + encoding_error_rows(samples) + rehearsed

    def rehearse(self, view: int) -> Iterator[int]:
        """Forwards a view in the batches of a dump and writes nothing: the size of each batch, once it is done."""
        require_integer("StoreDraft.rehearse", "view", view, low=0)
        return map(len, self.logits.of_view(self.train, view, len(self.train.images)))

    def like(self, held: StoreHeader) -> StoreHeader:
        """Returns the header with what a finished store has of no setting: measurements, machine, size of blocks."""
        by_settings = {name: value for name, value in self.header.compute.items() if name not in MACHINE}
        of_machine = {name: value for name, value in held.compute.items() if name in MACHINE}
        return replace(
            self.header,
            compute=by_settings | of_machine,
            fidelity=held.fidelity,
            digest_rows=held.digest_rows,
            guide=replace(self.header.guide, accuracy=held.guide.accuracy),
        )

    def complete(self, verb: str, progress: Progress) -> tuple[StoreHeader, IdentityArrays]:
        """Forwards the test set and the fixed rows, and returns the complete header and the identity arrays.

        The bar shows `verb`, and in the end the accuracy.
        """
        rows, tests = encoding_error_rows(len(self.train.images)), self.header.dataset.test_samples
        what = f"{verb} {self.header.guide.called}, {'test set and ' if tests else ''}encoding"
        progress.start(what, total=tests + rows, unit="samples")
        form = self.logits.form
        test_rows_MF = self.test_rows(progress)
        accuracy, scored = "", "no logits of the test set"
        if self.test is not None:
            share = form.correct(test_rows_MF, self.test.images.labels_N) / tests
            accuracy, scored = decimal(round(share, 6)), f"test accuracy {100 * share:.2f} %"
        exact_BC = self.logits.of_first_rows(self.train, self.header.first_view, rows, progress)
        fidelity = measure_encoding_error(exact_BC, form.encoding)
        error = describe_error(self.header.encoding, fidelity)
        progress.finish(f"{scored}, {error}")
        if self.header.guide.identity is not None:
            self._compare_with_labels(exact_BC, progress)
        warn_of_error(self.header.guide.called, self.header.encoding, fidelity, progress)
        tell_of_other_temperatures(self.header.guide.called, exact_BC, form.encoding, progress)
        header = replace(
            self.header,
            guide=replace(self.header.guide, accuracy=accuracy),
            fidelity=fidelity,
        )
        return header, self.arrays(header, test_rows_MF)

    def test_rows(self, progress: Progress) -> NDArray[np.float32]:
        """Returns the condensed rows of the test set, float32 (M, F); none where there is no test set."""
        if self.test is None:
            return np.zeros((0, self.logits.form.encoding.columns(self.header.classes)), np.float32)
        return self.logits.of_images(self.test, progress)

    def rows(
        self, slots: Sequence[ChunkSlot], verb: str, noun: str, progress: Progress, stop: Callable[[], bool]
    ) -> Iterator[tuple[ChunkSlot, NDArray[np.float32]]]:
        """Yields each chunk and its rows, softened and condensed; the bar shows `verb`, an error `noun`."""
        guide, total = self.header.guide.called, sum(slot.stop - slot.start for slot in slots)
        progress.start(f"{verb} {guide}", total=total, unit="samples")
        yield from self.logits.of_chunks(self.train, slots, f"{noun} of {guide}", progress, stop)
        progress.finish()

    def _compare_with_labels(self, logits_NC: NDArray[np.float32], progress: Progress) -> None:
        """Warns of the first rows of a program that are hardly those of their samples, or of unmixed images."""
        guide, samples_N = self.header.guide.called, np.arange(len(logits_NC))
        labels_N = self.train.images.labels_N
        mixed = self.train.mixed_with(np.full_like(samples_N, self.header.first_view), samples_N)
        if mixed is None:
            tell_of_labels(logits_NC, labels_N[samples_N], guide, progress)
            return
        (partners_N, share_N), own_N = mixed, labels_N[samples_N]
        # The larger part of an image is what a guide sees first.
        tell_of_labels(logits_NC, np.where(share_N >= 0.5, own_N, labels_N[partners_N]), guide, progress)
        warn_of_unmixed(logits_NC, own_N, labels_N[partners_N], share_N, guide, progress)

    def arrays(self, header: StoreHeader, test_rows_MF: NDArray[np.float32]) -> IdentityArrays:
        """Returns the arrays of the store with that header; `test_rows_MF` are of the test set, condensed."""
        images, views = self.train.images, header.view_range
        tests = self.test.images if self.test is not None else None
        kind, probe = make_probe(self.train, views.start, len(views))
        assert kind == header.probe, "the probe and the header take their kind from the same rule"
        digests = [self.train.plan.view_digest(view, len(images)) for view in views]
        return IdentityArrays(
            label_N=images.labels_N,
            sample_digest_N16=images.sample_digest_N16,
            view_digest_V32=np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
            probe=probe,
            test_logits_MC=test_rows_MF,
            test_label_M=tests.labels_N if tests is not None else np.zeros(0, np.int64),
            test_sample_digest_M16=tests.sample_digest_N16 if tests is not None else np.zeros((0, 16), np.uint8),
            shared=self.logits.form.shared,
            condensed=True,
        )


def draft_header(
    guide: GuideIdentity, logits: LogitSource, train: ViewRenderer, test: ViewRenderer | None, views: range
) -> StoreHeader:
    """Returns the header without what only the forward pass tells: accuracy and encoding error.

    Without `test` it says that there are no test samples. Raises Mismatch where training and test images have different
    classes.
    """
    images, plan, settings = train.images, train.plan, logits.settings
    tests = test.images if test is not None else None
    if tests is not None and images.classes != tests.classes:
        raise Mismatch(
            "training and test images have different classes",
            expected=", ".join(images.classes[:8]),
            found=", ".join(tests.classes[:8]),
        )
    exact = plan.exact and images.digest_kind == "pixels"
    return StoreHeader(
        dataset=DatasetIdentity(
            name=images.name,
            split=images.split,
            classes=images.classes,
            samples=len(images),
            test_samples=len(tests) if tests is not None else 0,
            digest=images.digest,
            sample_digest=images.digest_kind,
        ),
        plan=plan.to_dict(),
        plan_digest=plan.digest,
        first_view=views.start,
        views=len(views),
        guide=guide,
        encoding=settings.encoding,
        fidelity={"kl": "0", "top1": "1", "rows": 0},
        temperature=decimal(settings.temperature),
        digest_rows=default_digest_rows(logits.form.encoding.row_bytes(len(images.classes))),
        probe="sha256" if exact else "projection",
        compute={
            **logits.compute,
            "batch": settings.batch_size,
            **decoding_record(images, tests),
        },
        licence=settings.licence,
        encoding_settings=logits.form.settings,
    )

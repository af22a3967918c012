"""StoreDraft: a guide's store before it is written, with its header and its identity arrays.

They tell a student which guide it has, and that it sees the samples and views that the guide saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.datasets.dataset import decoding_record
from dgkd_cache.device.environment import MACHINE, describe
from dgkd_cache.dump.encoding_error import (
    describe_error,
    encoding_error_rows,
    measure_encoding_error,
    warn_of_error,
)
from dgkd_cache.dump.inference import GuideLogits
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
    logits: GuideLogits
    train: ViewRenderer
    test: ViewRenderer
    width: int | None = None
    """The coefficients of a row in the encoding `factored`; None for a model that does not end in a linear layer."""

    @property
    def forwards(self) -> int:
        """The number of samples that a dump of all views forwards.

        Those of every view, of the test set, the rows that judge its encoding, and the first batch once more.
        """
        samples, tests = len(self.train.images), len(self.test.images)
        rehearsed = min(self.logits.settings.batch_size, tests)
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
        rows, tests = encoding_error_rows(len(self.train.images)), len(self.test.images)
        what = f"{verb} {self.header.guide.name}, test set and encoding"
        progress.start(what, total=tests + rows, unit="samples")
        form = self.logits.form
        test_rows_MF = self.logits.of_images(self.test, progress)
        accuracy = form.correct(test_rows_MF, self.test.images.labels_N) / tests
        exact_BC = self.logits.of_first_rows(self.train, self.header.first_view, rows, progress)
        fidelity = measure_encoding_error(exact_BC, form.encoding)
        error = describe_error(self.header.encoding, fidelity)
        progress.finish(f"test accuracy {100 * accuracy:.2f} %, {error}")
        warn_of_error(self.header.guide.name, self.header.encoding, fidelity, progress)
        header = replace(
            self.header,
            guide=replace(self.header.guide, accuracy=decimal(round(accuracy, 6))),
            fidelity=fidelity,
        )
        return header, self.arrays(header, test_rows_MF)

    def rows(
        self, slots: Sequence[ChunkSlot], verb: str, noun: str, progress: Progress, stop: Callable[[], bool]
    ) -> Iterator[tuple[ChunkSlot, NDArray[np.float32]]]:
        """Yields each chunk and its rows, softened and condensed; the bar shows `verb`, an error `noun`."""
        guide, total = self.header.guide.name, sum(slot.stop - slot.start for slot in slots)
        progress.start(f"{verb} {guide}", total=total, unit="samples")
        yield from self.logits.of_chunks(self.train, slots, f"{noun} of {guide}", progress, stop)
        progress.finish()

    def arrays(self, header: StoreHeader, test_rows_MF: NDArray[np.float32]) -> IdentityArrays:
        """Returns the arrays of the store with that header; `test_rows_MF` are of the test set, condensed."""
        images, tests, views = self.train.images, self.test.images, header.view_range
        kind, probe = make_probe(self.train, views.start, len(views))
        assert kind == header.probe, "the probe and the header take their kind from the same rule"
        digests = [self.train.plan.view_digest(view, len(images)) for view in views]
        return IdentityArrays(
            label_N=images.labels_N,
            sample_digest_N16=images.sample_digest_N16,
            view_digest_V32=np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
            probe=probe,
            test_logits_MC=test_rows_MF,
            test_label_M=tests.labels_N,
            test_sample_digest_M16=tests.sample_digest_N16,
            shared=self.logits.form.shared,
            condensed=True,
        )


def draft_header(
    guide: GuideIdentity, logits: GuideLogits, train: ViewRenderer, test: ViewRenderer, views: range
) -> StoreHeader:
    """Returns the header without what only the forward pass tells: accuracy and encoding error.

    Raises Mismatch where training and test images have different classes.
    """
    images, tests, plan, settings = train.images, test.images, train.plan, logits.settings
    if images.classes != tests.classes:
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
            test_samples=len(tests),
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
            **describe(logits.device, settings.precision),
            "batch": settings.batch_size,
            **decoding_record(images, tests),
        },
        licence=settings.licence,
        encoding_settings=logits.form.settings,
    )

"""GuideWriter: runs a finished model once over every view of every sample and writes its guide store.

Stopped at any point and run again, it keeps what has a digest, computes the rest, and ends in the same bytes: batches
are cut within chunks, never by where it stopped, because logits change in the last bit with the batch they are in.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from dgkd_cache.device.device import usable_device
from dgkd_cache.dump.header import StoreDraft, draft_header
from dgkd_cache.dump.inference import GuideLogits
from dgkd_cache.dump.linear_head import linear_width
from dgkd_cache.dump.provenance import Provenance
from dgkd_cache.dump.row_form import RowForm
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.dump.writer_arguments import check_run, check_writer
from dgkd_cache.models.rehearsal import Rehearsal, require_evaluation_mode
from dgkd_cache.models.weights import check_state
from dgkd_cache.progress import Progress, Silent
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import GuideStore, GuideStoreWriter, check_same_header
from dgkd_stores.disk import ViewLock, full_disk, make_folder, sweep

__all__ = ["Dumped", "GuideWriter"]

DEFAULT_SETTINGS = DumpSettings()


@dataclass(frozen=True, kw_only=True)
class Dumped:
    """The result of a dump: `seal` is None while other writers still have views to write."""

    path: Path
    seal: str | None
    views: range
    nbytes: int


class GuideWriter:
    """Writes the store of one guide.

    `model` is the guide, whose weights are its identity, in evaluation mode; `forward` takes uint8 pixels (B, I, H, W)
    on `device`, normalises them and returns the model's logits (B, C); it is called without gradients, and on the
    processor from several threads at once, each with one of torch's. `guide` says who it is. `train` and `test` bind
    the view plan to the training and the test images, and `views` are the numbers of the views that the store holds.

    The first batch is forwarded twice before anything is written. Refused are a model with a part in training mode, and
    a `forward` that returns other logits the second time, changes pixels or buffers, uses weights that are not the
    model's, or returns probabilities. Raises InvalidInput for these, for arguments that make no sense and for logits
    that the encoding cannot hold, Mismatch when the store is there with another header (other weights, views,
    temperature, environment), Locked when another process writes these views, NoSpace when the disk is full.
    """

    draft: StoreDraft
    """The header of the store to be, and the forward pass that completes it."""

    def __init__(
        self,
        path: os.PathLike[str] | str,
        model: nn.Module,
        forward: Callable[[Tensor], Tensor],
        *,
        guide: Provenance,
        train: ViewRenderer,
        test: ViewRenderer,
        views: range,
        settings: DumpSettings = DEFAULT_SETTINGS,
        device: torch.device | str = "cpu",
    ) -> None:
        check_writer(path, model, forward, guide=guide, train=train, test=test, views=views, settings=settings)
        check_state(model)  # first: what quantize_dynamic makes says that it is in training mode
        require_evaluation_mode(model, guide.name)
        where = usable_device(device, call="GuideWriter")
        rehearsal = Rehearsal(
            model,
            what=f"guide {guide.name!r}",
            device=where,
            precision=settings.precision,
            classes=len(train.images.classes),
            accept_probabilities=settings.accept_probabilities,
        )
        classes = len(train.images.classes)
        form = RowForm.of_guide(model, settings, classes=classes, device=where, what=f"guide {guide.name!r}")
        logits = GuideLogits(forward=forward, rehearsal=rehearsal, device=where, settings=settings, form=form)
        header = draft_header(guide.identity_of(model), logits, train, test, views)
        width = linear_width(model, classes)
        self.draft = StoreDraft(header=header, logits=logits, train=train, test=test, width=width)
        self._path = Path(path)

    def run(
        self,
        *,
        mine: range | None = None,
        take_over: bool = False,
        progress: Progress | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Dumped:
        """Writes what is missing and seals the store once every view of it is there.

        `mine` are the views that this process writes (default: all). `take_over` takes a process of another host that
        holds them for dead. A finished store of the same guide is left as it is, whatever machine dumped it. `progress`
        is told what is done, as `PrintProgress()` (default: nothing is told). `stop` is asked between batches; when it
        says so, what is finished stays and Interrupted is raised.

        Raises InvalidInput for arguments of another kind, Interrupted, and the errors of the class.
        """
        check_run(self.draft.header.view_range, mine, take_over, progress, stop)
        progress, began = progress or Silent(), time.perf_counter()
        done = self._find_finished()
        if done is not None:
            sweep(self._path, take_over=take_over, stop=stop)
            progress.say(f"{self._path} is finished: nothing to do")
            return done
        mine = mine if mine is not None else self.draft.header.view_range
        with full_disk(self._path):
            make_folder(self._path.parent)
        # Whoever holds these views is named now, not once the test set was forwarded; the writer locks for itself.
        ViewLock(self._path, mine, guide=self.draft.header.guide.name, take_over=take_over, stop=stop).release()
        header, identity = self.draft.complete("dump", progress)
        codec = self.draft.logits.settings.codec
        with GuideStoreWriter(
            self._path, header, identity, views=mine, codec=codec, take_over=take_over, stop=stop
        ) as writer:
            self._write_missing(writer, len(mine), began, progress, stop)
            seal = writer.seal()
            progress.finish()
        size = sum(file.stat().st_size for file in self._path.rglob("*") if file.is_file())
        return Dumped(path=self._path, seal=seal, views=header.view_range, nbytes=size)

    def _write_missing(
        self, writer: GuideStoreWriter, views: int, began: float, progress: Progress, stop: Callable[[], bool]
    ) -> None:
        """Writes each chunk that is missing in this process's `views`; its time is counted from `began` on."""
        name, train = self.draft.header.guide.name, self.draft.train
        slots = list(writer.missing())
        total = views * len(train.images)
        done = total - sum(slot.stop - slot.start for slot in slots)
        spent = time.perf_counter() - began
        amount = f"{views:,} {'view' if views == 1 else 'views'} of {len(train.images):,} samples"
        progress.start(f"dump {name}", total=total, unit="samples", amount=amount, done=done, seconds=spent)
        chunks = self.draft.logits.of_chunks(train, slots, f"dump of {name}", progress, stop)
        # A chunk is hashed, written and synced while the next one is forwarded: two are in memory.
        with ThreadPoolExecutor(1, thread_name_prefix="dgkd-write") as thread:
            written: Future[None] | None = None
            for slot, rows_SC in chunks:
                if written is not None:
                    written.result()
                written = thread.submit(writer.write, slot, rows_SC, condensed=True)
            if written is not None:
                written.result()

    def _find_finished(self) -> Dumped | None:
        """Returns the result of an earlier dump, if the store is sealed. Raises Mismatch if a setting is not ours."""
        if not self._path.exists():
            return None
        with GuideStore.open(self._path, allow_incomplete=True) as store:
            check_same_header(self._path, stored=store.header, given=self.draft.like(store.header))
            if store.seal is None:
                return None
            return Dumped(path=self._path, seal=store.seal, views=store.views, nbytes=store.nbytes)

"""GuideWriter: runs a finished model once over every view of every sample and writes its guide store.

Logits may also be given by a program, as the rows of a guide without a model.

Stopped at any point and run again, it keeps what has a digest, computes the rest, and ends in the same bytes: batches
are cut within chunks, never by where it stopped, because logits change in the last bit with the batch they are in.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from dgkd_cache.device.device import usable_device
from dgkd_cache.dump.draws import Draw
from dgkd_cache.dump.given_logits import GivenLogits
from dgkd_cache.dump.header import StoreDraft, draft_header
from dgkd_cache.dump.inference import GuideLogits
from dgkd_cache.dump.linear_head import linear_width
from dgkd_cache.dump.logit_blocks import (
    AskedFor,
    AskedForTests,
    BlockOrder,
    Blocks,
    Iterated,
    LogitsFunction,
    LogitsIterator,
    TestLogitsFunction,
)
from dgkd_cache.dump.provenance import Provenance
from dgkd_cache.dump.repair import restore_lost
from dgkd_cache.dump.row_form import RowForm
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.dump.writer_arguments import (
    check_draw,
    check_logits_writer,
    check_repair,
    check_run,
    check_writer,
)
from dgkd_cache.models.rehearsal import Rehearsal, require_evaluation_mode
from dgkd_cache.models.weights import check_state
from dgkd_cache.progress import Progress, Silent, counted
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import (
    ChunkSlot,
    GuideStore,
    GuideStoreWriter,
    JsonValue,
    StoreRepair,
    check_same_header,
    draw_name,
)
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
    """Writes the store of one guide; `GuideWriter.from_logits` that of one whose logits a program gives.

    `model` is the guide, whose weights are its identity, in evaluation mode; `forward` takes uint8 pixels (B, I, H, W)
    on `device`, normalises them and returns the model's logits (B, C); it is called without gradients, and on the
    processor from several threads at once, each with one of torch's. `guide` says who it is. `train` and `test` bind
    the view plan to the training and the test images, and `views` are the numbers of the views that the store holds.

    With `draw`, the rows are those of the draw of that number, a pass with the model's dropout layers active and all
    else as in evaluation; students then have it as a guide of its own, called NAME.dNUMBER. What is dropped for a
    sample depends on the weights, the layer, draw, view and sample alone. Refused are a model without dropout layers,
    one whose layers do not have the samples as their first dimension, and one that has other randomness in training
    mode.

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
        draw: int | None = None,
    ) -> None:
        check_writer(path, model, forward, guide=guide, train=train, test=test, views=views, settings=settings)
        check_draw(draw)
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
        identity, drawn = guide.identity_of(model), None
        if draw is not None:
            what = f"guide {draw_name(guide.name, draw)!r}"
            drawn = Draw(model, number=int(draw), weights_digest=identity.weights_digest, what=what)
            identity = identity.of_draw(drawn.number, drawn.rates)
        logits = GuideLogits(
            forward=forward, rehearsal=rehearsal, device=where, settings=settings, form=form, draw=drawn
        )
        header = draft_header(identity, logits, train, test, views)
        width = linear_width(model, classes)
        self.draft = StoreDraft(header=header, logits=logits, train=train, test=test, width=width)
        self._path = Path(path)

    @classmethod
    def from_logits(
        cls,
        path: os.PathLike[str] | str,
        logits: LogitsFunction | None = None,
        *,
        iterator: LogitsIterator | None = None,
        identity: Mapping[str, JsonValue],
        guide: Provenance,
        train: ViewRenderer,
        views: range,
        test: ViewRenderer | None = None,
        test_logits: TestLogitsFunction | None = None,
        settings: DumpSettings = DEFAULT_SETTINGS,
    ) -> Self:
        """Returns the writer of a guide without a model: its logits come from a program, a service or a file.

        They are asked for in blocks of `settings.batch_size` samples of a view, in the order of views and samples (the
        last block of a view may be shorter), on the thread of `run`. `logits(view, samples_B)` gets a number and int64
        (B,) and returns (B, C), in any array of floats. In its place `iterator(block)` returns an iterator over the
        logits of that block (a `dgkd_stores.ChunkSlot`: view, start, stop) and of all after it; it is called again
        where a dump is taken up. Pixels are those of `train.pixels([view] * len(samples_B), samples_B)`; where the plan
        mixes samples, these are mixed, and a program with images of its own has to mix them by the plan.

        `identity` is a JSON object that says which logits these are; SHA-256 of its canonical JSON stands for the
        digest of weights, and the header keeps it. `test` and `test_logits(samples_B)`, of images that are not
        augmented (`test.evaluation_pixels(samples_B)`), come together; without them the store has no test set and no
        accuracy.

        Before anything is written, the first two blocks are asked for and the second again: other bits are refused, and
        so are probabilities. A dump that is taken up asks for the last written block once more. Raises InvalidInput for
        these, for arguments that make no sense, for what is no array (B, C) of finite floats, and for an iterator that
        ends too early or gives too much; Mismatch for another number of classes, for a store with another header
        (identity, views, temperature) and for one whose rows differ. An error of the program's own goes through with a
        note, and what is written stays. Locked and NoSpace are raised as by the class.
        """
        given = {"path": path, "logits": logits, "iterator": iterator, "guide": guide, "train": train, "test": test}
        check_logits_writer(**given, test_logits=test_logits, views=views, settings=settings)
        images, what = train.images, f"guide {guide.name!r}"
        order = BlockOrder(views=views, samples=len(images), batch=settings.batch_size)
        if logits is not None:
            blocks: Blocks = AskedFor(logits)
        else:
            assert iterator is not None, "one of both was required above"
            blocks = Iterated(iterator, order, what=what)
        source = GivenLogits(
            blocks,
            order,
            tests=AskedForTests(test_logits) if test_logits is not None else None,
            classes=len(images.classes),
            settings=settings,
            form=RowForm.of_logits(settings, classes=len(images.classes), what=what),
            what=what,
        )
        writer = cls.__new__(cls)
        header = draft_header(guide.identity_of_logits(identity), source, train, test, views)
        writer.draft = StoreDraft(header=header, logits=source, train=train, test=test)
        writer._path = Path(path)
        return writer

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
        ViewLock(self._path, mine, guide=self.draft.header.guide.called, take_over=take_over, stop=stop).release()
        header, identity = self.draft.complete("dump", progress)
        codec = self.draft.logits.settings.codec
        with GuideStoreWriter(
            self._path, header, identity, views=mine, codec=codec, take_over=take_over, stop=stop
        ) as writer:
            missing = list(writer.missing())
            self.draft.logits.check_resumed(self._path, missing[0] if missing else None, mine)
            self._write(writer, missing, len(mine), began, progress, stop)
            seal = writer.seal()
            progress.finish()
        return self._written(seal)

    def repair(
        self, *, take_over: bool = False, progress: Progress | None = None, stop: Callable[[], bool] = lambda: False
    ) -> Dumped:
        """Restores what the damaged store at the path has lost, and changes nothing else; `take_over` as in `run`.

        Rows that no digest proves any more are computed again, or asked for again, and must be those that were sealed.
        An unfinished store is completed. Raises Mismatch where they are not, or for the store of another guide,
        InvalidInput for arguments of another kind, Interrupted, NoSpace, and as `dgkd_stores.StoreRepair`.
        """
        check_repair(take_over, progress, stop)
        progress = progress or Silent()
        report = counted(progress, f"check {self._path.name}")
        with StoreRepair(self._path, take_over=take_over, report=report, stop=stop) as store:
            progress.finish()
            store.mend()
            if store.lost_chunks or store.lost_arrays:
                restore_lost(self.draft, store, progress=progress, stop=stop)
            seal = store.finish()
        return self._written(seal)

    def _write(
        self,
        writer: GuideStoreWriter,
        slots: list[ChunkSlot],
        views: int,
        began: float,
        progress: Progress,
        stop: Callable[[], bool],
    ) -> None:
        """Writes the chunks that are missing in this process's `views`; its time is counted from `began` on."""
        name, train = self.draft.header.guide.called, self.draft.train
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

    def _written(self, seal: str | None) -> Dumped:
        size = sum(file.stat().st_size for file in self._path.rglob("*") if file.is_file())
        return Dumped(path=self._path, seal=seal, views=self.draft.header.view_range, nbytes=size)

    def _find_finished(self) -> Dumped | None:
        """Returns the result of an earlier dump, if the store is sealed. Raises Mismatch if a setting is not ours."""
        if not self._path.exists():
            return None
        with GuideStore.open(self._path, allow_incomplete=True) as store:
            check_same_header(self._path, stored=store.header, given=self.draft.like(store.header))
            if store.seal is None:
                return None
            return Dumped(path=self._path, seal=store.seal, views=store.views, nbytes=store.nbytes)

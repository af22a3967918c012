"""GuideWriter: runs a finished model once over every view of every sample and writes its guide store.

Stopped at any point and run again, it keeps what has a digest, computes the rest, and ends in the same bytes: batches
are cut within chunks, never by where it stopped, because logits change in the last bit with the batch they are in.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dgkd_cache.datasets.dataset import decoding_record
from dgkd_cache.device.device import usable_device
from dgkd_cache.device.environment import describe
from dgkd_cache.dump.encoding_error import encoding_error_rows, measure_encoding_error
from dgkd_cache.dump.header import draft_header, guide_identity, identity_arrays
from dgkd_cache.dump.inference import GuideLogits
from dgkd_cache.dump.writer_arguments import check_run, check_writer
from dgkd_cache.errors import Interrupted, Mismatch
from dgkd_cache.models.rehearsal import Rehearsal, require_evaluation_mode
from dgkd_cache.models.weights import checked_state
from dgkd_cache.progress import Progress, Silent
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import (
    ChunkSlot,
    GuideStore,
    GuideStoreWriter,
    IdentityArrays,
    StoreHeader,
    StoreRepair,
    check_same_header,
    decimal,
    differing_keys,
    require_integer,
    require_kind,
)
from dgkd_stores.disk import ViewLock, full_disk, make_folder, sweep

__all__ = ["Dumped", "GuideWriter"]


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
    processor from several threads at once, each with one of torch's. `train` and `test` bind the view plan to the
    training and the test images, `views` are the numbers of the views to write, and `mine` (default: all) those that
    this process writes. `take_over` takes a process of another host that holds them for dead; `codec` compresses the
    rows of a store that is begun. `accept_probabilities` takes rows that look like probabilities for logits all the
    same. The rest is the guide's identity.

    The first batch is forwarded twice before anything is written: see `Rehearsal` for what is refused then. Raises
    InvalidInput for arguments that make no sense and for logits that `encoding` cannot hold, Mismatch when the store is
    there with another header (other weights, views, temperature, environment), Locked when another process writes
    these views, NoSpace when the disk is full.
    """

    def __init__(
        self,
        path: os.PathLike[str] | str,
        model: nn.Module,
        forward: Callable[[Tensor], Tensor],
        *,
        name: str,
        train: ViewRenderer,
        test: ViewRenderer,
        views: range,
        mine: range | None = None,
        take_over: bool = False,
        temperature: float = 4.0,
        encoding: str = "float16",
        codec: str = "none",
        batch_size: int = 512,
        device: torch.device | str = "cpu",
        precision: str = "float32",
        workers: int = 0,
        architecture: str = "",
        training: Mapping[str, Any] | None = None,
        guides: Mapping[str, str] | None = None,
        licence: str = "",
        accept_probabilities: bool = False,
    ) -> None:
        check_writer(
            path=path,
            model=model,
            forward=forward,
            name=name,
            train=train,
            test=test,
            views=views,
            mine=mine,
            temperature=temperature,
            encoding=encoding,
            codec=codec,
            batch_size=batch_size,
            precision=precision,
            workers=workers,
            take_over=take_over,
            architecture=architecture,
            training=training,
            guides=guides,
            licence=licence,
            accept_probabilities=accept_probabilities,
        )
        checked_state(model)  # first: what quantize_dynamic makes says that it is in training mode
        require_evaluation_mode(model, name)
        where = usable_device(device, call="GuideWriter")
        self._path = Path(path)
        self._train, self._test, self._mine = train, test, mine
        self._codec, self._take_over = codec, take_over
        self._logits = GuideLogits(
            forward=forward,
            rehearsal=Rehearsal(
                model,
                what=f"guide {name!r}",
                device=where,
                precision=precision,
                classes=len(train.images.classes),
                accept_probabilities=accept_probabilities,
            ),
            device=where,
            precision=precision,
            temperature=float(temperature),
            encoding=encoding,
            batch_size=int(batch_size),
            workers=int(workers),
        )
        self._guide = guide_identity(model, name, architecture=architecture, training=training, guides=guides)
        self._header = draft_header(
            self._guide,
            train,
            test,
            views=views,
            encoding=encoding,
            temperature=self._logits.temperature,
            compute={
                **describe(self._logits.device, self._logits.precision),
                "batch": self._logits.batch_size,
                **decoding_record(train.images, test.images),
            },
            licence=licence,
        )

    @property
    def header(self) -> StoreHeader:
        """The header of the store to be, but for what only the forward pass can tell: accuracy and encoding error."""
        return self._header

    @property
    def forwards(self) -> int:
        """Samples that a dump of all views forwards.

        Those of every view, of the test set, the rows that judge its encoding, and the first batch once more.
        """
        samples, tests = len(self._train.images), len(self._test.images)
        rehearsed = min(self._logits.batch_size, tests)
        return self._header.views * samples + tests + encoding_error_rows(samples) + rehearsed

    def rehearse(self, view: int) -> Iterator[int]:
        """Forwards a view in the batches of a dump and writes nothing: the size of each batch, once it is done."""
        require_integer("GuideWriter.rehearse", "view", view, low=0)
        return map(len, self._logits.of_view(self._train, view, len(self._train.images)))

    def run(self, *, progress: Progress | None = None, stop: Callable[[], bool] = lambda: False) -> Dumped:
        """Writes what is missing and seals the store once every view of it is there.

        A finished store of the same guide is left as it is. `stop` is asked between batches; when it says so, what is
        finished stays and Interrupted is raised.
        """
        check_run("GuideWriter.run", progress, stop)
        progress, began = progress or Silent(), time.perf_counter()
        done = self._finished()
        if done is not None:
            sweep(self._path, take_over=self._take_over, stop=stop)
            progress.say(f"{self._path} is finished: nothing to do")
            return done
        mine = self._mine if self._mine is not None else self._header.view_range
        with full_disk(self._path):
            make_folder(self._path.parent)
        # Whoever holds these views is named now, not once the test set was forwarded; the writer locks for itself.
        ViewLock(self._path, mine, guide=self._guide.name, take_over=self._take_over, stop=stop).release()
        header, identity = self._complete()
        with GuideStoreWriter(
            self._path, header, identity, views=mine, codec=self._codec, take_over=self._take_over, stop=stop
        ) as writer:
            slots = list(writer.missing())
            rows = len(self._train.images)
            total = len(mine) * rows
            missing = sum(slot.stop - slot.start for slot in slots)
            spent = time.perf_counter() - began
            progress.start(
                f"dump {header.guide.name}", total=total, unit="samples", done=total - missing, seconds=spent
            )
            # A chunk is hashed, written and synced while the next one is forwarded: two are in memory.
            with ThreadPoolExecutor(1, thread_name_prefix="dgkd-write") as thread:
                written: Future[None] | None = None
                for slot, rows_SC in self._logits.of_chunks(self._train, slots, self._told("dump", progress, stop)):
                    if written is not None:
                        written.result()
                    written = thread.submit(writer.write, slot, rows_SC)
                if written is not None:
                    written.result()
            seal = writer.seal()
            progress.finish()
        size = sum(file.stat().st_size for file in self._path.rglob("*") if file.is_file())
        return Dumped(path=self._path, seal=seal, views=header.view_range, nbytes=size)

    def repair(
        self, store: StoreRepair, *, progress: Progress | None = None, stop: Callable[[], bool] = lambda: False
    ) -> None:
        """Gives a damaged store the arrays and the rows that it has lost, and forwards nothing else.

        Whether this machine computes what the one before did is told by the digests that were sealed, not by versions.
        Raises Mismatch where this is another guide, or where what comes out is not what was sealed, naming what differs
        here; stopped, it keeps what is mended and raises Interrupted.
        """
        check_run("GuideWriter.repair", progress, stop)
        require_kind("GuideWriter.repair", "store", store, StoreRepair, expected="a StoreRepair")
        progress, held = progress or Silent(), store.header
        if not store.sealed:
            # As when a dump is taken up: what was measured has to come out again, too.
            ours, identity = self._complete()
            check_same_header(self._path, stored=held, given=replace(ours, digest_rows=held.digest_rows))
            store.write_arrays(identity)
        else:
            check_same_header(self._path, stored=held, given=replace(self._like(held), compute=held.compute))
        try:
            self._give_again(store, progress, stop)
        except Mismatch as error:
            differing = differing_keys(held.compute, self._header.compute)
            here = ", ".join(f"{key} {there}, here {here}" for key, (there, here) in differing.items())
            if not here:
                raise
            raise Mismatch(
                error.problem, expected=error.expected, found=error.found, do=f"it was computed with {here}; {error.do}"
            ) from error

    def recompute(
        self,
        held: StoreHeader,
        slots: Sequence[ChunkSlot],
        *,
        progress: Progress | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[tuple[ChunkSlot, NDArray[np.float32]]]:
        """The rows of a finished store as the guide gives them now, softened and not encoded; nothing is written.

        Raises Mismatch where `held`, the store's header, says something else than this guide but for what was measured
        and where.
        """
        check_run("GuideWriter.recompute", progress, stop)
        require_kind("GuideWriter.recompute", "held", held, StoreHeader, expected="the header of a store")
        progress = progress or Silent()
        check_same_header(self._path, stored=held, given=replace(self._like(held), compute=held.compute))
        total = sum(slot.stop - slot.start for slot in slots)
        progress.start(f"recompute {held.guide.name}", total=total, unit="samples")
        yield from self._logits.of_chunks(self._train, slots, self._told("recomputation", progress, stop))
        progress.finish()

    def _give_again(self, store: StoreRepair, progress: Progress, stop: Callable[[], bool]) -> None:
        if store.lost_arrays:
            test_logits_MC = store.test_logits_MC
            if test_logits_MC is None:
                test_logits_MC = self._logits.of_images(self._test)
            store.write_arrays(identity_arrays(self._train, self._test, store.header, test_logits_MC))
        slots = store.lost_chunks
        total = sum(slot.stop - slot.start for slot in slots)
        progress.start(f"repair {store.header.guide.name}", total=total, unit="samples")
        for slot, rows_SC in self._logits.of_chunks(self._train, slots, self._told("repair", progress, stop)):
            store.write(slot, rows_SC)
        progress.finish()

    def _told(self, work: str, progress: Progress, stop: Callable[[], bool]) -> Callable[[ChunkSlot, int], None]:
        """The callback after each batch: progress, and Interrupted when `stop` says so."""

        def told(slot: ChunkSlot, rows: int) -> None:
            progress.advance(rows)
            if stop():
                raise Interrupted(
                    f"the {work} of {self._guide.name} was stopped in view {slot.view}",
                    do="run the same command again to go on: finished chunks are kept",
                )

        return told

    def _like(self, held: StoreHeader) -> StoreHeader:
        """Our header with what was measured, and the cut of the digests, as a finished store has them."""
        return replace(
            self._header,
            fidelity=held.fidelity,
            digest_rows=held.digest_rows,
            guide=replace(self._guide, accuracy=held.guide.accuracy),
        )

    def _finished(self) -> Dumped | None:
        """The store as it is, when it is sealed and its header differs from ours in nothing but what was measured."""
        if not self._path.exists():
            return None
        with GuideStore.open(self._path, allow_incomplete=True) as store:
            found = store.header
            if store.seal is None or found.canonical != self._like(found).canonical:
                return None
            return Dumped(path=self._path, seal=store.seal, views=store.views, nbytes=store.nbytes)

    def _complete(self) -> tuple[StoreHeader, IdentityArrays]:
        """Header and identity arrays, whole before the first row: the test set and the fixed rows are forwarded now."""
        images, test = self._train.images, self._test.images
        test_logits_MC = self._logits.of_images(self._test)
        correct = int((test_logits_MC.argmax(1) == test.labels_N).sum())
        first = self._header.first_view
        rows = encoding_error_rows(len(images))
        exact_BC = self._logits.of_first_rows(self._train, first, rows)
        header = replace(
            self._header,
            guide=replace(self._guide, accuracy=decimal(round(correct / len(test), 6))),
            fidelity=measure_encoding_error(exact_BC, self._header.encoding),
        )
        return header, identity_arrays(self._train, self._test, header, test_logits_MC)

"""The softened logits of one guide, in batches that are the same wherever a dump was stopped or its chunks were cut.

Batches go to the device one after the other without a wait between chunks, and stay there until a chunk is whole. The
first one is rehearsed (see `rehearsal`), and rows that the store's encoding cannot hold are refused by their place.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.device.device import autocast
from dgkd_cache.device.environment import describe
from dgkd_cache.dump.draw_rehearsal import rehearse_draw
from dgkd_cache.dump.draws import Draw, Place
from dgkd_cache.dump.parallel_batches import forward_parallel
from dgkd_cache.dump.row_form import RowForm
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.errors import Interrupted
from dgkd_cache.models.called_modules import Forward
from dgkd_cache.models.rehearsal import Rehearsal
from dgkd_cache.progress import Progress
from dgkd_cache.user_code import convert_errors
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.stream import Pairs, stream
from dgkd_stores import ChunkSlot
from dgkd_stores.arguments import describe_value

__all__ = ["GuideLogits"]

Given = TypeVar("Given")

Finish = Callable[[Tensor], Tensor]
"""Gets softened logits (B, C) on the device, and returns what is kept of them."""


@dataclass(frozen=True, kw_only=True)
class GuideLogits:
    """`forward` takes uint8 pixels (B, I, H, W) on `device`; on a processor it is called from several threads.

    What gives logits raises what `Rehearsal` raises, and InvalidInput for a row that the encoding cannot hold.
    """

    forward: Forward
    rehearsal: Rehearsal
    device: torch.device
    settings: DumpSettings
    form: RowForm
    """The form in which the store keeps a row."""
    draw: Draw | None = None
    """The draw that the logits are of; None for those of the model in evaluation mode."""

    @property
    def compute(self) -> Mapping[str, str | int]:
        """The parts of the machine that the last bits of the logits depend on."""
        return describe(self.device, self.settings.precision)

    def check_resumed(self, path: Path, first: ChunkSlot | None, mine: range) -> None:
        """Does nothing: the weights and the environment in the header are those that the rows follow from."""

    def of_images(self, source: ViewRenderer, progress: Progress) -> NDArray[np.float32]:
        """Condensed rows of all images, not augmented: float32 (N, F); `progress` is told the rows of each batch."""
        samples = [np.arange(start, stop) for start, stop in self._cuts(0, len(source.images))]
        batches = (
            _Pixels(source.evaluation_pixels(samples_B).to(self.device), Place(None, samples_B))
            for samples_B in samples
        )
        return self._collect(_told(self._forward(batches, self.form.condense), progress), source, "", 0)

    def of_view(self, source: ViewRenderer, view: int, rows: int) -> Iterator[Tensor]:
        """Logits of the first `rows` samples of a view, batch by batch: float32 (B, C) on the device, not checked."""
        pairs = [_pairs(view, start, stop) for start, stop in self._cuts(0, rows)]
        return self._of_pairs(source, pairs, _as_they_are)

    def of_first_rows(self, source: ViewRenderer, view: int, rows: int, progress: Progress) -> NDArray[np.float32]:
        """Logits of the first `rows` samples of a view: float32 (N, C); `progress` is told the rows of each batch."""
        logits = _told(self.of_view(source, view, rows), progress)
        return self._collect(logits, source, f"view {view}, ", 0, condensed=False)

    def of_chunks(
        self, source: ViewRenderer, slots: Sequence[ChunkSlot], work: str, progress: Progress, stop: Callable[[], bool]
    ) -> Iterator[tuple[ChunkSlot, NDArray[np.float32]]]:
        """Yields each chunk and its condensed rows, float32 (S, F).

        After every batch, `progress` is told its rows and `stop` is asked: Interrupted, naming `work`, if it says so.
        """
        cuts = [list(self._cuts(*self._around(slot, len(source.images)))) for slot in slots]
        pairs = (_pairs(slot.view, *cut) for slot, of_slot in zip(slots, cuts, strict=True) for cut in of_slot)
        with closing(self._of_pairs(source, pairs, self.form.condense)) as batches:
            for slot, of_slot in zip(slots, cuts, strict=True):
                rows = []
                for first, end in of_slot:
                    inside = slice(max(slot.start - first, 0), min(slot.stop, end) - first)
                    rows.append(next(batches)[inside])
                    progress.advance(len(rows[-1]))
                    if stop():
                        raise Interrupted(
                            f"the {work} was stopped in view {slot.view}",
                            do="run the same command again to go on: finished chunks are kept",
                        )
                yield slot, self._collect(rows, source, f"view {slot.view}, ", slot.start)

    def _around(self, slot: ChunkSlot, samples: int) -> tuple[int, int]:
        """The whole batches of the view that hold the chunk."""
        batch = self.settings.batch_size
        return slot.start // batch * batch, min(-(-slot.stop // batch) * batch, samples)

    def _cuts(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        for cut in range(start, stop, self.settings.batch_size):
            yield cut, min(cut + self.settings.batch_size, stop)

    def _of_pairs(self, source: ViewRenderer, pairs: Iterable[Pairs], finish: Finish) -> Generator[Tensor]:
        batches = stream(source, pairs, device=self.device, workers=self.settings.workers)
        # A batch is of one view.
        given = (_Pixels(each.pixels_BIHW, Place(int(each.views_B[0]), each.samples_B)) for each in batches)
        return self._forward(given, finish)

    def _forward(self, batches: Iterable[_Pixels], finish: Finish) -> Generator[Tensor]:
        """Yields what `finish` makes of the softened logits of each batch."""
        batches = iter(batches)
        with self.draw.active() if self.draw else nullcontext():
            if not self.rehearsal.done and (first := next(batches, None)) is not None:
                temperature = self.settings.temperature
                yield from forward_parallel(finish, [self._rehearse(first) / temperature], device=self.device)
            yield from forward_parallel(lambda given: finish(self._soften(given)), batches, device=self.device)

    def _rehearse(self, first: _Pixels) -> Tensor:
        """Returns the logits of the first batch, forwarded as all others are, because its rows are used."""

        def alone(forward: Callable[[Tensor], Given], pixels_BIHW: Tensor) -> Given:
            return next(forward_parallel(forward, [pixels_BIHW], device=self.device))

        with self.form.watch_head() as returned:
            logits_BC = self.rehearsal(
                lambda pixels_BIHW: self._raw(pixels_BIHW, first.place),
                lambda forward: alone(forward, first.pixels_BIHW),
                batch=len(first.pixels_BIHW),
            )
        self.form.require_fit(logits_BC, returned, temperature=self.settings.temperature, what=self.rehearsal.what)
        if self.draw is not None:
            rehearse_draw(
                self.draw,
                lambda pixels_BIHW, place: alone(lambda given: self._raw(given, place), pixels_BIHW),
                logits_BC,
                first.pixels_BIHW,
                first.place,
                precision=self.settings.precision,
            )
        return logits_BC

    def _soften(self, batch: _Pixels) -> Tensor:
        given = self._raw(batch.pixels_BIHW, batch.place)
        return self.rehearsal.logits(given, len(batch.pixels_BIHW)) / self.settings.temperature

    def _raw(self, pixels_BIHW: Tensor, place: Place) -> object:
        with (
            self.draw.at(place) if self.draw else nullcontext(),
            torch.inference_mode(),
            autocast(self.device, self.settings.precision),
            convert_errors(
                f"the forward pass of {self.rehearsal.what} fails",
                expected=f"a function of one tensor, {describe_value(pixels_BIHW)} on {self.device}, "
                "that returns logits",
                do="mend it; pixels are no floats yet: a network alone is given as lambda pixels: model(pixels / 255)",
            ),
        ):
            return self.forward(pixels_BIHW)

    def _collect(
        self, rows: list[Tensor], source: ViewRenderer, view: str, first: int, *, condensed: bool = True
    ) -> NDArray[np.float32]:
        """Returns the rows of sample `first` and those after it. Raises InvalidInput if the encoding refuses one."""
        logits_SC: NDArray[np.float32] = torch.cat(rows).cpu().numpy()
        no_numbers = ""
        if self.settings.precision == "float32":
            no_numbers = "train the model again, for instance at a lower learning rate"
        self.form.require_storable(
            logits_SC,
            lambda row: f"{view}{source.images.describe(first + row)}",
            condensed=condensed,
            no_numbers=no_numbers,
        )
        return logits_SC


@dataclass(frozen=True)
class _Pixels:
    """The pixels of a batch on the device, and of which samples they are."""

    pixels_BIHW: Tensor
    place: Place

    def numel(self) -> int:
        return self.pixels_BIHW.numel()


def _as_they_are(softened_BC: Tensor) -> Tensor:
    return softened_BC


def _told(batches: Iterator[Tensor], progress: Progress) -> list[Tensor]:
    """Returns all batches; tells `progress` the rows of each."""
    rows = []
    for rows_BC in batches:
        progress.advance(len(rows_BC))
        rows.append(rows_BC)
    return rows


def _pairs(view: int, start: int, stop: int) -> Pairs:
    return np.full(stop - start, view), np.arange(start, stop)

"""GivenLogits: the softened logits of a guide that a program gives, held to what a model's forward pass is held to.

Before anything is written, the first two blocks are asked for and the last of them once more: the same slot must give
the same bits. So must the block before the place where a dump is taken up, beside the rows that are in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.dump.logit_blocks import BlockOrder, Blocks, asked
from dgkd_cache.dump.row_form import RowForm
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.errors import Interrupted, InvalidInput, Mismatch
from dgkd_cache.models.rehearsal import refuse_probabilities
from dgkd_cache.progress import Progress
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import ChunkSlot, GuideStore
from dgkd_stores.arguments import describe_value

__all__ = ["GivenLogits"]

_NO_NUMBERS = "mend what gives them; a probability of 0 has no logarithm: give it a small one"
_SOFTMAX = (
    "give the input of the softmax, or the logarithm of the probabilities; if these really are logits, say "
    "accept_probabilities=True in the DumpSettings"
)


class GivenLogits:
    """The logits that `blocks` give of the views, and `tests` of the test set, if there are any.

    What gives rows raises Mismatch for another number of classes, InvalidInput for what is no array (B, C) of finite
    numbers that the encoding can hold, for probabilities, and for a slot that gives other bits when it is asked for
    again. An error of the program's own goes through.
    """

    def __init__(
        self,
        blocks: Blocks,
        order: BlockOrder,
        *,
        tests: Blocks | None,
        classes: int,
        settings: DumpSettings,
        form: RowForm,
        what: str,
    ) -> None:
        self.settings, self.form = settings, form
        self._blocks, self._order, self._tests = blocks, order, tests
        self._classes, self._what = classes, what
        self._rehearsed = False
        self._held: tuple[ChunkSlot, NDArray[np.float32]] | None = None

    @property
    def compute(self) -> Mapping[str, str | int]:
        """Nothing: the logits were computed elsewhere, and no machine is known to decide their bits."""
        return {}

    def of_images(self, source: ViewRenderer, progress: Progress) -> NDArray[np.float32]:
        """Condensed rows of all test images: float32 (M, F); `progress` is told the rows of each batch."""
        assert self._tests is not None, "a dump without logits of the test set has no test images"
        order = BlockOrder(views=range(1), samples=len(source.images), batch=self.settings.batch_size)
        self._rehearse(self._tests, [order.first])
        rows = list[NDArray[np.float32]]()
        for block in order.of(ChunkSlot(0, 0, len(source.images))):
            rows.append(self._condensed(self._softened(self._tests, block), source, "", block.start))
            progress.advance(len(rows[-1]))
        return np.concatenate(rows)

    def of_view(self, source: ViewRenderer, view: int, rows: int) -> Iterator[Tensor]:
        """Yields the logits of the first `rows` samples of a view, block by block: float32 (B, C), not checked."""
        self._rehearse_views()
        try:
            for block in self._order.of(ChunkSlot(view, 0, rows)):
                yield torch.from_numpy(self._softened(self._blocks, block)[: rows - block.start])
        finally:
            self._blocks.close()

    def of_first_rows(self, source: ViewRenderer, view: int, rows: int, progress: Progress) -> NDArray[np.float32]:
        """Logits of the first `rows` samples of a view: float32 (N, C); `progress` is told the rows of each batch."""
        found = []
        for logits_BC in self.of_view(source, view, rows):
            progress.advance(len(logits_BC))
            found.append(logits_BC.numpy())
        rows_NC = np.concatenate(found)
        self._require_storable(rows_NC, source, f"view {view}, ", 0)
        return rows_NC

    def of_chunks(
        self, source: ViewRenderer, slots: Sequence[ChunkSlot], work: str, progress: Progress, stop: Callable[[], bool]
    ) -> Iterator[tuple[ChunkSlot, NDArray[np.float32]]]:
        """Yields each chunk and its condensed rows, float32 (S, F).

        After every block, `progress` is told its rows and `stop` is asked: Interrupted, naming `work`, if it says so.
        """
        self._rehearse_views()
        try:
            for chunk in slots:
                rows = []
                for block in self._order.of(chunk):
                    inside = slice(max(chunk.start - block.start, 0), min(chunk.stop, block.stop) - block.start)
                    softened_BC, first = self._read(block)[inside], block.start + inside.start
                    rows.append(self._condensed(softened_BC, source, f"view {chunk.view}, ", first))
                    progress.advance(len(rows[-1]))
                    if stop():
                        raise Interrupted(
                            f"the {work} was stopped in view {chunk.view}",
                            do="run the same program again to go on: finished chunks are kept",
                        )
                yield chunk, np.concatenate(rows)
        finally:
            self._blocks.close()

    def check_resumed(self, path: Path, first: ChunkSlot | None, mine: range) -> None:
        """Raises Mismatch if the block before the chunk `first` has other rows at `path` than it is given now.

        The block is the last one of `mine` that is written before it; an iterator goes on from there, so that it is
        known to stand at the right place.
        """
        at = (first.view, first.start) if first is not None else (mine.stop, 0)
        block = self._order.begun_before(*at)
        if block is None or block.view not in mine:
            return
        self._rehearse_views()
        samples_B = np.arange(block.start, min(block.stop, at[1]) if block.view == at[0] else block.stop)
        with GuideStore.open(path, allow_incomplete=True) as store:
            stored = store.gather_stored(np.full_like(samples_B, block.view), samples_B)
        given = self.form.encoding.encode(self._read(block)[: len(samples_B)])
        differs_B = np.any([_differing(stored[name], given[name]) for name in stored], axis=0)
        if differs_B.any():
            raise Mismatch(
                f"{path} holds other rows than {self._what} has now",
                expected=f"for {self._blocks.describe(block)} the rows that are written there",
                found=f"{int(differs_B.sum())} of {len(differs_B)} rows that differ, the first of sample "
                f"{int(samples_B[differs_B.argmax()])}",
                do="give the logits that it was begun with, from the block that is asked for on; other logits have "
                f"another identity and another path, unless you remove {path} to begin again",
            )

    def _read(self, block: ChunkSlot) -> NDArray[np.float32]:
        """Returns the softened rows of a block; the last one is kept, since two chunks may share it."""
        if self._held is None or self._held[0] != block:
            self._held = block, self._softened(self._blocks, block)
        return self._held[1]

    def _softened(self, blocks: Blocks, block: ChunkSlot) -> NDArray[np.float32]:
        softened_BC: NDArray[np.float32] = self._logits(blocks, block) / np.float32(self.settings.temperature)
        return softened_BC

    def _logits(self, blocks: Blocks, block: ChunkSlot) -> NDArray[np.float32]:
        """Returns the logits of a block as a copy in float32 (B, C), in whatever kind of array they are given."""
        given, rows = blocks.read(block), block.stop - block.start
        with asked(blocks.describe(block)):
            if isinstance(given, Tensor):
                given = given.detach().cpu()
                given = given.float() if given.is_floating_point() else given
            array = np.asarray(given) if hasattr(given, "__array__") else None
        if array is None or array.ndim != 2 or len(array) != rows or not _is_floating(array):
            raise InvalidInput(
                f"{self._what} is given no logits",
                expected=f"an array of floats [{rows}, {self._classes}] for {blocks.describe(block)}",
                found=describe_value(given),
                do="give the logits alone, a row for each sample, in their order",
            )
        if array.shape[1] != self._classes:
            raise Mismatch(
                f"{self._what} has a different number of classes than the data set",
                expected=f"logits of {self._classes} classes",
                found=f"logits of {array.shape[1]} classes",
                do="give a column for each class of the data set, in the order of its classes",
            )
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused with its place
            return array.astype(np.float32)

    def _rehearse_views(self) -> None:
        if not self._rehearsed:
            second = self._order.after(self._order.first)
            self._rehearse(self._blocks, [self._order.first, *([second] if second else [])])
            self._rehearsed = True

    def _rehearse(self, blocks: Blocks, tried: list[ChunkSlot]) -> None:
        """Asks for blocks and for the last of them once more. Raises InvalidInput for other bits and probabilities."""
        once = [self._logits(blocks, block) for block in tried]
        blocks.close()
        again_BC = self._logits(blocks, tried[-1])
        blocks.close()
        differs_B = _differing(once[-1], again_BC)
        if differs_B.any():
            found = f"{int(differs_B.sum())} of {len(differs_B)} rows that differ"
            if len(once) > 1 and once[0][: len(again_BC)].tobytes() == again_BC.tobytes():
                found = f"the logits of {blocks.describe(tried[0])}, as if it always began there"
            raise InvalidInput(
                f"{self._what} is given other logits when the same ones are asked for again",
                expected=f"the same bits each time for {blocks.describe(tried[-1])}",
                found=found,
                do="begin an iterator at the block that it is called with; what draws random numbers, or computes with "
                "other last bits each time, is written to a file first, and the file's logits are given",
            )
        if not self.settings.accept_probabilities:
            refuse_probabilities(torch.from_numpy(once[0]), self._what, do=_SOFTMAX)

    def _condensed(
        self, softened_BC: NDArray[np.float32], source: ViewRenderer, view: str, first: int
    ) -> NDArray[np.float32]:
        """Returns the condensed rows of sample `first` and those after it, once they are known to be storable."""
        self._require_storable(softened_BC, source, view, first)
        return self.form.encoding.condense(softened_BC)

    def _require_storable(self, rows_SC: NDArray[np.float32], source: ViewRenderer, view: str, first: int) -> None:
        self.form.require_storable(
            rows_SC,
            lambda row: f"{view}{source.images.describe(first + row)}",
            condensed=False,
            no_numbers=_NO_NUMBERS,
        )


def _is_floating(array: NDArray[np.generic]) -> bool:
    """Returns True for floating types, bfloat16 of other libraries among them."""
    return array.dtype.kind == "f" or array.dtype.name == "bfloat16"


def _differing(first_BX: NDArray[np.generic], second_BX: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Returns which rows differ in their bytes, bool (B,)."""
    first_BY, second_BY = (
        np.ascontiguousarray(each).view(np.uint8).reshape(len(each), -1) for each in (first_BX, second_BX)
    )
    differs_B: NDArray[np.bool_] = (first_BY != second_BY).any(axis=1)
    return differs_B

"""LogitSource: what a dump asks for the logits of its guide, whether a model computes them or a program gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.dump.row_form import RowForm
from dgkd_cache.dump.settings import DumpSettings
from dgkd_cache.progress import Progress
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import ChunkSlot

__all__ = ["LogitSource"]


class LogitSource(Protocol):
    """Gives the softened logits of one guide in batches that the store fixes, so that a dump may stop anywhere."""

    @property
    def settings(self) -> DumpSettings:
        """The settings by which the logits are computed and stored."""

    @property
    def form(self) -> RowForm:
        """The form in which the store keeps a row."""

    @property
    def compute(self) -> Mapping[str, str | int]:
        """The header's entry of the machine that computes them."""

    def of_images(self, source: ViewRenderer, progress: Progress) -> NDArray[np.float32]:
        """Condensed rows of all test images, not augmented: float32 (M, F); `progress` is told the rows of a batch."""

    def of_view(self, source: ViewRenderer, view: int, rows: int) -> Iterator[Tensor]:
        """Logits of the first `rows` samples of a view, batch by batch: float32 (B, C), not checked."""

    def of_first_rows(self, source: ViewRenderer, view: int, rows: int, progress: Progress) -> NDArray[np.float32]:
        """Logits of the first `rows` samples of a view: float32 (N, C); `progress` is told the rows of a batch."""

    def of_chunks(
        self, source: ViewRenderer, slots: Sequence[ChunkSlot], work: str, progress: Progress, stop: Callable[[], bool]
    ) -> Iterator[tuple[ChunkSlot, NDArray[np.float32]]]:
        """Yields each chunk and its condensed rows, float32 (S, F); raises Interrupted, naming `work`, if stopped."""

    def check_resumed(self, path: Path, first: ChunkSlot | None, mine: range) -> None:
        """Raises Mismatch if what is written at `path` before the chunk `first` is not what is given now.

        `first` is the first chunk of `mine` that is missing, None if none is.
        """

"""GuideBank: reads the guides of a training run from sealed stores.

Every store is checked against the data set, the view plan and the scheduled views BEFORE training, and the probe
replays pixels, so the student provably gets the images that its guides got. Only kept guides are read, and rows are
decoded on the training device.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.datasets.compare import explain_difference
from dgkd_cache.datasets.images import Images
from dgkd_cache.device.device import usable_device
from dgkd_cache.errors import InvalidInput
from dgkd_cache.guides.cached import CachedGuide
from dgkd_cache.guides.compatibility import check_store
from dgkd_cache.guides.transfer import Decode, ResidentRows, Rows, StreamedRows, resident_bytes
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.stream import Batch
from dgkd_stores import GuideStore, RowIndex
from dgkd_stores.arguments import as_path, describe_value, refusal, require_kind, require_number

__all__ = ["GuideBank"]


class GuideBank:
    """The guides of a run, in the given order; stores of one guide with different views count as one guide.

    `views` binds the view plan to the training images, `scheduled` are the view numbers that the run will use, and
    `temperature` is that of the training: rows dumped at T are multiplied by T / temperature.

    Raises StoreNotFound, Incomplete, Damaged or UnsafeStore as `GuideStore.open` does, and Mismatch, which names the
    first difference, if a store was made from other samples, labels, classes, views or pixels, or lacks scheduled
    views.

    `reader` selects how files are read: see `GuideStore.open`.

    On a GPU, rows that were read stay in its memory if they take at most half of its free memory; `resident` overrides
    this on any device.
    """

    def __init__(
        self,
        stores: Sequence[os.PathLike[str] | str],
        *,
        views: ViewRenderer,
        scheduled: range,
        temperature: float,
        device: torch.device | str = "cpu",
        resident: bool | None = None,
        reader: str = "auto",
    ) -> None:
        _check_arguments(stores, views, scheduled, resident, reader)
        require_number("GuideBank", "temperature", temperature, low=0)
        self._device = usable_device(device, call="GuideBank")
        self._stores: list[GuideStore] = []
        self._closed, self._scheduled = False, scheduled
        try:
            for path in stores:
                self._stores.append(GuideStore.open(Path(path), reader=reader))
                check_store(self._stores[-1], views)
            self._guides = self._group(temperature, ResidentRows if self._fits(resident) else StreamedRows)
            for guide in self._guides:
                guide.require(scheduled)
        except BaseException:
            self.close()
            raise

    @property
    def names(self) -> tuple[str, ...]:
        """The guides' names."""
        return tuple(guide.name for guide in self._guides)

    @property
    def identities(self) -> Mapping[str, str]:
        """The seal of each guide's store; of several stores, the SHA-256 (hex) of their seals in the order of views."""
        return {guide.name: guide.identity for guide in self._guides}

    @property
    def trainings(self) -> Mapping[str, Mapping[str, Any]]:
        """The training record of each guide, from its store's header."""
        return {guide.name: guide.stores[0].header.guide.training for guide in self._guides}

    def test_differences(self, test: Images) -> dict[str, str]:
        """Returns the first difference of each guide's test images from `test`, by name; guides without one are
        omitted.

        A guide with other test images, or none, is usable, but its accuracy is not comparable.
        """
        found = {
            guide.name: explain_difference(
                test,
                label_N=store.test_label_M,
                sample_digest_N16=store.test_sample_digest_M16,
                classes=store.header.dataset.classes,
            )
            for guide in self._guides
            for store in guide.stores[:1]
        }
        return {name: difference for name, difference in found.items() if difference is not None}

    @property
    def unread(self) -> tuple[str, ...]:
        """The paths of stores that hold none of the scheduled views."""
        wanted = self._scheduled
        return tuple(
            str(store.path)
            for store in self._stores
            if not range(max(store.views.start, wanted.start), min(store.views.stop, wanted.stop))
        )

    @property
    def copied(self) -> Mapping[str, str]:
        """The guides whose blocks are copied into memory before they are checked, and the reason for it."""
        return {guide.name: why for guide in self._guides for store in guide.stores if (why := store.copied_because)}

    def decoded_bytes(self, views: int) -> int:
        """Returns the memory in bytes that `views` decoded views of the compressed guides would take."""
        return sum(store.decoded_bytes(min(views, len(store.views))) for store in self._stores)

    def gather(
        self,
        views_B: NDArray[np.int64],
        samples_B: NDArray[np.int64],
        keep_G: NDArray[np.bool_] | None = None,
    ) -> Tensor:
        """Returns logits / temperature of the kept guides for B (view, sample) pairs: (K, B, C) on the device.

        They are float16 or float32 as stored, float32 for uint8 and after rescaling. A guide that is not kept is not
        read. Raises Damaged if a row's block does not match its digest, InvalidInput for a mask that does not match the
        guides.
        """
        return self.begin(views_B, samples_B, keep_G)()

    def begin(
        self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64], keep_G: NDArray[np.bool_] | None
    ) -> ReadRows:
        """Reads and checks rows now, and returns a function that returns them: `gather` in two parts."""
        kept = self._guides if keep_G is None else self._select(keep_G)
        index = self._index(views_B, samples_B)
        return ReadRows([guide.read(index) for guide in kept], self._device)

    def expect(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64]) -> None:
        """Starts reading the rows of these pairs, which will be requested later, from the disk in the background.

        Raises InvalidInput for views that a guide does not have.
        """
        index = self._index(views_B, samples_B)
        for guide in self._guides:
            guide.expect(index.views_B, index.samples_B)

    def _group(self, temperature: float, kind: Callable[[GuideStore, torch.device], Rows]) -> tuple[CachedGuide, ...]:
        """Groups the stores by guide, in the order of the guides' first stores."""
        by_name: dict[str, list[GuideStore]] = {}
        for store in self._stores:
            by_name.setdefault(store.header.guide.name, []).append(store)
        return tuple(
            CachedGuide(
                name,
                [(store, kind(store, self._device)) for store in stores],
                rescale=float(stores[0].header.temperature) / temperature,
                device=self._device,
            )
            for name, stores in by_name.items()
        )

    def _index(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64]) -> RowIndex:
        if self._closed:
            raise InvalidInput(
                "this GuideBank is closed",
                expected="a bank whose stores are open",
                found="a call after close(), or after the end of its `with` block",
                do="make another GuideBank, or close this one later",
            )
        return RowIndex(views_B, samples_B)

    def _select(self, keep_G: object) -> list[CachedGuide]:
        """Returns the guides that the mask keeps. Raises InvalidInput if it is not a mask of the guides."""
        try:
            mask_G = np.asarray(keep_G)
            fits = mask_G.dtype == np.bool_ and mask_G.shape == (len(self._guides),)
        except (TypeError, ValueError, RuntimeError):  # as in `integers`
            fits = False
        if not fits:
            raise InvalidInput(
                "the keep mask does not fit the guides",
                expected=f"True or False for each of {', '.join(self.names)}",
                found=describe_value(keep_G),
                do="give what Dropping.keep_mask returns for bank.names, or nothing to keep all",
            )
        return [guide for guide, keep in zip(self._guides, mask_G.tolist(), strict=True) if keep]

    def _fits(self, resident: bool | None) -> bool:
        """Returns True if the rows are to stay on the device."""
        if resident is not None or self._device.type != "cuda":
            return bool(resident)
        needed = sum(map(resident_bytes, self._stores))
        return needed <= torch.cuda.mem_get_info(self._device)[0] // 2

    def close(self) -> None:
        """Unmaps the stores."""
        self._closed = True
        for store in self._stores:
            store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class ReadRows:
    """The kept guides' rows of a batch, read and checked: (K, B, C) on the device once they are called for.

    They are float32 where the guides' types differ. As a `Softened`, they need nothing of the batch itself.
    """

    read: Sequence[Decode]
    device: torch.device

    def __call__(self, _: Batch | None = None) -> Tensor:
        if not self.read:
            return torch.empty(0, device=self.device)
        rows = [decode() for decode in self.read]
        if len({r.dtype for r in rows}) > 1:
            rows = [r.float() for r in rows]
        return torch.stack(rows)


def _check_arguments(stores: object, views: object, scheduled: object, resident: object, reader: object) -> None:
    call, expected = "GuideBank", "a list of paths of guide stores"
    if isinstance(stores, str | os.PathLike):
        raise refusal(call, "stores", stores, expected=expected, do=f"write [{os.fspath(stores)!r}]")
    do = "write list(stores)" if isinstance(stores, Iterator) else 'write ["teacher.zarr", "ta1.zarr"]'
    require_kind(call, "stores", stores, Sequence, expected=expected, do=do)
    assert isinstance(stores, Sequence)
    if not stores:
        do = "see which paths the pattern matches; train without a bank where there are no guides"
        raise refusal(call, "stores", stores, expected="at least one guide store", do=do)
    for store in stores:
        as_path(call, "stores", store, expected="the path of a guide store in each place of the list")
    do = "write views=dgkd_cache.ViewRenderer(plan, data.train)"
    require_kind(call, "views", views, ViewRenderer, expected="the ViewRenderer of the training images", do=do)
    do = f"write scheduled=range({scheduled})" if type(scheduled) is int and scheduled > 0 else ""
    require_kind(call, "scheduled", scheduled, range, expected="a range of view numbers", do=do)
    require_kind(call, "resident", resident, (bool, type(None)), expected="True, False or None")
    require_kind(call, "reader", reader, str, expected="auto, mmap or pread")

"""Transfers a store's rows to the training device: streamed with each batch or resident there, and decoded there.

In both cases a row is checked against its digest before it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.device.device import send
from dgkd_stores import Encoding, GuideStore, RowIndex

__all__ = ["Decode", "ResidentRows", "Rows", "SelectedColumns", "StreamedRows", "resident_bytes"]

Decode = Callable[[], Tensor]
"""Returns the rows (B, C) on the device, in a floating type; called on the computing thread."""

_SLAB = 2**16  # rows that are read at a time for a resident view


class Rows(Protocol):
    """The rows of one store for one device."""

    def read(self, index: RowIndex) -> Decode:
        """Reads and checks the rows now, on any thread. Raises as `GuideStore.gather_rows`."""

    def expect(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64]) -> None:
        """Announces that these rows will be read; see `GuideStore.expect`."""


class StreamedRows:
    """Rows that are sent to the device batch by batch, still encoded; `encoding` is the store's, at a temperature."""

    def __init__(self, store: GuideStore, device: torch.device, encoding: Encoding) -> None:
        self._store, self._device, self._decode = store, device, _decoder(store, device, encoding)

    def read(self, index: RowIndex) -> Decode:
        stored = self._store.gather_rows(index)
        return _StoredRows(self._decode, {name: send(_signed(rows), self._device) for name, rows in stored.items()})

    def expect(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64]) -> None:
        self._store.expect(views_B, samples_B)


class ResidentRows:
    """All rows of a store in the device's memory, still encoded; a view is sent at its first use."""

    def __init__(self, store: GuideStore, device: torch.device, encoding: Encoding) -> None:
        self._store, self._device, self._decode = store, device, _decoder(store, device, encoding)
        self._samples = store.header.dataset.samples
        self._sent_V = np.zeros(len(store.views), np.bool_)
        self._tables = {
            array.name: torch.empty(
                len(store.views) * self._samples,
                array.columns,
                dtype=torch.from_numpy(_signed(np.empty(0, array.dtype))).dtype,
                device=device,
            )
            for array in store.encoding.row_arrays(store.header.classes)
        }

    def read(self, index: RowIndex) -> Decode:
        view_B, sample_B = index.within(self._store.container)
        for view in np.unique(view_B[~self._sent_V[view_B]]).tolist():
            self._send(view)
        row_B = send(view_B * self._samples + sample_B, self._device)
        return _StoredRows(self._decode, self._tables, row_B)

    def expect(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64]) -> None:
        pass

    def _send(self, view: int) -> None:
        for start in range(0, self._samples, _SLAB):
            sample_S = np.arange(start, min(start + _SLAB, self._samples))
            stored = self._store.gather_stored(np.full_like(sample_S, self._store.header.view_at(view)), sample_S)
            for name, rows in stored.items():
                first = view * self._samples + start
                self._tables[name][first : first + len(rows)] = send(_signed(rows), self._device)
        self._sent_V[view] = True


class SelectedColumns:
    """The rows of another `Rows` with only some of their columns: the classes of a guide that are ours."""

    def __init__(self, rows: Rows, columns_C: NDArray[np.int64], device: torch.device) -> None:
        self._rows, self._columns_C = rows, torch.from_numpy(columns_C).to(device)

    def read(self, index: RowIndex) -> Decode:
        decode = self._rows.read(index)
        return lambda: decode().index_select(1, self._columns_C)

    def expect(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64]) -> None:
        self._rows.expect(views_B, samples_B)


@dataclass(frozen=True)
class _StoredRows:
    """A batch's rows on the device as they are stored, decoded when called for: `row_B` of the tables, or all."""

    decode: Callable[[Mapping[str, Tensor]], Tensor]
    tables: Mapping[str, Tensor]
    row_B: Tensor | None = None

    def __call__(self) -> Tensor:
        if self.row_B is None:
            return self.decode(self.tables)
        return self.decode({name: rows.index_select(0, self.row_B) for name, rows in self.tables.items()})


def resident_bytes(store: GuideStore) -> int:
    """Returns the device memory in bytes that `ResidentRows` of a store takes."""
    shared = sum(array.nbytes for array in store.shared.values())
    return len(store.views) * store.header.dataset.samples * store.header.row_bytes + shared


def _signed(rows: NDArray[Any]) -> NDArray[Any]:
    """Returns uint16 as int16 of the same bytes, because few operations of torch take uint16; `decode` knows of it."""
    return rows.view(np.int16) if rows.dtype == np.uint16 else rows


def _decoder(store: GuideStore, device: torch.device, encoding: Encoding) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """Returns the encoding's `decode`, with what all rows share on the device."""
    if not store.shared:
        return encoding.decode
    there = {name: torch.from_numpy(array).to(device) for name, array in store.shared.items()}
    return _SharedDecoder(encoding.bound(there), device.type)


@dataclass(frozen=True)
class _SharedDecoder:
    """Decodes rows that share arrays, which are on the device, in float32.

    A loop under autocast would take the product in bf16, and lose what the rows have kept.
    """

    encoding: Encoding
    device_type: str

    def __call__(self, arrays: Mapping[str, Tensor]) -> Tensor:
        with torch.no_grad(), torch.autocast(self.device_type, enabled=False):
            return self.encoding.decode(arrays)

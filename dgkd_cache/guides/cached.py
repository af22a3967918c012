"""One guide of a bank: one store, or several of the same model over different views; and the rows of a batch."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.device.device import send
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.guides.transfer import Decode, Rows
from dgkd_stores import GuideStore, RowIndex

__all__ = ["MISSING_VIEWS_HINT", "CachedGuide", "ReadRows", "common_temperature", "common_views", "group_stores"]

MISSING_VIEWS_HINT = "leave views out, for those that all guides have, or add a store of the missing views to the list"
"""For a user of the library; a workspace has a hint of its own."""


class CachedGuide:
    """One or more stores of the same weights over disjoint views; `rescale` converts rows to another temperature."""

    def __init__(self, name: str, parts: Sequence[tuple[GuideStore, Rows]], *, rescale: float, device: torch.device):
        """Raises Mismatch or InvalidInput for stores of different models, or of the same views."""
        self.name = name
        self.stores = tuple(store for store, _ in parts)
        self._parts, self._rescale, self._device = tuple(parts), rescale, device
        self._check_parts()

    @property
    def identity(self) -> str:
        """The seal of its store; for several, the SHA-256 (hex) of their seals in the order of views."""
        seals = [str(store.seal) for store in sorted(self.stores, key=lambda store: store.views.start)]
        return seals[0] if len(seals) == 1 else hashlib.sha256("".join(seals).encode()).hexdigest()

    @property
    def held(self) -> set[int]:
        """The view numbers that its stores have."""
        return set().union(*(set(store.views) for store in self.stores))

    def require(self, views: range) -> None:
        """Raises Mismatch if one of these views is in none of the stores."""
        held = self.held
        lacking = next((view for view in views if view not in held), None)
        if lacking is not None:
            raise Mismatch(
                f"guide {self.name!r} has too few views",
                expected=f"views {views.start} to {views.stop - 1}",
                found=f"no view {lacking} in " + ", ".join(str(store.path) for store in self.stores),
                do=MISSING_VIEWS_HINT,
            )

    def read(self, index: RowIndex) -> Decode:
        """Reads its rows (B, C) at the run's temperature; see `Rows`. Raises InvalidInput for views in no store."""
        if len(self._parts) == 1 or not len(index.views_B):
            return _Rescaled(self._parts[0][1].read(index), self._rescale)
        views_B, samples_B = index.views_B, index.samples_B
        parts = [
            (send(place, self._device), rows.read(RowIndex(views_B[place], samples_B[place])))
            for rows, place in self._places(views_B)
        ]
        return _Rescaled(_Joined(parts, len(views_B)), self._rescale)

    def expect(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64]) -> None:
        """Announces that these rows will be read; see `Rows`. Raises InvalidInput for views in no store."""
        for rows, place in self._places(views_B):
            rows.expect(views_B[place], samples_B[place])

    def _check_parts(self) -> None:
        first, *others = [_model_of(store) for store in self.stores]
        for store, other in zip(self.stores[1:], others, strict=True):
            if other != first:
                raise Mismatch(
                    f"two stores say that they are guide {self.name!r} and hold different models or temperatures",
                    expected=_described(*first),
                    found=f"{_described(*other)} in {store.path}",
                    do="use one of them: a guide has the name of the run that was dumped, so runs that teach together "
                    "are trained under different names",
                )
        taken: set[int] = set()
        for store in self.stores:
            if taken & set(store.views):
                raise InvalidInput(
                    f"guide {self.name!r} is given twice for the same views",
                    expected="stores of one guide with disjoint views",
                    found=f"view {min(taken & set(store.views))} again in {store.path}",
                    do="name each store once",
                )
            taken |= set(store.views)

    def _places(self, views_B: NDArray[np.int64]) -> list[tuple[Rows, NDArray[np.int64]]]:
        """Returns each store's rows with their places in the batch. Raises InvalidInput for views in no store."""
        places = [
            (rows, np.flatnonzero((views_B >= store.views.start) & (views_B < store.views.stop)))
            for store, rows in self._parts
        ]
        if sum(len(place) for _, place in places) < len(views_B):  # the stores' views are disjoint
            held = [store.views for store in self.stores]
            raise InvalidInput(
                f"views that guide {self.name!r} does not have",
                expected=" or ".join(f"{views.start} to {views.stop - 1}" for views in held),
                found=f"{views_B.min()} to {views_B.max()}",
                do="ask for the views of the bank alone: bank.views",
            )
        return [(rows, place) for rows, place in places if len(place)]


def group_stores(
    stores: Sequence[GuideStore],
    rows: Callable[[GuideStore, torch.device], Rows],
    *,
    names: Sequence[str] | None = None,
    temperature: float,
    device: torch.device,
) -> tuple[CachedGuide, ...]:
    """Groups stores by their guide, in the order of the guides' first stores; `rows` opens those of a store.

    `names` are those of the guides, one for each store, in place of those in the stores. Raises as `CachedGuide`.
    """
    by_name: dict[str, list[GuideStore]] = {}
    for name, store in zip(names or [store.header.guide.called for store in stores], stores, strict=True):
        by_name.setdefault(name, []).append(store)
    return tuple(
        CachedGuide(
            name,
            [(store, rows(store, device)) for store in of_guide],
            rescale=float(of_guide[0].header.temperature) / temperature,
            device=device,
        )
        for name, of_guide in by_name.items()
    )


def _model_of(store: GuideStore) -> tuple[str, int | None, str]:
    """Returns what all stores of a guide must have alike: its weights, the draw of them, and the temperature."""
    guide = store.header.guide
    return guide.weights_digest, guide.draw, store.header.temperature


def _described(weights: str, draw: int | None, temperature: str) -> str:
    return f"weights {weights[:16]}{'' if draw is None else f', draw {draw},'} at T = {temperature}"


def common_temperature(stores: Iterable[GuideStore]) -> float:
    """Returns the temperature of the stores. Raises InvalidInput if they have several."""
    found = {float(store.header.temperature) for store in stores}
    if len(found) > 1:
        raise InvalidInput(
            "the guides were dumped at several temperatures",
            expected="one, or the temperature of the training, to which all rows are then converted",
            found=", ".join(f"{each:g}" for each in sorted(found)),
            do=f"write temperature={max(found)}",
        )
    return found.pop()


def common_views(guides: Sequence[CachedGuide]) -> range:
    """Returns the views that all guides have. Raises Mismatch unless there are some, without gaps."""
    common = sorted(set.intersection(*(guide.held for guide in guides)))
    views = range(common[0], common[-1] + 1) if common else range(0)
    if not common or len(views) != len(common):
        held = [(guide.name, store.views) for guide in guides for store in guide.stores]
        raise Mismatch(
            "the guides have no range of views in common",
            expected="consecutive views that every guide has",
            found=", ".join(f"{name}: {views.start} to {views.stop - 1}" for name, views in held),
            do="give the views that all have as views=, or dump the missing ones",
        )
    return views


@dataclass(frozen=True)
class ReadRows:
    """The kept guides' rows of a batch, read and checked: (K, B, C) on the device once they are called for.

    They are float32 where the guides' types differ. `shape` is that of no rows: (0, B, C).
    """

    read: Sequence[Decode]
    shape: tuple[int, int, int]
    device: torch.device

    def __call__(self) -> Tensor:
        if not self.read:
            return torch.empty(self.shape, device=self.device)
        rows = [decode() for decode in self.read]
        if len({r.dtype for r in rows}) > 1:
            rows = [r.float() for r in rows]
        return torch.stack(rows)

    def softened(self, pixels_BIHW: Tensor) -> Tensor:
        """Returns the rows; unlike live guides, they need no pixels."""
        return self()


@dataclass(frozen=True)
class _Rescaled:
    """The rows at another temperature, in float32; as they are where the factor is 1."""

    decode: Decode
    factor: float

    def __call__(self) -> Tensor:
        rows_BC = self.decode()
        return rows_BC if self.factor == 1.0 else rows_BC.float() * self.factor


@dataclass(frozen=True)
class _Joined:
    """The rows of several stores, each at its places in the batch."""

    parts: Sequence[tuple[Tensor, Decode]]
    batch: int

    def __call__(self) -> Tensor:
        decoded = [(place, decode()) for place, decode in self.parts]
        dtype = functools.reduce(torch.promote_types, (rows.dtype for _, rows in decoded))
        first = decoded[0][1]
        rows_BC = torch.empty(self.batch, first.shape[1], dtype=dtype, device=first.device)
        for place, rows in decoded:
            rows_BC[place] = rows.to(dtype)
        return rows_BC

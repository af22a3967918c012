"""GuideBank: sealed guide stores as the guides of a training run.

Every store is checked against the data set, the view plan and the scheduled views BEFORE training, and the probe
replays pixels, so that a student provably sees what its guides saw. Only kept guides are read, and rows are decoded on
the training device.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.datasets.compare import explain_difference
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.views.probe import check_probe
from dgkd_cache.views.stream import Batch
from dgkd_cache.views.views import Views
from dgkd_stores import GuideStore, StoreHeader, clean

__all__ = ["GuideBank"]


class GuideBank:
    """The guides of a run, in the order given; stores of one guide with different views count as one guide.

    `views` binds the view plan to the training images, `scheduled` are the view numbers that the run will ask for, and
    `temperature` is the one to train at: rows dumped at T are multiplied by T / temperature.

    Raises StoreNotFound, Incomplete, DamagedStore or UnsafeStore as `GuideStore.open` does, and Mismatch, naming the
    first difference, when a store was made from other samples, labels, classes, views or pixels, or lacks scheduled
    views.
    """

    def __init__(
        self,
        stores: Sequence[Path | str],
        *,
        views: Views,
        scheduled: range,
        temperature: float,
        device: torch.device | str = "cpu",
    ) -> None:
        if not temperature > 0:
            raise InvalidInput("temperature is out of range", expected="a number > 0", found=str(temperature))
        self._device = torch.device(device)
        self._guides: list[_Guide] = []
        try:
            for path in stores:
                self._add(GuideStore.open(Path(path)), views, temperature)
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
        """How each guide was trained, as its store's header says."""
        return {guide.name: guide.stores[0].header.guide.training for guide in self._guides}

    def decoded_bytes(self, views: int) -> int:
        """Memory that `views` views of the compressed guides would take once decoded, whatever is kept of it."""
        return sum(
            store.decoded_bytes(min(views, len(store.views))) for guide in self._guides for store in guide.stores
        )

    def gather(
        self,
        views_B: NDArray[np.int64],
        samples_B: NDArray[np.int64],
        keep_G: NDArray[np.bool_] | None = None,
    ) -> Tensor:
        """Logits / temperature of the kept guides for B (view, sample) pairs: (K, B, C) on the device.

        They are float16 or float32 as stored, float32 for uint8 and where they had to be rescaled. A guide that is not
        kept is not read. Raises DamagedStore when a row's block does not match its digest.
        """
        if keep_G is not None and len(keep_G) != len(self._guides):
            raise InvalidInput(
                "the keep mask does not fit the guides",
                expected=f"one entry for each of {', '.join(self.names)}",
                found=f"{len(keep_G)} entries",
            )
        kept = [g for i, g in enumerate(self._guides) if keep_G is None or keep_G[i]]
        if not kept:
            return torch.empty(0, device=self._device)
        rows = [guide.gather(views_B, samples_B, self._device) for guide in kept]
        scaled = [r if g.rescale == 1.0 else r.float() * g.rescale for r, g in zip(rows, kept, strict=True)]
        if len({r.dtype for r in scaled}) > 1:
            scaled = [r.float() for r in scaled]
        return torch.stack(scaled)

    def softened(self, batch: Batch, keep_G: NDArray[np.bool_]) -> Tensor:
        """`gather` as the training loop calls it (see `Guidance`)."""
        return self.gather(batch.views_B, batch.samples_B, keep_G)

    def close(self) -> None:
        """Unmaps the stores."""
        for guide in self._guides:
            for store in guide.stores:
                store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _add(self, store: GuideStore, views: Views, temperature: float) -> None:
        name = store.header.guide.name
        same = next((guide for guide in self._guides if guide.name == name), None)
        guide = same or _Guide(name, float(store.header.temperature) / temperature)
        guide.stores.append(store)
        if same is None:
            self._guides.append(guide)
        _check(store, views)
        guide.check_parts()


class _Guide:
    """One guide: one or more stores of the same weights over disjoint views."""

    def __init__(self, name: str, rescale: float) -> None:
        self.name = name
        self.rescale = rescale
        self.stores: list[GuideStore] = []

    @property
    def identity(self) -> str:
        seals = [str(store.seal) for store in sorted(self.stores, key=lambda store: store.views.start)]
        return seals[0] if len(seals) == 1 else hashlib.sha256("".join(seals).encode()).hexdigest()

    def check_parts(self) -> None:
        first = self.stores[0].header
        for store in self.stores[1:]:
            other = store.header
            if (other.guide.weights_digest, other.temperature) != (
                first.guide.weights_digest,
                first.temperature,
            ):
                raise Mismatch(
                    f"two stores say that they are guide {self.name!r} and hold different models or temperatures",
                    expected=f"weights {first.guide.weights_digest[:16]} at T = {first.temperature}",
                    found=f"weights {other.guide.weights_digest[:16]} at T = {other.temperature} in {store.path}",
                    do="give guides of one run different names",
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

    def require(self, scheduled: range) -> None:
        held = set().union(*(set(store.views) for store in self.stores))
        lacking = next((view for view in scheduled if view not in held), None)
        if lacking is not None:
            raise Mismatch(
                f"guide {self.name!r} has too few views",
                expected=f"views {scheduled.start} to {scheduled.stop - 1}",
                found=f"no view {lacking} in " + ", ".join(str(store.path) for store in self.stores),
                do="lower views.count, or add a store of the same guide with the missing views",
            )

    def gather(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64], device: torch.device) -> Tensor:
        if len(self.stores) == 1:
            return _rows(self.stores[0], views_B, samples_B, device)
        places = [np.flatnonzero((views_B >= s.views.start) & (views_B < s.views.stop)) for s in self.stores]
        parts = [
            (_on(device, place), _rows(store, views_B[place], samples_B[place], device))
            for store, place in zip(self.stores, places, strict=True)
            if len(place)
        ]
        dtype = functools.reduce(torch.promote_types, (rows.dtype for _, rows in parts))
        rows_BC = torch.empty(len(views_B), self.stores[0].header.classes, dtype=dtype, device=device)
        for place, rows in parts:
            rows_BC[place] = rows.to(dtype)
        return rows_BC


def _rows(store: GuideStore, views_B: NDArray[np.int64], samples_B: NDArray[np.int64], device: torch.device) -> Tensor:
    """Rows of one store (B, C), decoded on the device: what travels is as small as what is stored."""
    stored = store.gather_stored(views_B, samples_B)
    return store.encoding.decode({name: _on(device, array) for name, array in stored.items()})


def _on(device: torch.device, array: NDArray[Any]) -> Tensor:
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _check(store: GuideStore, views: Views) -> None:
    """Refuses a store whose samples, classes, view plan or replayed pixels are not those of `views`."""
    header: StoreHeader = store.header
    images = views.images
    who = f"guide {header.guide.name!r} ({store.path})"
    if tuple(header.dataset.classes) != tuple(images.classes):
        raise Mismatch(
            f"{who} was dumped for other classes",
            expected=_few(images.classes),
            found=_few(header.dataset.classes),
            do="use a guide of this data set",
        )
    difference = explain_difference(
        images,
        label_N=store.label_N,
        sample_digest_N16=store.sample_digest_N16,
        classes=header.dataset.classes,
    )
    if difference is not None or header.dataset.digest != images.digest:
        raise Mismatch(
            f"{who} was dumped from another data set",
            expected=f"data set {images.name} with digest {images.digest[:16]}",
            found=f"data set {header.dataset.name} with digest {header.dataset.digest[:16]}"
            + (f" ({difference})" if difference else ""),
            do="use the data set that the guide saw, or dump the guide again from this one",
        )
    if header.plan_digest != views.plan.digest:
        raise Mismatch(
            f"{who} was dumped under another view plan",
            expected=f"plan {views.plan.digest[:16]} ({_plan_difference(views.plan.to_dict(), header.plan)})",
            found=f"plan {header.plan_digest[:16]}",
            do="copy the [views] settings of the guide's workspace, or dump the guide again under this plan",
        )
    check_probe(views, kind=header.probe, values=store.probe, first=header.first_view, count=header.views)
    for offset in _checked_views(header.views, len(images)):
        view = header.first_view + offset
        if views.plan.view_digest(view, len(images)) != store.view_digest_V32[offset].tobytes():
            raise Mismatch(
                f"{who} has other augmentation parameters",
                expected=f"the parameters of view {view} under this plan",
                found="other parameters with the same plan digest",
                do="have the guide dumped again: its writer does not follow the plan",
            )


_ROWS_CHECKED = 4_000_000


def _checked_views(views: int, samples: int) -> list[int]:
    """The views whose parameters are recomputed: all of them while that takes about a second, else a spread of them."""
    count = min(views, max(2, _ROWS_CHECKED // max(samples, 1)))
    return sorted({round(i * (views - 1) / max(count - 1, 1)) for i in range(count)})


def _few(classes: Sequence[str]) -> str:
    shown = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
    return f"{len(classes)} classes ({shown})"


def _plan_difference(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    keys = [key for key in sorted({*mine, *theirs}) if mine.get(key) != theirs.get(key)]
    return "; ".join(f"{key} {_brief(mine.get(key))} here, {_brief(theirs.get(key))} there" for key in keys[:3])


def _brief(value: Any) -> str:
    return clean(json.dumps(value, ensure_ascii=False))[:160]

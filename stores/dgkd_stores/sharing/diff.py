"""Compares two stores: where their headers differ, which arrays, views and rows, and by how much.

Blocks of rows are compared by their digests, and only those that differ are read. Rows of different encodings or
temperatures are all read, decoded and compared as logits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.arguments import as_path, require_callable
from dgkd_stores.coding.digests import differing_blocks
from dgkd_stores.format.derivation import probe_views
from dgkd_stores.format.identity import SAMPLE_ARRAYS
from dgkd_stores.format.layout import default_chunk_rows
from dgkd_stores.reading.reader import GuideStore
from dgkd_stores.writing.compare import differing_keys

__all__ = ["ArrayDifference", "StoreDifference", "ViewDifference", "diff"]


@dataclass(frozen=True, kw_only=True)
class ArrayDifference:
    """An array outside the rows that differs."""

    name: str
    """The name of the array."""
    rows: int
    """The number of rows that differ; 0 if the arrays have different shapes."""
    first: int
    """The first row that differs: a sample, test sample, view or pair of the probe; -1 without one."""


@dataclass(frozen=True, kw_only=True)
class ViewDifference:
    """The rows of one view that differ."""

    view: int
    """The number of the view."""
    rows: int
    """The number of rows that differ."""
    first: int
    """The first sample whose row differs."""
    largest: float
    """The largest absolute difference of two logits, not divided by the temperature."""
    mean: float
    """The mean absolute difference of the logits of the rows that differ."""
    top1: int
    """The number of rows whose largest logit is another class."""


@dataclass(frozen=True, kw_only=True)
class StoreDifference:
    """The differences of two finished stores; without any, `same` is true."""

    seals: tuple[str, str]
    """Both seals."""
    header: Mapping[str, tuple[str, str]]
    """The keys of the header that differ, dotted, each with both values as text, cut where it is long, or `missing`."""
    arrays: tuple[ArrayDifference, ...]
    """The arrays outside the rows that differ."""
    only: tuple[tuple[int, ...], tuple[int, ...]]
    """The views that only the first and only the second store has."""
    common: int
    """The number of views that both have; 0 if rows cannot be compared, because samples or classes differ in number."""
    views: tuple[ViewDifference, ...]
    """The common views with rows that differ."""

    @property
    def same(self) -> bool:
        """True if the stores have the same content."""
        return self.seals[0] == self.seals[1]

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON, and `same`."""
        return {"same": self.same, **asdict(self), "header": {key: list(both) for key, both in self.header.items()}}


def diff(
    first: Path | str, second: Path | str, *, report: Callable[[int, int], None] = lambda done, total: None
) -> StoreDifference:
    """Compares two finished stores; `report` gets the number of views done and the total.

    Every row that is read is checked against its digest. Raises as `GuideStore.open` and `gather`.
    """
    require_callable("diff", report=report)
    with (
        GuideStore.open(as_path("diff", "first", first)) as one,
        GuideStore.open(as_path("diff", "second", second)) as two,
    ):
        comparable = one.label_N.shape == two.label_N.shape and one.header.classes == two.header.classes
        common = [view for view in one.views if view in two.views] if comparable else []
        suspect = _suspect_rows(one, two, common)
        views = []
        for done, view in enumerate(common):
            report(done, len(common))
            views.append(_compare_view(one, two, view, suspect[done]))
        report(len(common), len(common))
        return StoreDifference(
            seals=(str(one.seal), str(two.seal)),
            header=differing_keys(one.header.to_dict(), two.header.to_dict()),
            arrays=tuple(_compare_arrays(one, two)),
            only=(_without(one.views, two.views), _without(two.views, one.views)),
            common=len(common),
            views=tuple(each for each in views if each is not None),
        )


def _suspect_rows(one: GuideStore, two: GuideStore, common: list[int]) -> NDArray[np.bool_]:
    """Returns which rows [common views, N] may differ: those of blocks with other digests, if these are comparable."""
    headers = one.header, two.header
    samples = headers[0].dataset.samples
    keys = [
        (header.encoding, header.encoding_settings, header.digest_rows, float(header.temperature), _shared(store))
        for header, store in zip(headers, (one, two), strict=True)
    ]
    if keys[0] != keys[1] or not common:
        return np.ones((len(common), samples), np.bool_)
    digests = [store.container.digests()[[store.header.place_of(view) for view in common]] for store in (one, two)]
    return np.repeat(differing_blocks(*digests), headers[0].digest_rows, axis=1)[:, :samples]


def _compare_view(one: GuideStore, two: GuideStore, view: int, suspect_N: NDArray[np.bool_]) -> ViewDifference | None:
    rows, first, largest, total, top1 = 0, -1, 0.0, 0.0, 0
    samples, step = np.flatnonzero(suspect_N), default_chunk_rows(one.header)
    for start in range(0, len(samples), step):
        sample_S = samples[start : start + step]
        logits = [_logits(store, view, sample_S) for store in (one, two)]
        gap_SC = np.abs(logits[0] - logits[1])
        differs_S = gap_SC.any(axis=1)
        if not differs_S.any():
            continue
        first = int(sample_S[differs_S][0]) if first < 0 else first
        rows += int(differs_S.sum())
        largest, total = max(largest, float(gap_SC.max())), total + float(gap_SC.sum())
        top1 += int((logits[0].argmax(axis=1) != logits[1].argmax(axis=1)).sum())
    if not rows:
        return None
    mean = total / (rows * one.header.classes)
    return ViewDifference(view=view, rows=rows, first=first, largest=largest, mean=mean, top1=top1)


def _shared(store: GuideStore) -> list[str]:
    """Returns the digests of the arrays that all rows of a store share, without which their digests say nothing."""
    assert store.container.seal is not None
    shared = store.header.row_encoding.shared_arrays(store.header.classes)
    return [store.container.seal.arrays[one.name] for one in shared]


def _logits(store: GuideStore, view: int, sample_S: NDArray[np.int64]) -> NDArray[np.float64]:
    rows_SC = store.gather(np.full_like(sample_S, view), sample_S).astype(np.float64)
    return rows_SC * float(store.header.temperature)


def _compare_arrays(one: GuideStore, two: GuideStore) -> list[ArrayDifference]:
    first, second = one.container.identity(), two.container.identity()
    pairs = [(name, first[name], second[name]) for name in SAMPLE_ARRAYS]
    if common := [view for view in one.views if view in two.views]:
        places = [[store.header.place_of(view) for view in common] for store in (one, two)]
        pairs.append(("view_digest", first["view_digest"][places[0]], second["view_digest"][places[1]]))
    if probe_views(one.header) == probe_views(two.header):  # otherwise they are of other pixels
        pairs.append(("probe", first["probe"], second["probe"]))
    tests = [store.test_logits_MC * float(store.header.temperature) for store in (one, two)]
    pairs.append(("test_logits", tests[0], tests[1]))
    return [found for name, a, b in pairs if (found := _compare(name, a, b)) is not None]


def _compare(name: str, first: NDArray[Any], second: NDArray[Any]) -> ArrayDifference | None:
    if first.shape != second.shape or first.dtype != second.dtype:
        return ArrayDifference(name=name, rows=0, first=-1)
    differs = (first != second).reshape(len(first), -1).any(axis=1) if first.size else np.zeros(0, np.bool_)
    if not differs.any():
        return None
    return ArrayDifference(name=name, rows=int(differs.sum()), first=int(np.flatnonzero(differs)[0]))


def _without(these: range, others: range) -> tuple[int, ...]:
    return tuple(view for view in these if view not in others)

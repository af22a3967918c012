"""Makes one store of several that hold other views of the same guide, whoever dumped them.

They must agree in all but their views and what was measured where they were dumped.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgkd_stores.arguments import as_path, refusal, require_callable, require_flags, require_kind
from dgkd_stores.coding.canonical import JsonValue
from dgkd_stores.errors import InvalidInput, Mismatch
from dgkd_stores.format.derivation import DERIVED_FROM, derived_header
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.identity import SAMPLE_ARRAYS
from dgkd_stores.format.layout import PROBES
from dgkd_stores.reading.reader import GuideStore
from dgkd_stores.writing.compare import differing_keys
from dgkd_stores.writing.whole import Converted, Report, WholeStore, check_target, write_whole

__all__ = ["merge"]

_OF_EACH = ("first_view", "views", "fidelity", "guide.accuracy", f"guide.training.{DERIVED_FROM}")
"""Keys in which stores of one guide may differ, and `compute` but for the rules by which images were decoded."""


def merge(
    sources: Sequence[Path | str],
    target: Path | str,
    *,
    codec: str = "none",
    take_over: bool = False,
    report: Report = lambda done, total: None,
) -> Converted:
    """Writes the views of several finished stores of one guide to `target`, a new sealed store.

    Their views are disjoint and without a gap; their order is free. Rows and digests are theirs, and row p of the probe
    is that of source p modulo their number, so that a student's pixels are compared with those of every source.
    `guide.training.derived_from` has the seal and the range of views of each. Accuracy, logits of the test set,
    encoding error and `compute` are those of the source with the first views.

    Raises `Mismatch`, which names the first difference, for stores of another guide, data set, view plan, encoding, or
    basis of `factored`, `InvalidInput` for views that overlap or leave a gap, and as `convert`.
    """
    if not isinstance(sources, Sequence) or isinstance(sources, str | bytes) or len(sources) < 2:
        raise refusal("merge", "sources", sources, expected="a list of at least two stores")
    target = as_path("merge", "target", target)
    require_kind("merge", "codec", codec, str, expected="the name of a codec")
    require_flags("merge", take_over=take_over)
    require_callable("merge", report=report)
    check_target(target, codec)
    with ExitStack() as opened:
        stores = [opened.enter_context(GuideStore.open(as_path("merge", "sources", path))) for path in sources]
        stores.sort(key=lambda store: store.views.start)
        for store in stores[1:]:
            _check_same_guide(stores[0], store)
        _check_views(stores)
        whole = WholeStore(header=_header(stores), identity=_identity(stores), parts=stores)
        return write_whole(target, whole, codec=codec, take_over=take_over, report=report)


def _header(stores: Sequence[GuideStore]) -> StoreHeader:
    first = stores[0].header
    every = replace(first, views=sum(len(store.views) for store in stores))
    return derived_header(every, "merge", [(store.header, str(store.seal)) for store in stores])


def _identity(stores: Sequence[GuideStore]) -> dict[str, NDArray[Any]]:
    arrays = [store.container.identity() for store in stores]
    row_P = np.arange(PROBES)
    return {
        **arrays[0],
        "view_digest": np.concatenate([each["view_digest"] for each in arrays]),
        "probe": np.stack([each["probe"] for each in arrays])[row_P % len(arrays), row_P],
    }


def _check_same_guide(first: GuideStore, other: GuideStore) -> None:
    """Raises Mismatch, which names the first difference that is not one of views or of measurements."""
    differing = differing_keys(_compared(first.header), _compared(other.header))
    for key, (expected, found) in differing.items():
        if not key.startswith(_OF_EACH):
            raise Mismatch(
                f"{other.path} is not of the same guide as {first.path}",
                expected=f"{key} {expected}",
                found=found,
                do=f"`{shlex.join(['dgkd-cache', 'diff', str(first.path), str(other.path)])}` shows all differences",
            )
    arrays = first.container.identity(), other.container.identity()
    shared = [one.name for one in first.header.row_encoding.shared_arrays(first.header.classes)]
    for name in (*SAMPLE_ARRAYS, *shared):
        if arrays[0][name].tobytes() != arrays[1][name].tobytes():
            raise Mismatch(f"{other.path} is not of the same guide as {first.path}", found=f"another array {name}")


def _compared(header: StoreHeader) -> dict[str, JsonValue]:
    """Returns the header without where it was computed, except for how images were decoded."""
    rules = {key: value for key, value in header.compute.items() if key in ("decoding", "test_decoding")}
    return {**header.to_dict(), "compute": rules}


def _check_views(stores: Sequence[GuideStore]) -> None:
    for before, after in zip(stores, stores[1:], strict=False):
        if after.views.start != before.views.stop:
            problem = "overlap" if after.views.start < before.views.stop else "leave a gap"
            raise InvalidInput(
                f"the views of {before.path} and {after.path} {problem}",
                expected=f"a store whose views begin at {before.views.stop}",
                found=f"views {after.views.start}:{after.views.stop} after {before.views.start}:{before.views.stop}",
                do="take a subset of the views of one"
                if problem == "overlap"
                else "add a store of the missing views, or train with several stores of one guide, which may have gaps",
            )

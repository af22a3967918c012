"""The sources of a derived store: the entry `derived_from` of `guide.training`, and the views that its probe is of.

No one can make a new probe without the images, so a derived store has the probe of its sources. stores/FORMAT.md,
Identity, has the rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dgkd_stores.coding.canonical import JsonValue
from dgkd_stores.coding.strict_json import deeper_than
from dgkd_stores.errors import InvalidInput, UnsafeStore
from dgkd_stores.format.header import StoreHeader
from dgkd_stores.format.layout import PROBES
from dgkd_stores.format.limits import MAX_JSON_DEPTH, MAX_VIEWS

__all__ = ["DERIVED_FROM", "derived_header", "probe_views"]

DERIVED_FROM = "derived_from"
"""The key in `guide.training`."""

_LEVELS_ABOVE = 5  # zarr.json, attributes, dgkd, guide and training


def derived_header(
    header: StoreHeader, operation: str, sources: Sequence[tuple[StoreHeader, str]], **training: JsonValue
) -> StoreHeader:
    """Returns `header` with `derived_from`: the operation, and header and seal of each store that it was applied to.

    The store must have the `sources`' probe: row p that of source p modulo their number. A source that was computed
    elsewhere has its `compute` there. `training` are further entries of `guide.training`. Raises InvalidInput for more
    operations on one another than a header has room for.
    """
    derived: dict[str, JsonValue] = {
        "operation": operation,
        "sources": [_source(source, seal, header) for source, seal in sources],
        "probe": [{"first_view": views.start, "views": len(views)} for views in _merged_probe(sources)],
    }
    if deeper_than(MAX_JSON_DEPTH - _LEVELS_ABOVE, derived):
        raise InvalidInput(
            "a store that was derived too often",
            expected=f"a header of at most {MAX_JSON_DEPTH} levels; each operation on a derived store adds three",
            found=f"{operation} of a store from many operations",
            do="begin with a store from fewer operations",
        )
    return replace(
        header, guide=replace(header.guide, training={**header.guide.training, **training, DERIVED_FROM: derived})
    )


def probe_views(header: StoreHeader) -> tuple[range, ...]:
    """Returns the views that the pairs of the probe are of: those of pair p are at place p modulo the length.

    That is the store's own range, except in a derived store. Raises UnsafeStore for an entry that `derived_header`
    cannot have made.
    """
    derived = header.guide.training.get(DERIVED_FROM)
    if derived is None:
        return (header.view_range,)
    listed = derived.get("probe") if isinstance(derived, Mapping) else None
    if not isinstance(listed, list) or not 1 <= len(listed) <= PROBES:
        raise _unknown(header, f"a list of 1 to {PROBES} ranges of views")
    return tuple(_range(header, one) for one in listed)


def _source(source: StoreHeader, seal: str, derived: StoreHeader) -> dict[str, JsonValue]:
    entry: dict[str, JsonValue] = {"seal": seal, "first_view": source.first_view, "views": source.views}
    if source.compute != derived.compute:
        entry["compute"] = source.compute
    if (before := source.guide.training.get(DERIVED_FROM)) is not None:
        entry[DERIVED_FROM] = before
    return entry


def _merged_probe(sources: Sequence[tuple[StoreHeader, str]]) -> list[range]:
    """Returns the shortest list of ranges that says for each row of the probe which views it is of."""
    each = [probe_views(header) for header, _ in sources]
    every = [each[row % len(each)][row % len(each[row % len(each)])] for row in range(PROBES)]
    length = next(n for n in range(1, PROBES + 1) if all(every[row] == every[row % n] for row in range(PROBES)))
    return every[:length]


def _range(header: StoreHeader, value: object) -> range:
    if isinstance(value, Mapping) and set(value) == {"first_view", "views"}:
        first, count = value["first_view"], value["views"]
        if type(first) is type(count) is int and 0 <= first <= 2**53 and 1 <= count <= MAX_VIEWS:
            return range(first, first + count)
    raise _unknown(header, "the numbers first_view and views of each range")


def _unknown(header: StoreHeader, expected: str) -> UnsafeStore:
    return UnsafeStore(
        f"guide {header.guide.name!r} does not say which views its probe is of",
        expected=f"{expected} in guide.training.{DERIVED_FROM}.probe",
        found="something else",
        do="ask for the store that it was derived from, or dump the guide again",
    )

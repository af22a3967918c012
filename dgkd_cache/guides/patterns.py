"""Patterns of stores: `guides/ta1.d*` stands for the stores of all draws of ta1 in that folder, in their order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from dgkd_cache.errors import StoreNotFound
from dgkd_stores import split_draw_name
from dgkd_stores.disk import explain_permission_errors, names_store

__all__ = ["draws_in", "expand_stores", "pattern_guide"]

_ALL = ".d*"


def pattern_guide(text: str) -> str | None:
    """Returns the guide of whose draws `text`, a name without a store's suffix, is the pattern; None for any other."""
    return text.removesuffix(_ALL) if text.endswith(_ALL) and "*" not in text.removesuffix(_ALL) else None


def draws_in(guide: str, names: Iterable[str]) -> list[str]:
    """Returns those of `names` that are draws of `guide`, by number: ta1.d2 before ta1.d10."""
    numbered = [(split_draw_name(name), name) for name in names]
    return [
        name
        for _, name in sorted((number, name) for (of, number), name in numbered if of == guide and number is not None)
    ]


def expand_stores(stores: Sequence[os.PathLike[str] | str]) -> list[Path]:
    """Returns the paths of stores, each pattern replaced by the stores in its folder that it stands for.

    A pattern is a path whose name is NAME.d*, with or without a store's suffix; one that exists is a path. Raises
    StoreNotFound for a pattern that matches nothing.
    """
    return [path for store in stores for path in _expanded(Path(store))]


def _expanded(path: Path) -> list[Path]:
    suffix = path.suffix if names_store(path) else ""
    guide = pattern_guide(path.name.removesuffix(suffix))
    if guide is None or os.path.lexists(path):
        return [path]
    there: dict[str, Path] = {}
    with explain_permission_errors(path.parent):
        for one in sorted(path.parent.iterdir()) if path.parent.is_dir() else ():
            if names_store(one) and suffix in ("", one.suffix):
                there.setdefault(one.name.removesuffix(one.suffix), one)
    found = draws_in(guide, there)
    if not found:
        others = sorted(there)
        raise StoreNotFound(
            f"no draws of {guide} in {path.parent}",
            expected=f"stores of the names {guide}.d0, {guide}.d1, ...",
            found=", ".join(others[:8]) or "no store",
            do="dump the draws of that guide first, or correct the folder or the name",
        )
    return [there[name] for name in found]

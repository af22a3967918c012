"""The errors of the training side, and those of the stores, which are re-exported."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dgkd_stores import (
    Damaged,
    DgkdError,
    Incomplete,
    Interrupted,
    InvalidInput,
    Locked,
    Mismatch,
    NoPermission,
    NoSpace,
    StoreNotFound,
    UnsafeStore,
    closest_names,
)

__all__ = [
    "Damaged",
    "DataMissing",
    "DataUnreadable",
    "DgkdError",
    "Incomplete",
    "Interrupted",
    "InvalidInput",
    "Mismatch",
    "NoPermission",
    "NoSpace",
    "NothingBegun",
    "RankLost",
    "Locked",
    "StoreNotFound",
    "UnknownName",
    "UnsafeStore",
    "is_out_of_memory",
    "natural",
    "unknown_name",
]


_MOST_LISTED = 40


class DataUnreadable(DgkdError):
    """A data set, or a file of it, that cannot be read."""


class DataMissing(DataUnreadable):
    """A data set that is not on this machine and may not, or could not, be downloaded."""

    exit_code = 2


class NothingBegun(DgkdError):
    """There is nothing that `--resume` could continue."""

    exit_code = 10


class RankLost(DgkdError):
    """Another process of the same job has ended; that process reports the reason."""


class UnknownName(InvalidInput):
    """A model, data set, transform, guide or setting that is not known."""


def is_out_of_memory(error: BaseException) -> bool:
    """Returns True for out-of-memory errors: torch has a class for GPUs, and only a text for CPUs."""
    told = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or told


def natural(name: str) -> list[tuple[str, int]]:
    """Returns a sort key that puts resnet8 before resnet14."""
    return [(word, int(number or 0)) for word, number in re.findall(r"(\D*)(\d*)", name)]


def unknown_name(kind: str, name: str, known: Iterable[str], *, meant: Iterable[str] = (), do: str = "") -> UnknownName:
    """Returns the error for an unknown `kind` called `name`, which names the closest known ones first.

    `meant` are names that the caller knows to be closer.
    """
    names = sorted(known, key=natural)
    close = [*meant, *closest_names(str(name), names, most=3)][:3]
    hint = f"did you mean {' or '.join(close)}?" if close else do
    listed = ", ".join(names) or "none"
    if len(names) > _MOST_LISTED:
        first = [*close, *(other for other in names if other not in close)][:_MOST_LISTED]
        listed = f"{', '.join(first)} and {len(names) - _MOST_LISTED} more"
    return UnknownName(f"unknown {kind} {name!r}", expected=f"one of {listed}", found=repr(name), do=hint)

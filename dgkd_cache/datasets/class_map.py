"""Class maps: which classes of a guide are ours, by name. A guide may have more classes than the student.

The file is a JSON object of each of the guide's names that is used to our name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_stores import parse_strictly

__all__ = ["map_classes", "read_class_map"]

_MOST_BYTES = 2**24
_EXAMPLE = 'the file is {"their name": "our name", ...}'


def read_class_map(path: Path) -> dict[str, str]:
    """Reads a class map: their name to ours.

    Raises InvalidInput for a file that is none, and Mismatch for one that gives one of ours to two of theirs.
    """
    try:
        text = path.read_bytes()
        if len(text) > _MOST_BYTES:
            raise ValueError("a file that is too large")
        value = parse_strictly(text)
    except (OSError, ValueError, RecursionError) as error:
        found = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidInput(
            f"the class map {path} cannot be read", expected="a JSON object", found=str(found), do=_EXAMPLE
        ) from error
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value.values()):
        raise InvalidInput(
            f"the class map {path} cannot be used", expected="a JSON object of texts", found="other values", do=_EXAMPLE
        )
    class_map = {theirs: str(ours) for theirs, ours in value.items()}
    if twice := [name for name, times in Counter(class_map.values()).items() if times > 1]:
        raise _given_twice(twice[0])
    return class_map


def map_classes(
    class_map: Mapping[str, str] | None, *, theirs: Sequence[str], ours: Sequence[str]
) -> NDArray[np.int64] | None:
    """Returns int64 (C,): for each of our classes its column in the guide's rows; None if both have the same classes.

    Raises Mismatch, which names the first difference, if they differ and there is no map, if the map has a name that
    one of them does not have, gives one of ours to two of theirs, or lacks one of ours.
    """
    if class_map is None:
        if tuple(theirs) == tuple(ours):
            return None
        place = next((i for i, name in enumerate(ours) if i >= len(theirs) or theirs[i] != name), len(ours))
        here, there = (repr(names[place]) if place < len(names) else "none" for names in (ours, theirs))
        raise Mismatch(
            "the guide has other classes",
            expected=f"{len(ours)} classes, of which number {place} is {here}",
            found=f"{len(theirs)} classes, of which number {place} is {there}",
            do="give a class map, a JSON file of their names to ours",
        )
    column_of = {name: column for column, name in enumerate(theirs)}
    chosen: dict[str, str] = {}
    for theirs_name, ours_name in class_map.items():
        if theirs_name not in column_of:
            raise _unfit("a class of the guide on the left", f"{theirs_name!r}, which it does not have")
        if ours_name not in ours:
            raise _unfit("a class of these images on the right", f"{ours_name!r}, which they do not have")
        if ours_name in chosen:
            raise _given_twice(ours_name)
        chosen[ours_name] = theirs_name
    for name in ours:
        if name not in chosen:
            raise _unfit("all of our classes", f"none for {name!r}")
    columns_C = np.array([column_of[chosen[name]] for name in ours], np.int64)
    return None if tuple(theirs) == tuple(ours) and (columns_C == np.arange(len(ours))).all() else columns_C


def _given_twice(ours_name: str) -> Mismatch:
    return _unfit("one of the guide's classes for each of ours", f"{ours_name!r} twice")


def _unfit(expected: str, found: str) -> Mismatch:
    return Mismatch("the class map does not fit", expected=expected, found=found, do="correct the class map")

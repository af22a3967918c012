"""Puts the mistakes of a caller into each argument of a call in turn: it works or it is told, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from dgkd_stores import DgkdError

__all__ = ["MISTAKES", "Calls", "arguments_never_refused"]

Calls = dict[str, tuple[Callable[..., object], dict[str, Any]]]
"""By name, calls with keywords that work."""

MISTAKES: tuple[object, ...] = (
    None,
    True,
    3,
    4,
    -1,
    0.5,
    float("nan"),
    "x",
    "a\0b",
    b"x",
    [],
    [None],
    ["x"],
    {},
    {"x": 1},
    range(0),
    range(1, 4),
    lambda *_: 1,
    object(),
    dict,
    np.zeros((2, 3)),
    np.zeros(2, np.complex64),
    Path("x"),
)


def arguments_never_refused(
    name: str, call: Callable[..., object], keywords: dict[str, Any], mistakes: Iterable[object] = MISTAKES
) -> set[str]:
    """The arguments that take every mistake; any error but a `DgkdError` with a way on fails the test."""
    refusals = dict.fromkeys(keywords, 0)
    for argument in keywords:
        for other in mistakes:
            if callable(other) and callable(keywords[argument]):
                continue  # whether it takes what it is called with is seen when it is called
            try:
                call(**{**keywords, argument: other})
            except DgkdError as error:
                refusals[argument] += 1
                assert error.problem and (error.expected or error.do), f"{name}({argument}={other!r}): {error}"
            except Exception as error:  # any other kind is what this looks for
                raise AssertionError(f"{name}({argument}={other!r}): {type(error).__name__} {error}") from error
    return {argument for argument, times in refusals.items() if not times}

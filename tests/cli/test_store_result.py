"""The result for one store: its exit code, and what a refused one says. All of `verify`: `commands/test_verify.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from dgkd_cache.errors import StoreNotFound
from dgkd_cli.store_result import StoreResult, gravest


@pytest.mark.parametrize(
    ("codes", "expected"),
    [((), 0), ((0, 0), 0), ((3, 0), 3), ((3, 1, 10), 10), ((10, 13, 12), 12), ((12, 15), 15), ((15, 2), 2)],
)
def test_the_gravest_of_several(codes: tuple[int, ...], expected: int) -> None:
    assert gravest(codes) == gravest(codes[::-1]) == expected


def test_a_store_that_was_refused() -> None:
    error = StoreNotFound("no guide store", expected="a folder", found="nothing", do="check it")
    result = StoreResult(name="a\x1b[2Jb", path=Path("guides/a.zarr"), error=error)
    assert result.exit_code == 10 and result.to_dict() == {
        "store": "a\x1b[2Jb",
        "path": "guides/a.zarr",
        "exit_code": 10,
        "refused": str(error),
        "damage": [],
    }
    (line,) = result.lines()
    assert line.endswith(f": refused: {error}") and "\x1b" not in line

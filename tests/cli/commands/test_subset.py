"""`subset`: some views of a store, with a workspace or without."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from dgkd_stores import read_header, verify

Command = Callable[..., Result]


def test_views_of_a_store_of_the_workspace(command: Command, guides: Path, workspace: Path) -> None:
    result = command("subset", "ta1", "--views", "1:3", "-o", "part.h5", "--codec", "gzip", "--json")
    assert result.exit_code == 0, result.stderr
    value = json.loads(result.stdout)
    source = str(guides / "ta1.zarr")
    assert value["source"].endswith("guides/ta1.zarr") and value["container"] == "hdf5" and value["written"]
    assert verify("part.h5", full=True).seal == value["seal"]
    header = read_header("part.h5").header
    assert header.view_range == range(1, 3)
    seal = read_header(source).seal
    assert header.guide.training["derived_from"]["sources"] == [{"seal": seal, "first_view": 0, "views": 3}]
    shown = command("info", "part.h5").stdout
    assert f"derived from {seal[:16]}, views 0:3 (subset)" in " ".join(shown.split())
    again = command("subset", "ta1", "--views", "1:3", "-o", "part.h5", "--codec", "gzip")
    assert again.exit_code == 0 and "is this very store already" in again.stderr


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        (["ta1", "--views", "0:3", "-o", "a.zarr"], 2, "a copy of all views is an export"),
        (["ta1", "--views", "2:4", "-o", "a.zarr"], 2, "fewer views than 0:3"),
        (["ta1", "--views", "2", "-o", "a.zarr"], 2, "expected A:B with A < B"),
        (["ta1", "--views", "0:1"], 2, "Missing option '-o'"),
        (["ta1", "--views", "0:1", "-o", "a.tar"], 2, "no name that tells a store's form"),
        (["nothing.zarr", "--views", "0:1", "-o", "a.zarr"], 10, "no guide store at nothing.zarr"),
    ],
)
def test_what_is_refused(command: Command, guides: Path, words: list[str], exit_code: int, said: str) -> None:
    result = command("subset", *words)
    assert result.exit_code == exit_code and said in result.stderr
    assert not Path("a.zarr").exists()

"""Stores that no repair mends: each is refused by its error, with what to do instead."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dgkd_stores import Damaged, GuideIdentity, InvalidInput, StoreNotFound, UnsafeStore, convert
from dgkd_stores.checking.damage import KINDS, Damage
from dgkd_stores.writing.mendable import header_of, other_than_sealed, refuse_unmendable


@pytest.fixture
def path(recipe: Any, tmp_path: Path) -> Path:
    recipe().write(tmp_path / "a.zarr")
    return tmp_path / "a.zarr"


def test_a_header_is_all_that_is_needed(path: Path, recipe: Any) -> None:
    for name in ("logits", "label", "digest"):
        (path / name / "zarr.json").write_text("{")
    (path / "evil.py").touch()
    assert header_of(path) == recipe().header


def test_without_its_header_a_store_is_lost(path: Path) -> None:
    group = json.loads((path / "zarr.json").read_bytes())
    del group["attributes"]["dgkd"]["guide"]
    (path / "zarr.json").write_text(json.dumps(group))
    with pytest.raises(UnsafeStore, match="nothing else tells a header.*dump the guide again"):
        header_of(path)
    with pytest.raises(StoreNotFound):
        header_of(path.parent / "nothing")


def test_a_single_file_is_not_mended_in_place(path: Path) -> None:
    convert(path, path.with_suffix(".h5"))
    with pytest.raises(InvalidInput, match="expected a Zarr folder, found hdf5, a single file; get it again"):
        header_of(path.with_suffix(".h5"))


@pytest.mark.parametrize("count", [1, 5, 8])
def test_foreign_things_are_named_and_left(recipe: Any, count: int) -> None:
    strays = [Damage(kind="foreign", files=(f"stray-{number}",)) for number in range(count)]
    lost = Damage(kind="missing", files=("label/c.0",))
    with pytest.raises(UnsafeStore, match="remove them, which no repair does") as caught:
        refuse_unmendable(Path("a.zarr"), recipe().header, [lost, *strays])
    shown = ", ".join(f"stray-{number}" for number in range(min(count, 5)))
    assert caught.value.found == shown + (" and 3 more" if count == 8 else "")


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"foreign"}))
def test_what_nothing_tells_is_refused_and_the_rest_is_not(recipe: Any, kind: str) -> None:
    one = Damage(kind=kind, files=("label/c.0",), expected="this", found="that")
    if kind not in ("seal", "not-finite"):
        refuse_unmendable(Path("a.zarr"), recipe().header, [one])
        return
    with pytest.raises(Damaged, match="a.zarr/label/c.0: .*expected this, found that; .*`dgkd-cache dump --model ta1`"):
        refuse_unmendable(Path("a.zarr"), recipe().header, [one])


def test_rows_that_come_out_otherwise(recipe: Any) -> None:
    error = other_than_sealed(Path("a.zarr"), recipe().header, "views 0 to 1", "1" * 64, "another")
    assert error.exit_code == 13 and (error.expected, error.found) == (f"SHA-256 {'1' * 64}", "another")
    assert "views 0 to 1 come out otherwise" in error.problem and "`dgkd-cache dump --model ta1`" in error.do


def test_given_logits_come_from_their_program(recipe: Any) -> None:
    header = recipe().header
    header = replace(header, guide=GuideIdentity.of_logits(name="given", identity={"version": 1}))
    error = other_than_sealed(Path("a.zarr"), header, "views 0 to 1", "1" * 64, "another")
    assert error.do.endswith("or remove a.zarr and make it again with the program that gave its logits")

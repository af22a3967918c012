"""A finished store from rows of others: each view from the first that has it, under one new seal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from dgkd_stores import Damaged, GuideStore, InvalidInput, verify
from dgkd_stores.coding.digests import Seal
from dgkd_stores.writing.whole import WholeStore, check_target, write_whole

pytestmark = pytest.mark.usefixtures("small_chunks")


def write(target: Path, whole: WholeStore) -> Any:
    return write_whole(target, whole, codec="none", take_over=False, report=lambda done, total: None)


def test_each_view_is_that_of_the_first_part_that_has_it(recipe: Any, tmp_path: Path) -> None:
    small = recipe(views=4)
    recipe(views=2, first_view=1).write(tmp_path / "a.zarr")
    small.write(tmp_path / "b.zarr")
    b, done = zarr.open_group(tmp_path / "b.zarr", mode="r"), []
    with GuideStore.open(tmp_path / "a.zarr") as first, GuideStore.open(tmp_path / "b.zarr") as second:
        whole = WholeStore(header=small.header, identity=second.container.identity(), parts=[first, second])
        assert [whole.part(view) for view in range(4)] == [second, first, first, second]
        made = write_whole(
            tmp_path / "c.zarr", whole, codec="none", take_over=False, report=lambda *counts: done.append(counts)
        )
        assert made.seal == second.seal, "the same rows give the same seal"
    assert done[-1] == (2 * 4 * 50 * 28,) * 2
    c = zarr.open_group(tmp_path / "c.zarr", mode="r")
    assert np.array_equal(b["logits"][:], c["logits"][:]) and verify(tmp_path / "c.zarr", full=True).exit_code == 0


def test_another_seal_than_expected_is_damage(path: Path, tmp_path: Path) -> None:
    with GuideStore.open(path) as store:
        held = store.container
        assert held.seal is not None
        seal = Seal(digest="e" * 64, arrays=held.seal.arrays)
        whole = WholeStore(header=held.header, identity=held.identity(), parts=[store], seal=seal)
        with pytest.raises(Damaged, match="damaged"):
            write(tmp_path / "b.zarr", whole)
    assert not (tmp_path / "b.zarr").exists()


def test_another_header_is_another_seal(path: Path, tmp_path: Path) -> None:
    with GuideStore.open(path) as store:
        header = replace(store.header, licence="another")
        made = write(tmp_path / "b.zarr", WholeStore(header=header, identity=store.container.identity(), parts=[store]))
        assert made.seal != store.seal and verify(tmp_path / "b.zarr", full=True).seal == made.seal


@pytest.mark.parametrize(("name", "codec"), [("a.tar", "none"), ("a.zarr", "gzip"), ("a.h5", "zstd")])
def test_targets_that_cannot_be(name: str, codec: str) -> None:
    with pytest.raises(InvalidInput):
        check_target(Path(name), codec)

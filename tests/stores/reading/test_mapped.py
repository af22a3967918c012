"""Mapped rows: bounded mappings whatever is asked for, addresses given back, and rows that do not begin at a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stores.support.mappings import mappings, needs_maps

from dgkd_stores import GuideStore
from dgkd_stores.reading import mapped
from dgkd_stores.reading.address_space import Addresses

pytestmark = [pytest.mark.usefixtures("small_chunks"), needs_maps]


@pytest.mark.parametrize("encoding", ["float16", "uint8"])
def test_no_more_mappings_than_the_limit(
    recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    small = recipe(views=12, encoding=encoding)
    small.write(tmp_path / "a.zarr")
    with GuideStore.open(tmp_path / "a.zarr") as store:
        rng = np.random.default_rng(0)
        everything = store.gather(np.repeat(np.arange(12), 50), np.tile(np.arange(50), 12)).reshape(12, 50, -1)
        unbounded = mappings(tmp_path)
        monkeypatch.setattr(mapped, "MAX_MAPPINGS", 5)
        store.close()
        assert mappings(tmp_path) == 0
        for size in (1, 3, 7, 64, 300):
            for _ in range(10):
                views_B, samples_B = rng.integers(0, 12, size), rng.integers(0, 50, size)
                assert (store.gather(views_B, samples_B) == everything[views_B, samples_B]).all()
                assert 0 < mappings(tmp_path) <= 5 < unbounded
    assert mappings(tmp_path) == 0


def test_the_limit_is_for_all_stores_together(recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = recipe(views=12)
    everything = np.stack([small.logits(view) for view in range(12)])
    for name in "ab":
        small.write(tmp_path / name)
    monkeypatch.setattr(mapped, "MAX_MAPPINGS", 20)
    rng = np.random.default_rng(1)
    with GuideStore.open(tmp_path / "a") as first, GuideStore.open(tmp_path / "b") as second:
        for _ in range(20):
            for store in (first, second):
                views_B, samples_B = rng.integers(0, 12, 9), rng.integers(0, 50, 9)
                assert (store.gather(views_B, samples_B) == everything[views_B, samples_B]).all()
                assert 0 < mappings(tmp_path) <= 20
    assert mappings(tmp_path) == 0


def test_interrupted_while_chunks_are_let_go(recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C may come at any line: what is unmapped by then is mapped again before it is read."""
    small = recipe()
    small.write(tmp_path / "a.zarr")
    really = Addresses.unmap

    def interrupted(self: Addresses) -> None:
        really(self)
        raise KeyboardInterrupt

    with GuideStore.open(tmp_path / "a.zarr") as store:
        assert (store.gather([1], [3])[0] == small.logits(1)[3]).all()
        with monkeypatch.context() as patch:
            patch.setattr(Addresses, "unmap", interrupted)
            with pytest.raises(KeyboardInterrupt):
                store.close()
        assert (store.gather([1], [3])[0] == small.logits(1)[3]).all()

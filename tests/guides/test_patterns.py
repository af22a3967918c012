"""Patterns of draws: `ta1.d*` is all draws of ta1, by number, each of them a guide; a dropped one is not read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from support.drawn_models import draw_writer, with_dropout

import dgkd_cache as dgkd
from dgkd_cache.errors import InvalidInput, Mismatch, StoreNotFound
from dgkd_cache.guides.patterns import draws_in, expand_stores, pattern_guide
from dgkd_stores import GuideStore


@pytest.fixture(scope="module")
def guides(bars, plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a guide, three of its draws, and a draw of another one."""
    folder, model = tmp_path_factory.mktemp("guides"), with_dropout()
    draw_writer(folder / "ta1.zarr", bars, plan, model, None).run()
    for draw in (0, 2, 10):
        draw_writer(folder / f"ta1.d{draw}.zarr", bars, plan, model, draw).run()
    draw_writer(folder / "ta2.d0.zarr", bars, plan, model, 0, name="ta2").run()
    return folder


@pytest.mark.parametrize("pattern", ["ta1.d*", "ta1.d*.zarr"])
def test_a_bank_takes_all_draws_of_a_guide(bars, guides: Path, pattern: str) -> None:
    with dgkd.GuideBank([guides / "ta1.zarr", guides / pattern], bars.train) as bank:
        assert bank.names == ("ta1", "ta1.d0", "ta1.d2", "ta1.d10")
        seals = {}
        for name in bank.names:
            with GuideStore.open(guides / f"{name}.zarr") as store:
                seals[name] = store.seal
        assert dict(bank.identities) == seals and len(set(seals.values())) == 4
        rows_GBC = bank.gather(np.zeros(5, np.int64), np.arange(5))
    assert len({rows_BC.numpy().tobytes() for rows_BC in rows_GBC}) == 4


@pytest.mark.parametrize(
    "rule", [dgkd.Dropping(keep=0.5), dgkd.Dropping(kind="fixed", drop=1)], ids=lambda rule: rule.kind
)
def test_a_dropped_draw_is_not_read(bars, guides: Path, monkeypatch: pytest.MonkeyPatch, rule: dgkd.Dropping) -> None:
    read: set[str] = set()
    original = os.open

    def spy(path, *how, **more):
        store, array, file = ["", "", *Path(path).parts][-3:]
        if array == "logits" and file.startswith("c."):
            read.add(store.removesuffix(".zarr"))
        return original(path, *how, **more)

    random, step = dgkd.RunRandom(1), 3
    with dgkd.GuideBank([guides / "ta1.d*"], bars.train) as bank:
        keep_G = rule.keep_mask(random, step, bank.names)
        assert 0 < keep_G.sum() < 3, "some of them are dropped"
        monkeypatch.setattr(os, "open", spy)
        bank.gather(np.zeros(5, np.int64), np.arange(5), keep_G)
        assert read == {name for name, keep in zip(bank.names, keep_G, strict=True) if keep}


def test_a_pattern_that_matches_nothing(bars, guides: Path) -> None:
    with pytest.raises(StoreNotFound, match=r"no draws of ta3 in .*ta3\.d0.*found ta1, ta1\.d0") as refused:
        dgkd.GuideBank([guides / "ta3.d*"], bars.train)
    assert refused.value.exit_code == 10
    with pytest.raises(StoreNotFound, match="found no store"):
        expand_stores([guides / "nowhere" / "ta1.d*"])


def test_names_are_those_of_the_stores_that_a_pattern_stands_for(bars, guides: Path) -> None:
    with dgkd.GuideBank([guides / "ta1.d*"], bars.train, names=["a", "b", "c"]) as bank:
        assert bank.names == ("a", "b", "c")
    with pytest.raises(InvalidInput, match="3 names, one for each store"):
        dgkd.GuideBank([guides / "ta1.d*"], bars.train, names=["a"])


def test_two_draws_are_no_parts_of_one_guide(bars, plan, guides: Path, tmp_path: Path) -> None:
    draw_writer(tmp_path / "more.zarr", bars, plan, with_dropout(), 2, views=range(2, 4)).run()
    with dgkd.GuideBank([guides / "ta1.d2.zarr", tmp_path / "more.zarr"], bars.train) as bank:
        assert bank.names == ("ta1.d2",) and bank.views == range(4)
    with pytest.raises(Mismatch, match="draw 0, at T = 1.*draw 2, at T = 1"):
        dgkd.GuideBank([guides / "ta1.d0.zarr", tmp_path / "more.zarr"], bars.train, names=["a", "a"])


def test_what_is_a_pattern() -> None:
    assert pattern_guide("ta1.d*") == "ta1"
    assert [pattern_guide(text) for text in ("ta1", "ta*.d*", "ta1.d0", "ta1*", "*")] == [None] * 5
    names = ["ta1.d10", "ta1", "ta1.d2", "ta1.d2-0-2", "ta11.d0", "ta1.d02", "ta1.d99999999999"]
    assert draws_in("ta1", names) == ["ta1.d2", "ta1.d10"]
    assert expand_stores(["a.zarr", Path("b/ta*.zarr")]) == [Path("a.zarr"), Path("b/ta*.zarr")]

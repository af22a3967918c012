"""The page of a card: parts that depend on what a header has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from stores.support.small_store import SmallStore

from dgkd_stores import GuideStore
from dgkd_stores.sharing.readme import data_licence_of, make_readme, summary


def test_a_summary_counts_views_and_parameters() -> None:
    assert "(78,042 parameters)" in summary(SmallStore().header) and "in 3 augmented views" in summary(
        SmallStore().header
    )
    assert "in 1 augmented view." in summary(SmallStore(views=1).header)


def test_a_given_licence_comes_first() -> None:
    header = SmallStore().header
    named = replace(header, dataset=replace(header.dataset, name="fashion-mnist"))
    assert (data_licence_of(named, ""), data_licence_of(named, "ours"), data_licence_of(header, "")) == (
        "MIT",
        "ours",
        "",
    )


def test_many_classes_are_cut(tmp_path: Path) -> None:
    SmallStore(views=1, classes=1000).write(path := tmp_path / "a.zarr")
    with GuideStore.open(path) as store:
        page = make_readme(store, name="a.zarr", data_licence="")
    assert "`class 19 é` and 980 more |" in page and "class 20" not in page

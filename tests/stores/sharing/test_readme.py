"""The page of a card: parts that depend on what a header has."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from stores.support.small_store import SmallStore

from dgkd_stores import GuideIdentity, GuideStore, StoreHeader, canonical_json, subset
from dgkd_stores.coding.canonical import sha256_hex
from dgkd_stores.sharing.croissant import make_croissant
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


def test_what_a_store_was_made_from(tmp_path: Path) -> None:
    SmallStore().write(whole := tmp_path / "a.zarr")
    subset(whole, part := tmp_path / "b.zarr", views=range(1, 3))
    with GuideStore.open(whole) as source, GuideStore.open(part) as store:
        page = make_readme(store, name="b.zarr", data_licence="")
        assert f"- made by `subset` from the store of seal `{source.seal}`, views 0 to 2\n" in page
        assert "made" not in make_readme(source, name="a.zarr", data_licence="").partition("## Where")[2].split("`")[0]


def test_a_strange_derivation_is_left_out(tmp_path: Path) -> None:
    for number, derived in enumerate(("5" * 64, 3, [], {"sources": [3, {"seal": "<b>", "views": "x"}]})):

        class Derived(SmallStore):
            @property
            def header(self) -> StoreHeader:
                header = super().header
                return replace(header, guide=replace(header.guide, training={"derived_from": derived}))  # noqa: B023 - written at once

        Derived(views=1).write(path := tmp_path / f"{number}.zarr")
        with GuideStore.open(path) as store:
            page = make_readme(store, name="a.zarr", data_licence="").partition("## Where")[2]
        assert ("made from the store of seal `" + "5" * 64 in page) == (number == 0)
        assert ("made by `?` from the store of seal `(b)`\n" in page) == (number == 3)


def test_a_transform_of_several_numbers_has_them_by_name(tmp_path: Path) -> None:
    several = [
        {"name": "crop", "padding": 4},
        {"name": "hflip"},
        {"name": "rand-augment", "operations": 2, "magnitude": 9, "cos_sin_q30": [[1, 2]] * 31},
        {"name": "erasing", "probability": "0.25", "area_q24": [1, 2]},
    ]

    class Planned(SmallStore):
        @property
        def header(self) -> StoreHeader:
            plan = {"transforms": several, "seed": 3}
            return replace(super().header, plan=plan, plan_digest=sha256_hex(canonical_json(plan)))

    Planned(views=1).write(path := tmp_path / "a.zarr")
    with GuideStore.open(path) as store:
        page = make_readme(store, name="a.zarr", data_licence="")
    assert "`crop(4), hflip, rand-augment(magnitude 9, operations 2), erasing(0.25), seed 3`" in page


def trained(path: Path, **training: object) -> tuple[str, dict[str, str]]:
    """The page and the croissant.json of a store whose guide was trained so."""

    class Trained(SmallStore):
        @property
        def header(self) -> StoreHeader:
            header = super().header
            return replace(header, guide=replace(header.guide, training=training))

    Trained(views=1).write(path)
    with GuideStore.open(path) as store:
        return make_readme(store, name="a.zarr", data_licence=""), croissant_of(store)


def test_a_draw_is_said_to_be_one(tmp_path: Path) -> None:
    rates = {"a": "0.5", "b": "0.25", "c": "0.5"}
    page, machine = trained(tmp_path / "a.zarr", draw={"number": 3, "rates": rates})
    assert "| draw | 3: one pass of the model with its dropout active, at the rates `0.25`, `0.5` |" in page
    assert " test samples, by this draw |" in page and "by the guide itself" not in page
    assert "logits of draw 3 of a trained" in page and ", in one pass with its dropout active, for every" in page
    assert "logits of draw 3, a pass with dropout, of " in machine["description"]
    plain, machine = trained(tmp_path / "b.zarr", draw="of lots")
    assert "dropout" not in plain + machine["description"] and "by the guide itself" in plain


def test_a_pruned_guide_is_said_to_be_one(tmp_path: Path) -> None:
    """The header has the JSON of the card under that key; text of another form says nothing."""
    told = {"source": "ta1 <b>", "weights_kept": 1234, "weights_of": 5000, "criterion": "guided", "sparsity": 0.7532}
    page, _ = trained(tmp_path / "a.zarr", pruning=json.dumps(told))
    assert (
        "- pruned from `ta1 (b)`: 1,234 of 5,000 weights are left, by the criterion `guided`; all others are 0\n"
        in page
    )
    for number, text in enumerate(("{", "[" * 5000, "3", "[]", "{}", '{"weights_kept": "1", "weights_of": 2}', 5)):
        assert "pruned" not in trained(tmp_path / f"{number}.zarr", pruning=text)[0]


class Given(SmallStore):
    """The store of a guide whose logits a program gave."""

    @property
    def header(self) -> StoreHeader:
        many = {f"key {number:02}": number for number in range(25)}
        identity = {"a <b>": ["c|d"], "b": "`e`", **many}
        guide = GuideIdentity.of_logits(name="given", identity=identity)
        return replace(super().header, guide=replace(guide, accuracy="0.5"))


def test_given_logits_are_said_to_be_that(tmp_path: Path) -> None:
    Given(views=1).write(path := tmp_path / "a.zarr")
    with GuideStore.open(path) as store:
        page, machine = make_readme(store, name="a.zarr", data_licence=""), croissant_of(store)
    assert "temperature-softened logits that a program gave for every" in page and "parameters" not in page
    assert "| computed with | elsewhere: a program gave the logits |" in page
    digest = store.header.guide.weights_digest
    assert f"- no weights: a program gave its logits, of the identity `{digest}`" in page
    assert '- `a (b)`: `("c/d")`\n' in page and "- `b`: `'e'`\n" in page
    assert "# `given`: logits on `toy`\n" in page and page.count("- `key ") == 18
    assert "learnt from labels alone" not in page
    assert "logits that a program gave (test accuracy 0.5)" in machine["description"]
    assert "A program gave it" in machine["rai:dataCollection"]


def croissant_of(store: GuideStore) -> dict[str, str]:
    found: dict[str, str] = json.loads(make_croissant(store, name="a.zarr", data_licence="", published=""))
    return found

"""The entry `derived_from`: what it names, and which views the rows of a probe are of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dgkd_stores import InvalidInput, StoreHeader, UnsafeStore, canonical_json, derived_header, probe_views

A, B, C = "a" * 64, "b" * 64, "c" * 64


def with_training(header: StoreHeader, **training: Any) -> StoreHeader:
    return replace(header, guide=replace(header.guide, training=training))


def test_operation_seal_and_range_are_named(recipe: Any) -> None:
    header = recipe(views=5, first_view=2).header
    part = derived_header(replace(header, first_view=3, views=2), "subset", [(header, A)], note="x")
    assert part.guide.training["note"] == "x" and part.guide.training["epochs"] == 3
    assert (
        canonical_json(part.guide.training["derived_from"])
        == (
            f'{{"operation":"subset","probe":[{{"first_view":2,"views":5}}],'
            f'"sources":[{{"first_view":2,"seal":"{A}","views":5}}]}}'
        ).encode()
    )
    assert (part.first_view, part.views) == (3, 2)


def test_the_probe_of_a_store_is_of_its_own_views(recipe: Any) -> None:
    assert probe_views(recipe(views=5, first_view=2).header) == (range(2, 7),)


def test_each_row_of_a_merged_probe_is_of_the_views_of_its_source(recipe: Any) -> None:
    """Source p modulo 2; the second one is itself merged from views 5 to 6 and 7 to 9."""
    first, second, third = (recipe(first_view=at, views=n).header for at, n in ((0, 5), (5, 2), (7, 3)))
    both = derived_header(replace(second, views=5), "merge", [(second, B), (third, C)])
    assert probe_views(both) == (range(5, 7), range(7, 10))
    every = derived_header(replace(first, views=10), "merge", [(first, A), (both, B)])
    assert probe_views(every) == (range(5), range(7, 10)), "row 1 of the second is of its second source"
    assert every.guide.training["derived_from"]["sources"][1]["derived_from"] == both.guide.training["derived_from"]


def test_where_else_a_source_was_computed_is_kept(recipe: Any) -> None:
    here, there = recipe(views=2).header, recipe(views=2, first_view=2, compute={"device": "cuda", "batch": 64}).header
    derived = derived_header(replace(here, views=4), "merge", [(here, A), (there, B)]).guide.training["derived_from"]
    assert "compute" not in derived["sources"][0]
    assert derived["sources"][1]["compute"] == {"device": "cuda", "batch": 64}


def test_a_header_has_no_room_for_any_number_of_operations(recipe: Any) -> None:
    header = recipe().header
    for _ in range(8):
        header = derived_header(header, "subset", [(header, A)])
        StoreHeader.from_dict(header.to_dict())
    with pytest.raises(InvalidInput, match="derived too often.*at most 32 levels"):
        derived_header(header, "subset", [(header, A)])


@pytest.mark.parametrize(
    "derived",
    [
        *(A, 3, [], {}, {"probe": []}, {"probe": 1}, {"probe": [{"first_view": 0, "views": 1}] * 65}),
        *(
            {"probe": [{"first_view": at, "views": n}]}
            for at, n in ((-1, 1), (0, 0), (True, 1), (0, 2**20 + 1), ("0", 1))
        ),
        {"probe": [{"first_view": 0}]},
        {"probe": [{"first_view": 0, "views": 1, "more": 1}]},
    ],
)
def test_an_entry_of_any_other_form_is_unsafe(recipe: Any, derived: Any) -> None:
    with pytest.raises(UnsafeStore, match="does not say which views its probe is of"):
        probe_views(with_training(recipe().header, derived_from=derived))

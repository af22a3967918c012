"""Stores in the encoding `topk` whose settings, classes or tails mean harm: a class is a place that is written to."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from stores.support.refusals import edit

from dgkd_stores import Damaged, UnsafeStore

from .content_stores import put, put_row_of
from .corpus import enter, hostile, reseal
from .factored_stores import change

HEADERS: dict[str, tuple[tuple[str, Any], str]] = {
    "k_of_nothing": (("encoding_settings.k", 0), "encoding_settings: expected k, an integer from 1 to 2"),
    "k_of_all_classes": (("encoding_settings.k", 3), "k, an integer from 1 to 2"),
    "k_of_terabytes": (("encoding_settings.k", 2**50), "k, an integer from 1 to 2"),
    "k_as_text": (("encoding_settings.k", "2"), "found k '2'"),
    "k_that_is_true": (("encoding_settings.k", True), "found k True"),
    "a_setting_more": (("encoding_settings.rank", 2), "k, an integer from 1 to 2, and temperatures"),
    "no_temperatures": (("encoding_settings.temperatures", []), "temperatures: expected 1 to 16 decimals"),
    "temperatures_as_text": (("encoding_settings.temperatures", "41"), "found '41'"),
    "temperatures_as_numbers": (("encoding_settings.temperatures", [4, 1]), "1 to 16 decimals"),
    "a_temperature_of_nothing": (("encoding_settings.temperatures", ["4", "0"]), "1 to 16 decimals"),
    "a_temperature_below_nothing": (("encoding_settings.temperatures", ["4", "-1"]), "1 to 16 decimals"),
    "a_temperature_that_overflows": (("encoding_settings.temperatures", ["4", "1" + "0" * 30]), "within 2.20"),
    "a_temperature_that_vanishes": (("encoding_settings.temperatures", ["4", "0." + "0" * 300 + "1"]), "within 2.20"),
    "a_temperature_twice": (("encoding_settings.temperatures", ["4", "1", "1.0"]), "none twice"),
    "temperatures_out_of_order": (("encoding_settings.temperatures", ["4", "2", "1"]), "then ascending"),
    "temperatures_of_megabytes": (("encoding_settings.temperatures", ["4"] * 100_000), "1 to 16 decimals"),
    "temperatures_of_other_rows": (("encoding_settings.temperatures", ["2", "1"]), "begin with that of the rows, 4"),
    "settings_in_version_1": (("version", 1), "no encoding_settings in version 1"),
    "version_2_of_float16": (("encoding", "float16"), "expected none for float16"),
    "settings_of_another_encoding": (("encoding_settings", {"width": 2}), "found width 2"),
}
"""Place and value in the header, and the message."""

for name, ((place, value), says) in HEADERS.items():
    enter(
        f"topk_{name}",
        "Settings that no writer makes, sealed.",
        change(place, value),
        UnsafeStore,
        base="topk",
        says=says,
    )


@hostile(UnsafeStore, base="topk", says="shape")
def topk_of_other_k_than_its_arrays(store: Path) -> None:
    """A header of one class a row over rows of two, sealed."""
    change("encoding_settings.k", 1)(store)


@hostile(UnsafeStore, base="topk", says="data_type")
def topk_with_wide_classes(store: Path) -> None:
    """Classes of another type than so few have."""
    edit(store / "index" / "zarr.json", "data_type", value="int32")


@hostile(UnsafeStore, base="topk", says="dimension_names")
def topk_with_the_dimensions_of_version_1(store: Path) -> None:
    """Entries that call themselves classes."""
    edit(store / "logits" / "zarr.json", "dimension_names", 2, value="class")


@hostile(Damaged, base="topk", says="lost|missing|no such")
def topk_without_its_tails(store: Path) -> None:
    """Rows that say nothing of other classes."""
    shutil.rmtree(store / "tail")


@hostile(UnsafeStore, says="none of a guide store's")
def classes_in_version_1(store: Path) -> None:
    """An array of the next version."""
    (store / "index").mkdir()


CLASSES = {"that_is_none": (1, 3), "far_away": (1, 65_535), "twice": (1, 0), "out_of_order": (0, 2)}
"""Place in the first row, whose classes are two of three, and value."""

for name, (at, label) in CLASSES.items():
    enter(
        f"topk_class_{name}",
        "Decoding writes to the place of each class, under digests that fit.",
        lambda store, at=at, label=label: put_classes(store, at, label),
        Damaged,
        base="topk",
        rows=True,
        says="classes in ascending order",
    )


def put_classes(store: Path, at: int, label: int) -> None:
    """Set one class of the first row, whose other one is 0 where it comes first and 1 where it comes last."""
    put(store / "index" / "c.0.0.0", 0, 0 if at else label, "<u2")
    put_row_of(store, "index/c.0.0.0", 1, label if at else 1, "<u2")


TAILS = {"nan": float("nan"), "infinity": float("inf"), "over_its_bound": 2.0**41, "below_its_bound": -(2.0**41)}

for name, value in TAILS.items():
    enter(
        f"topk_tail_{name}",
        "A tail spoils all classes but a row's own, at a temperature that only training uses.",
        lambda store, value=value: put_row_of(store, "tail/c.0.0.0", 1, value, "<f4"),
        Damaged,
        base="topk",
        rows=True,
        says="finite numbers",
    )


@hostile(Damaged, base="topk", rows=True, says="finite numbers")
def topk_logit_that_is_no_number(store: Path) -> None:
    """A logit of a row's own."""
    put_row_of(store, "logits/c.0.0.0", 1, float("nan"), "<f2")


@hostile(Damaged, base="topk", says="classes in ascending order")
def topk_test_row_of_no_class(store: Path) -> None:
    """A place beyond the row, in the rows that are decoded first."""
    put(store / "test_index" / "c.0.0", 1, 60_000, "<u2")
    reseal(store)

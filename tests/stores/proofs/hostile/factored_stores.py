"""Stores of version 2 whose settings or shared arrays mean harm: widths, bases, versions that do not fit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from stores.support.refusals import edit

from dgkd_stores import Damaged, Mismatch, UnsafeStore

from .content_stores import put_row_of, put_sealed
from .corpus import edit_at, enter, hostile, reseal

HEADERS: dict[str, tuple[Any, str]] = {
    "width_of_nothing": (("encoding_settings.width", 0), "encoding_settings: expected width alone"),
    "width_above_the_classes": (("encoding_settings.width", 4), "an integer from 1 to 3, found width 4"),
    "width_of_terabytes": (("encoding_settings.width", 2**50), "an integer from 1 to 3"),
    "width_as_text": (("encoding_settings.width", "2"), "found width '2'"),
    "width_that_is_true": (("encoding_settings.width", True), "found width True"),
    "a_setting_more": (("encoding_settings.rank", 2), "width alone"),
    "settings_in_version_1": (("version", 1), "no encoding_settings in version 1"),
    "version_2_of_float16": (("encoding", "float16"), "expected none for float16, found width"),
}
"""Place and value in the header, and the message."""


def change(place: str, value: Any) -> Any:
    def spoil(store: Path) -> None:
        edit_at(store / "zarr.json", f"attributes.dgkd.{place}", value)
        reseal(store)

    return spoil


for name, ((place, value), says) in HEADERS.items():
    enter(
        f"factored_{name}",
        "Settings that no writer makes, sealed.",
        change(place, value),
        UnsafeStore,
        base="factored",
        says=says,
    )


@hostile(UnsafeStore, base="factored", says="missing or unknown: encoding_settings")
def factored_without_settings(store: Path) -> None:
    """A header that leaves the size of a row open."""
    edit_at(store / "zarr.json", "attributes.dgkd.encoding_settings", ...)


@hostile(Mismatch, base="factored", says="version 1 or 2, found version 3")
def factored_of_a_newer_version(store: Path) -> None:
    """The next version may have other settings."""
    edit_at(store / "zarr.json", "attributes.dgkd.version", 3)
    edit_at(store / "zarr.json", "attributes.dgkd.encoding_settings", {"width": 2, "more": 1})


@hostile(UnsafeStore, base="factored", says="shape")
def factored_with_another_width_than_its_arrays(store: Path) -> None:
    """A header of one coefficient over rows of two, sealed."""
    change("encoding_settings.width", 1)(store)


@hostile(UnsafeStore, base="factored", says="dimension_names")
def factored_with_the_dimensions_of_version_1(store: Path) -> None:
    """Coefficients that call themselves classes."""
    edit(store / "logits" / "zarr.json", "dimension_names", 2, value="class")


@hostile(Damaged, base="factored", says="lost")
def factored_without_its_basis(store: Path) -> None:
    """Rows that nobody can decode."""
    shutil.rmtree(store / "basis")


@hostile(UnsafeStore, says="none of a guide store's")
def basis_in_version_1(store: Path) -> None:
    """An array of the next version."""
    (store / "basis").mkdir()


NUMBERS = {"nan": float("nan"), "infinity": float("inf"), "over_its_bound": 2.0**122}

for name, value in NUMBERS.items():
    for array, file in (("basis", "basis/c.0.0"), ("bias", "bias/c.0")):
        enter(
            f"factored_{array}_{name}",
            "Decodes every row to no numbers, or to ones that overflow, under a seal that fits.",
            lambda store, file=file, value=value: put_sealed(store, file, 1, value),
            Damaged,
            base="factored",
            says="numbers within the bounds",
        )
    if name != "over_its_bound":
        enter(
            f"factored_coefficient_{name}",
            "A coefficient that spoils all classes at once, under digests that fit.",
            lambda store, value=value: put_row_of(store, "logits/c.0.0.0", 3, value, "<f2"),
            Damaged,
            base="factored",
            rows=True,
            says="finite numbers",
        )

"""Differences of two stores: headers, arrays, views and rows, against differences that the test makes itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stores.support.small_store import SmallStore

from dgkd_stores import ArrayDifference, IdentityArrays, StoreHeader, convert, diff, subset

pytestmark = pytest.mark.usefixtures("small_chunks")


@dataclass
class Changed(SmallStore):
    """A store of the same guide with `added` to the logits of some rows, by (view, sample)."""

    added: dict[tuple[int, int], float] = field(default_factory=dict)
    temperature: str = "4"
    label: int | None = None

    @property
    def header(self) -> StoreHeader:
        return replace(super().header, temperature=self.temperature)

    @property
    def identity(self) -> IdentityArrays:
        arrays = super().identity
        if self.label is None:
            return arrays
        label_N = arrays.label_N.copy()
        label_N[self.label] = (label_N[self.label] + 1) % self.classes
        return replace(arrays, label_N=label_N)

    def logits(self, view: int) -> Any:
        rows_NC = super().logits(view)
        for (at, sample), value in self.added.items():
            rows_NC[sample, 0] += value if at == view else 0
        return rows_NC * np.float32(4 / float(self.temperature))


def test_equal_stores_in_two_forms(path: Path, tmp_path: Path) -> None:
    convert(path, tmp_path / "b.h5", codec="gzip")
    found = diff(path, tmp_path / "b.h5")
    assert found.same and not (found.header or found.arrays or found.views) and found.only == ((), ())
    assert found.common == 3 and found.to_dict()["same"] is True


def test_rows_that_differ_are_named_and_measured(path: Path, tmp_path: Path) -> None:
    """Rows are logits / 4: what is added to one is a difference of four times that."""
    Changed(added={(0, 7): 0.5, (2, 49): 0.25, (2, 3): -100.0, (2, 4): 0.25}).write(tmp_path / "b.zarr")
    done = []
    found = diff(path, tmp_path / "b.zarr", report=lambda *counts: done.append(counts))
    assert not found.same and not found.header and not found.arrays and found.common == 3
    first, second = found.views
    assert (first.view, first.rows, first.first) == (0, 1, 7)
    assert first.largest == pytest.approx(2.0, rel=1e-5) and first.mean == pytest.approx(2 / 7, rel=1e-5)
    assert (second.view, second.rows, second.first) == (2, 3, 3)
    assert second.largest == pytest.approx(400, rel=1e-5) and second.mean == pytest.approx(402 / 21, rel=1e-5)
    before, after = SmallStore().logits(2), Changed(added={(2, 49): 0.25, (2, 3): -100.0, (2, 4): 0.25}).logits(2)
    assert second.top1 == int((before.argmax(1) != after.argmax(1)).sum())
    assert done[0] == (0, 3) and done[-1] == (3, 3)


def test_another_temperature_and_encoding_are_compared_as_logits(path: Path, tmp_path: Path) -> None:
    Changed(temperature="2").write(tmp_path / "b.zarr")
    found = diff(path, tmp_path / "b.zarr")
    assert dict(found.header) == {"temperature": ('"4"', '"2"')} and not found.views, "4 / 2 is exact"
    SmallStore(encoding="float16").write(tmp_path / "c.zarr")
    found = diff(path, tmp_path / "c.zarr")
    assert dict(found.header) == {"encoding": ('"float32"', '"float16"')}
    exact, rounded = SmallStore().logits(1), SmallStore().logits(1).astype(np.float16).astype(np.float32)
    assert [each.view for each in found.views] == [0, 1, 2]
    assert found.views[1].rows == int((exact != rounded).any(axis=1).sum())
    assert found.views[1].largest == pytest.approx(4 * float(np.abs(exact - rounded).max()), rel=1e-6)


def test_a_label_that_differs(path: Path, tmp_path: Path) -> None:
    Changed(label=31).write(tmp_path / "b.zarr")
    found = diff(path, tmp_path / "b.zarr")
    assert found.arrays == (ArrayDifference(name="label", rows=1, first=31),) and not found.views


def test_a_part_has_the_rows_of_the_whole(path: Path, tmp_path: Path) -> None:
    subset(path, tmp_path / "b.zarr", views=range(1, 2))
    found = diff(path, tmp_path / "b.zarr")
    assert found.only == ((0, 2), ()) and found.common == 1 and not found.views and not found.arrays
    assert set(found.header) == {"first_view", "views", "guide.training.derived_from"}


def test_stores_of_other_samples_or_classes_have_no_rows_in_common(path: Path, tmp_path: Path) -> None:
    SmallStore(samples=51, classes=8).write(tmp_path / "b.zarr")
    found = diff(path, tmp_path / "b.zarr")
    assert found.common == 0 and not found.views
    assert {each.name: each.rows for each in found.arrays}["label"] == 0
    assert {"dataset.samples", "dataset.classes"} <= set(found.header)

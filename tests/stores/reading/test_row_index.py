"""The places of rows in chunks, against division by hand; what no store holds is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dgkd_stores import GuideStore, InvalidInput, RowIndex


def held(name: str, first_view: int) -> Any:
    """A store of three views of 50 samples."""
    header = SimpleNamespace(
        view_range=range(first_view, first_view + 3),
        dataset=SimpleNamespace(samples=50),
        place_of=lambda views_B: views_B - first_view,
    )
    return SimpleNamespace(path=Path(name), header=header)


def test_an_index_is_of_the_numbers_that_it_was_given(recipe: Any, tmp_path: Path) -> None:
    small = recipe()
    small.write(tmp_path / "a.zarr")
    views_B, samples_B = np.array([0, 2]), np.array([1, 49])
    with GuideStore.open(tmp_path / "a.zarr") as store:
        index = RowIndex(views_B, samples_B)
        first = store.gather_rows(index)["logits"]
        views_B[:], samples_B[:] = 1, 7
        store.close()
        assert (store.gather_rows(index)["logits"] == first).all()
        for wrong in ([0.5, 1.0], [True, False], ["0", "1"]):
            with pytest.raises(InvalidInput, match="expected integers"):
                store.gather(wrong, [0, 1])
        with pytest.raises(InvalidInput, match="views that .* expected 0 to 2, found 3 to 3"):
            same = np.array([3])
            store.gather(same, same)


@pytest.mark.parametrize("chunk_rows", [1, 7, 16, 49, 50])
@pytest.mark.parametrize("first_view", [0, 5])
def test_places_one_by_one(chunk_rows: int, first_view: int) -> None:
    """Chunks are counted over all views; each view has its last one filled up."""
    rng = np.random.default_rng(0)
    views_B, samples_B = rng.integers(first_view, first_view + 3, 40), rng.integers(0, 50, 40)
    placed = RowIndex(views_B, samples_B).placed(held("a", first_view), chunk_rows)
    chunks = -(-50 // chunk_rows)
    pairs = list(zip(views_B.tolist(), samples_B.tolist(), strict=True))
    expected = [((view - first_view) * chunks + sample // chunk_rows, sample % chunk_rows) for view, sample in pairs]
    assert list(zip(placed.chunk_B.tolist(), placed.row_B.tolist(), strict=True)) == expected
    assert placed.byte_B(4096, 28).tolist() == [chunk * 4096 + row * 28 for chunk, row in expected]
    assert placed.byte_B(100, 2).tolist() == [chunk * 100 + row * 2 for chunk, row in expected]


def test_stores_that_are_cut_otherwise_have_places_of_their_own() -> None:
    index = RowIndex([6, 7], [20, 3])
    assert index.placed(held("a", 5), 16).chunk_B.tolist() == [4 + 1, 8]
    assert index.placed(held("b", 6), 50).chunk_B.tolist() == [0, 1]
    assert index.placed(held("c", 5), 16).row_B.tolist() == [4, 3]


@pytest.mark.parametrize(
    ("views_B", "samples_B", "says"),
    [
        ([4], [0], "views that a does not hold: expected 5 to 7, found 4 to 4"),
        ([5, 8], [0, 0], "views that a does not hold: expected 5 to 7, found 5 to 8"),
        ([5, 6], [-1, 0], "samples that a does not hold: expected 0 to 49, found -1 to 0"),
        ([5], [50], "samples that a does not hold: expected 0 to 49, found 50 to 50"),
        ([5], [2**62], "samples that a does not hold"),
        ([-(2**63)], [0], f"expected 5 to 7, found {-(2**63)} to"),
    ],
)
def test_rows_that_a_store_does_not_hold(views_B: list[int], samples_B: list[int], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        RowIndex(views_B, samples_B).placed(held("a", 5), 16)


@pytest.mark.parametrize(("views_B", "samples_B"), [([1, 2], [1]), ([[1]], [[1]]), (1, 1), ([[1], [1, 2]], [1])])
def test_what_is_no_list_of_rows(views_B: Any, samples_B: Any) -> None:
    with pytest.raises(InvalidInput, match="rows to gather"):
        RowIndex(views_B, samples_B)

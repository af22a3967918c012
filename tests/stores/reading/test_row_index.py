"""The places of rows in chunks, against division by hand; what no store holds is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgkd_stores import GuideStore, InvalidInput, RowIndex


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

"""The width of a last layer, from weights that safetensors wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from dgkd_cache.run_files.last_layer import last_layer_width


@pytest.mark.parametrize(
    ("shapes", "width"),
    [
        ({"fc.weight": (10, 3), "fc.bias": (10,), "conv.weight": (10, 3, 3, 3), "hidden.weight": (3, 10)}, 3),
        ({"fc.weight": (9, 3)}, None),
        ({"fc.weight": (10, 3), "other.weight": (10, 5)}, None),
        ({}, None),
    ],
)
def test_the_one_matrix_with_a_row_for_each_class(
    tmp_path: Path, shapes: dict[str, tuple[int, ...]], width: int | None
) -> None:
    tensors = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    save_file(tensors, tmp_path / "weights.safetensors")
    assert last_layer_width(tmp_path, 10) == width


def test_weights_that_cannot_be_read_offer_nothing(tmp_path: Path) -> None:
    assert last_layer_width(tmp_path, 10) is None
    (tmp_path / "weights.safetensors").write_bytes(b"no weights")
    assert last_layer_width(tmp_path, 10) is None

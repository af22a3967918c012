"""Stores that benchmarks make up are ones that a bank takes: draws by their pattern, each with rows of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks.synthetic import cifar_like, random_store, views_of
from benchmarks.training import cached


def test_draws_are_guides_of_one_model_with_rows_of_their_own(tmp_path: Path) -> None:
    views = views_of(cifar_like(24, 5, size=8))
    for name in ("teacher.d10", "teacher.d2", "other"):
        random_store(tmp_path / f"{name}.zarr", views, count=2)
    with cached([tmp_path / "teacher.d*"], views, count=2, device=torch.device("cpu")) as bank:
        assert bank.names == ("teacher.d2", "teacher.d10")
        headers = [store.header for (store,) in bank.stores.values()]
        rows_GBC = bank.gather(np.zeros(24, np.int64), np.arange(24))
    assert [header.guide.draw for header in headers] == [2, 10]
    assert len({header.guide.weights_digest for header in headers}) == 1
    assert not (rows_GBC[0] == rows_GBC[1]).all(1).any()

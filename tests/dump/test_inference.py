"""Logits that are no numbers, or too large for the encoding: named by view and sample."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.guide_writers import network, refused
from torch import Tensor

from dgkd_cache.errors import InvalidInput


def test_a_number_that_is_none_is_named_by_view_and_sample(write, tmp_path: Path, as_input, bars) -> None:
    model = network()

    def spoilt(value: float, batch: int) -> Callable[[Tensor], Tensor]:
        seen: list[int] = []

        def forward(pixels: Tensor) -> Tensor:
            seen.append(len(pixels))
            logits_BC = model(as_input(pixels))
            if len(seen) == batch:
                logits_BC[5, 1] = value
            return logits_BC

        return forward

    # On one thread: the first test batch twice, the second one; four batches of the first view, which judge the
    # encoding; then the views, in four batches each.
    train, test = (bars.train.labels_N, bars.train), (bars.test.labels_N, bars.test)
    for value, batch, words in (
        (torch.nan, 3, f"test, class {test[1].classes[test[0][37]]}"),
        (torch.inf, 5, f"view 0, sample 37 (train, class {train[1].classes[train[0][37]]})"),
    ):
        found = refused(write(model, spoilt(value, batch)), tmp_path, "logits that are no numbers")
        assert "sample 37" in found and words in found and found.endswith("at a lower learning rate")
    with pytest.raises(InvalidInput, match=r"too large for float16 \(view 1, sample 69 .*at most 65504.*found 250000"):
        write(model, spoilt(1e6, 14)).run()


def test_a_first_batch_of_no_numbers_is_no_random_guide(write, tmp_path: Path, as_input) -> None:
    model = network()
    writer = write(model, lambda pixels: model(as_input(pixels)) * torch.nan)
    refused(writer, tmp_path, r"logits that are no numbers \(sample 0 \(test")

"""A model that cannot be drawn for each sample is refused before anything is written, and is left as it was."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from support.drawn_models import draw_writer, with_dropout
from support.guide_writers import refused
from torch import Tensor, nn
from torch.nn import functional

from dgkd_cache.errors import InvalidInput


class Functional(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return functional.dropout(features, 0.1, training=self.training)


class Transposed(nn.Module):
    """Dropout whose first dimension is not the samples', though it has a multiple of them."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, features_BF: Tensor) -> Tensor:
        return self.drop(features_BF.mT).mT


class OnAThread(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, features: Tensor) -> Tensor:
        found: list[object] = []

        def run() -> None:
            try:
                found.append(self.drop(features))
            except InvalidInput as error:
                found.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if isinstance(found[0], InvalidInput):
            raise found[0]
        assert isinstance(found[0], Tensor)
        return found[0]


class Unused(nn.Module):
    """Its dropout layer is called in training alone."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, features: Tensor) -> Tensor:
        return self.drop(features) if self.training else features


@pytest.mark.parametrize(
    ("middle", "rate", "batch_size", "words"),
    [
        (Functional(), 0.5, 32, "'ta1.d0' has randomness in training mode that is no dropout layer.*nn.Dropout"),
        (nn.RReLU(), 0.5, 32, "'ta1.d0' has randomness in training mode"),
        (Transposed(), 0.5, 32, "gives a sample other logits at another place of its batch"),
        (Transposed(), 0.5, 31, "the dropout layer '6.drop' of guide 'ta1.d0' cannot be drawn for each sample.*31"),
        (OnAThread(), 0.5, 32, "runs on a thread of its own"),
        (Unused(), 0.0, 32, "no dropout layer takes part in the forward pass.*no call of 6.drop"),
    ],
    ids=["functional", "other randomness", "transposed", "rows that do not fit", "thread", "not called"],
)
def test_what_cannot_be_drawn_is_refused_before_anything_is_written(
    bars, plan, tmp_path: Path, middle: nn.Module, rate: float, batch_size: int, words: str
) -> None:
    model = with_dropout(rate, middle=middle).eval()
    writer = draw_writer(tmp_path / "ta1.zarr", bars, plan, model, 0, batch_size=batch_size)
    refused(writer, tmp_path, words)
    assert not any(module.training or module._forward_hooks for module in model.modules())


class Counts(nn.Module):
    """Its buffer counts passes in training mode, as statistics of one's own do; in evaluation mode it is as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("passes", torch.zeros(1))

    def forward(self, features: Tensor) -> Tensor:
        if self.training:
            self.passes += 1
        return features


def test_the_pass_in_training_mode_changes_nothing(bars, plan, tmp_path: Path) -> None:
    model = with_dropout(middle=Counts()).eval()
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    draw_writer(tmp_path / "ta1.zarr", bars, plan, model, 0).run()
    assert not model[6].passes and not any(module.training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == states[1:]


class FailsInTraining(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        if self.training:
            raise ValueError("no training here")
        return features


def test_a_model_that_has_no_training_mode_is_told_why_it_is_tried(bars, plan, tmp_path: Path) -> None:
    model = with_dropout(middle=FailsInTraining()).eval()
    words = "no training here.*tries the first images in training mode"
    refused(draw_writer(tmp_path / "ta1.zarr", bars, plan, model, 0), tmp_path, words)
    assert not any(module.training for module in model.modules())

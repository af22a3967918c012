"""Evaluation, against a plain loop over the images."""

from __future__ import annotations

from contextlib import nullcontext
from unittest.mock import call, create_autospec

import numpy as np
import pytest
import torch
from torch import nn

from dgkd_cache.datasets.images import Images
from dgkd_cache.errors import InvalidInput
from dgkd_cache.progress import Progress
from dgkd_cache.training.evaluate import evaluate, evaluate_samples
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer


def test_evaluate_against_a_plain_loop(bars, plan, as_input, make_tiny) -> None:
    model = make_tiny(2)
    score = evaluate_samples(
        model,
        lambda pixels: model(as_input(pixels)),
        ViewRenderer(plan, bars.test),
        np.arange(40),
        device=torch.device("cpu"),
        precision="float32",
        batch_size=7,
    )
    assert score == evaluate(model, lambda pixels: model(as_input(pixels)), bars.test, batch_size=7)
    with torch.no_grad():
        rows = [model(as_input(bars.test.image(i)[None]))[0] for i in range(40)]
    labels = bars.test.labels_N.tolist()
    right = sum(int(row.argmax()) == y for row, y in zip(rows, labels, strict=True))
    loss = -sum(float(row.log_softmax(0)[y]) for row, y in zip(rows, labels, strict=True)) / 40
    assert (score.samples, score.accuracy) == (40, right / 40)
    assert score.loss == pytest.approx(loss, rel=1e-5)


def test_some_samples_in_the_size_of_the_views(bars, make_tiny) -> None:
    """resized-crop(4): the short side becomes 5 pixels (8/7 of 4), of which the middle 4 are scored."""
    views = ViewRenderer(ViewPlan.build(image=(1, 8, 8), transforms=["resized-crop(4)"]), bars.test)
    seen = []

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        seen.append(pixels)
        return torch.nn.functional.one_hot(torch.zeros(len(pixels), dtype=torch.int64), 4).float()

    model = make_tiny(1).train()
    score = evaluate(model, forward, views, samples=[3, 7, 9])
    assert score.samples == 3 and torch.equal(seen[0], views.evaluation_pixels([3, 7, 9])) and model.training
    assert score.accuracy == (bars.test.labels_N[[3, 7, 9]] == 0).mean()


class Counting(nn.Module):
    """One of the modules whose `train` does more than set the mode."""

    def __init__(self) -> None:
        super().__init__()
        self.merged = False

    def train(self, mode: bool = True) -> Counting:
        self.merged = not mode
        return super().train(mode)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        assert self.merged and not self.training
        return rows


@pytest.mark.parametrize("fails", [False, True])
def test_each_module_is_afterwards_in_the_mode_that_it_was_in(bars, fails: bool) -> None:
    norm, counting = nn.BatchNorm1d(64), Counting()
    model = nn.Sequential(nn.Flatten(), nn.Sequential(norm, nn.Dropout(0.5)), counting, nn.Linear(64, 4)).train()
    norm.eval()  # frozen by its user
    before, seen = {name: value.clone() for name, value in model.state_dict().items()}, []

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        seen.extend(module.training for module in model.modules())
        return model(pixels / 255)[: 3 if fails else None]

    with pytest.raises(InvalidInput) if fails else nullcontext():
        evaluate(model, forward, bars.test)
    assert seen and not any(seen)
    modes = {module: module.training for module in model.modules()}
    assert modes.pop(norm) is False and len(modes) == 6 and all(modes.values()) and not counting.merged
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_bar_moves_as_the_batches_do(bars, make_tiny) -> None:
    progress, model = create_autospec(Progress, instance=True), make_tiny(1)
    evaluate(model, lambda pixels: model(pixels / 255), bars.test, batch_size=16, progress=progress)
    assert progress.mock_calls == [
        call.start("evaluate", total=40, unit="samples"),
        *(call.advance(samples) for samples in (16, 16, 8)),
        call.finish(),
    ]


@pytest.mark.parametrize(
    ("forward", "words"),
    [
        (lambda pixels: pixels.flatten(1).float(), r"expected a tensor \[40, 4\], found float32 \[40, 64\]"),
        (lambda pixels: 3, r"found 3 \(int\)"),
        (lambda pixels: pixels @ pixels[0, 0, 0, :3], "the network fails when it is evaluated"),
    ],
)
def test_what_a_forward_pass_returns_or_raises_is_told(bars, make_tiny, forward, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        evaluate(make_tiny(1), forward, bars.test)


def test_images_of_several_sizes_need_a_renderer(make_tiny) -> None:
    class Two(Images):
        def image(self, sample: int) -> torch.Tensor:
            return torch.zeros(1, 8 + sample, 8, dtype=torch.uint8)

    images = Two(name="two", split="test", classes=["a", "b"], labels_N=[0, 1], channels=1, height=None, width=None)
    with pytest.raises(InvalidInput, match=r"several sizes: .*write images=ViewRenderer\(plan, data.test\)"):
        evaluate(make_tiny(1), make_tiny(1), images)
    plan = ViewPlan.build(image=(1, None, None), transforms=["resized-crop(8)"])
    model = make_tiny(1)
    assert evaluate(model, lambda pixels: model(pixels / 255)[:, :2], ViewRenderer(plan, images)).samples == 2

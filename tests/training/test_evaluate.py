"""Evaluation, against a plain loop over the images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dgkd_cache.training.evaluate import evaluate
from dgkd_cache.views.renderer import ViewRenderer

CPU = torch.device("cpu")


def test_evaluate_against_a_plain_loop(bars, plan, as_input, make_tiny) -> None:
    model = make_tiny(2)
    score = evaluate(
        model,
        as_input,
        ViewRenderer(plan, bars.test),
        np.arange(40),
        device=CPU,
        precision="float32",
        batch_size=7,
    )
    with torch.no_grad():
        rows = [model(as_input(bars.test.image(i)[None]))[0] for i in range(40)]
    labels = bars.test.labels_N.tolist()
    right = sum(int(row.argmax()) == y for row, y in zip(rows, labels, strict=True))
    loss = -sum(float(row.log_softmax(0)[y]) for row, y in zip(rows, labels, strict=True)) / 40
    assert (score.samples, score.accuracy) == (40, right / 40)
    assert score.loss == pytest.approx(loss, rel=1e-5)

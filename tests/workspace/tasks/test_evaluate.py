"""Scores of a finished model: on which samples they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.tiny_chain import train, workspace

from dgkd_cache.datasets.split import split_samples
from dgkd_cache.errors import InvalidInput
from dgkd_cache.progress import Silent
from dgkd_cache.randomness.run_random import RunRandom
from dgkd_cache.workspace.tasks import evaluate_model


def test_the_validation_split_is_not_trained_on_and_scores_the_run(tmp_path: Path, monkeypatch) -> None:
    ws = workspace(tmp_path / "ws", dataset__validation=16, training__select="best")
    seen: set[int] = set()
    original = RunRandom.order

    def watched(self, epoch, samples_N):
        seen.update(np.asarray(samples_N).tolist())
        return original(self, epoch, samples_N)

    monkeypatch.setattr(RunRandom, "order", watched)
    card = train(ws, "student")
    train_N, held_N = split_samples(96, 16)
    assert seen == set(train_N.tolist()) == set(range(96)) - set(held_N.tolist()) and len(held_N) == 16
    result = evaluate_model(ws, model="student", split="validation", device="cpu", progress=Silent())
    assert (result.samples, f"{result.accuracy:g}") == (16, card.accuracy["validation"])
    assert evaluate_model(ws, model="student", split="test", device="cpu", progress=Silent()).samples == 40


def test_evaluate_without_a_validation_split(done) -> None:
    ws, _ = done
    with pytest.raises(InvalidInput, match="no validation split.*expected one of train, test"):
        evaluate_model(ws, model="teacher", split="validation", device="cpu", progress=Silent())

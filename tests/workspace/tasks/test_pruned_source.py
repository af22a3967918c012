"""The source of a pruned run: what is refused of it, and the loss that judges its weights."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from support.tiny_chain import train, workspace

from dgkd_cache.config.pruning import PruningConfig
from dgkd_cache.config.tables import DistillationConfig
from dgkd_cache.distillation.guide_losses import GuideLoss
from dgkd_cache.errors import InvalidInput
from dgkd_cache.models.weights import weights_digest
from dgkd_cache.workspace.pruning import Pruning
from dgkd_cache.workspace.tasks import pruned_source
from dgkd_cache.workspace.tasks.pruned_source import importance_loss, load_source, source_card

TWO = 'teacher = "plain2"\nstudent = "plain2"'


def pruning(**settings: object) -> Pruning:
    return Pruning(source="student", sparsity=0.5, settings=PruningConfig.model_validate(settings))


def test_the_card_and_the_model_of_a_finished_run(tmp_path) -> None:
    ws = workspace(tmp_path / "ws", chain=TWO)
    written = train(ws, "student")
    assert source_card(ws, pruning(), input_size=None) == written
    assert weights_digest(load_source(ws, pruning())) == written.weights_digest
    with pytest.raises(InvalidInput, match="expected no training.input_size, found 16; leave training.input_size out"):
        source_card(ws, pruning(), input_size=16)


def test_published_resizing_and_samples_that_are_held_out(tmp_path, monkeypatch) -> None:
    """Their images would be made in two ways: by the views, and by the published transforms."""
    ws = workspace(tmp_path / "ws", chain=TWO, dataset__validation=8)
    train(ws, "student")
    preprocess = SimpleNamespace(input_size=24, resizing="published")
    monkeypatch.setattr(
        pruned_source, "load_card", lambda folder: SimpleNamespace(preprocess=preprocess, architecture="plain2")
    )
    monkeypatch.setattr(pruned_source, "require_same_data", lambda *given, **more: None)
    with pytest.raises(InvalidInput, match="cannot be pruned where samples are held out.*found dataset.validation = 8"):
        source_card(ws, pruning(), input_size=None)


def test_the_loss_of_the_importance_is_that_of_the_training_but_for_its_logits() -> None:
    distillation = DistillationConfig(guide_loss="dkd", weights="student", dkd_beta=2.0)
    expected = GuideLoss(kind="dkd", weights="student", dkd_beta=2.0, standardize=True)
    assert importance_loss(distillation, pruning()) == expected
    assert not importance_loss(distillation, pruning(standardize=False)).standardize

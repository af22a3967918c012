"""GuidedBatch: its loss is the paper's, at the temperature of the guides, and the mean over ranks that of the batch."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from dgkd_cache.errors import InvalidInput
from dgkd_cache.guides.guided_batch import GuidedBatch

T = 2.5


@pytest.fixture
def batch() -> GuidedBatch:
    random = torch.Generator().manual_seed(1)
    return GuidedBatch(
        pixels=torch.randint(0, 256, (6, 1, 2, 2), generator=random, dtype=torch.uint8),
        labels=torch.tensor([0, 1, 2, 0, 1, 2]),
        softened=torch.randn(2, 6, 3, generator=random),
        kept=np.array([True, False, True]),
        views=np.arange(6),
        samples=np.arange(6) + 10,
        epoch=2,
        step=9,
        temperature=T,
    )


def by_hand(batch: GuidedBatch, logits_BC: torch.Tensor, lambda_: float) -> float:
    """Eq. 7 in numpy: n (1 - lambda) CE + lambda T^2 sum KL, with n = 3 guides of which two are kept."""

    def log_softmax(rows: np.ndarray) -> np.ndarray:
        return rows - np.log(np.exp(rows).sum(-1, keepdims=True))

    logits, softened = logits_BC.double().numpy(), batch.softened.double().numpy()
    ce = -log_softmax(logits)[np.arange(len(logits)), batch.labels.numpy()].mean()
    guide, student = log_softmax(softened), log_softmax(logits / T)
    kl = (np.exp(guide) * (guide - student)).sum(-1).mean(-1).sum()
    return float(3 * (1 - lambda_) * ce + lambda_ * T**2 * kl)


def test_the_loss_is_that_of_the_paper_at_the_temperature_of_the_guides(batch) -> None:
    logits_BC = torch.randn(6, 3, generator=torch.Generator().manual_seed(2))
    for lambda_ in (0.0, 0.3, 1.0):
        expected = pytest.approx(by_hand(batch, logits_BC, lambda_), rel=1e-5)
        assert float(batch.loss(logits_BC, lambda_=lambda_)) == expected
        parts = batch.loss_parts(logits_BC, lambda_=lambda_)
        assert float(parts.loss) == expected
        assert float(3 * (1 - lambda_) * parts.ce + lambda_ * T**2 * parts.kl) == expected
    mean, paper = (batch.loss(logits_BC, lambda_=1.0, objective=name) for name in ("mean", "paper"))
    assert float(mean) == pytest.approx(float(paper) / 2)


def test_the_mean_over_ranks_is_the_loss_of_the_whole_batch(batch) -> None:
    """One rank has four of six samples and the other two: weights 4 * 2 / 6 and 2 * 2 / 6."""
    logits_BC = torch.randn(6, 3, generator=torch.Generator().manual_seed(3))
    losses = []
    for part in (slice(0, 4), slice(4, 6)):
        share = dataclasses.replace(
            batch,
            labels=batch.labels[part],
            softened=batch.softened[:, part],
            samples=batch.samples[part],
            weight=len(batch.samples[part]) * 2 / 6,
        )
        losses.append(float(share.loss(logits_BC[part])))
        assert float(share.loss_parts(logits_BC[part]).loss) != pytest.approx(losses[-1])
    assert sum(losses) / 2 == pytest.approx(float(batch.loss(logits_BC)), rel=1e-5)


def test_the_loss_of_mixed_images_has_both_labels(batch) -> None:
    """A half of each is the mean of the losses with either label."""
    logits_BC = torch.randn(6, 3, generator=torch.Generator().manual_seed(4))
    others = (batch.labels + 1) % 3
    mixed = dataclasses.replace(batch, partner_labels=others, label_share=torch.full((6,), 0.5))
    either = [by_hand(dataclasses.replace(batch, labels=labels), logits_BC, 0.3) for labels in (batch.labels, others)]
    assert float(mixed.loss(logits_BC, lambda_=0.3)) == pytest.approx(sum(either) / 2, rel=1e-5)
    assert float(batch.loss(logits_BC, lambda_=0.3)) == pytest.approx(either[0], rel=1e-5)


@pytest.mark.parametrize("kept", [0, 2])
@pytest.mark.parametrize("classes", [2, 4])
def test_logits_of_other_classes_than_the_guides_are_refused_in_every_step(batch, kept: int, classes: int) -> None:
    """The message is the same where all guides are dropped; labels that name none of fewer classes are not blamed."""
    step = dataclasses.replace(batch, softened=batch.softened[:kept])
    words = f"expected logits_BC of 3 classes, as the guides have, found {classes}; give the student 3 outputs"
    with pytest.raises(InvalidInput, match=words):
        step.loss(torch.zeros(6, classes))


def test_its_length_is_the_number_of_samples_and_it_moves_as_one(batch) -> None:
    assert len(batch) == 6
    moved = batch.to("meta")
    assert {moved.pixels.device.type, moved.labels.device.type, moved.softened.device.type} == {"meta"}
    assert moved.kept is batch.kept and (moved.epoch, moved.step, moved.temperature) == (2, 9, T)
    assert moved.partner_labels is None
    mixed = {"partner_labels": torch.tensor([1] * 6), "label_share": torch.full((6,), 0.5)}
    moved = dataclasses.replace(batch, **mixed).to("meta")
    assert {moved.partner_labels.device.type, moved.label_share.device.type} == {"meta"}
    with pytest.raises(InvalidInput, match=r"GuidedBatch\.to: the argument 'device' cannot be used"):
        batch.to("gpu")


def test_a_batch_is_shown_in_a_line(batch) -> None:
    shown = "<GuidedBatch of step 9, epoch 2: 6 samples of 1 x 2 x 2 pixels, 2 of 3 guides, 3 classes, on cpu>"
    assert repr(batch) == str(batch) == shown

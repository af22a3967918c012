"""The losses of recipes against those of the published code, written here again from its text."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dgkd_cache.config.tables import DistillationConfig
from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.distillation.guide_losses import GuideLoss
from dgkd_cache.distillation.objectives import dense_guidance_loss
from dgkd_cache.recipes.recipe import read_recipe
from dgkd_cache.study.variants import make_variants

torch.manual_seed(3)
STUDENT, LABELS = torch.randn(6, 100) * 3, torch.randint(0, 100, (6,))
GUIDES = torch.randn(4, 6, 100) * 3


def ours(settings: DistillationConfig, temperature: float, guides_KBC: Tensor) -> float:
    loss = dense_guidance_loss(
        STUDENT,
        LABELS,
        guides_KBC / temperature,
        guide_count=len(guides_KBC),
        objective=settings.objective,
        lambda_=settings.lambda_,
        temperature=temperature,
        guide_loss=GuideLoss(kind=settings.guide_loss, dkd_alpha=settings.dkd_alpha, dkd_beta=settings.dkd_beta),
    )
    return float(loss.loss)


def kl_elements(guide_BC: Tensor, temperature: float) -> Tensor:
    """Returns the terms that nn.KLDivLoss reduces, of log_softmax(student / T) and softmax(guide / T): (B, C)."""
    target = F.softmax(guide_BC / temperature, dim=1)
    return target * (target.log() - F.log_softmax(STUDENT / temperature, dim=1))


@pytest.mark.parametrize("lamb", [1, 0.3])
def test_official_is_the_loss_of_train_py(lamb: float) -> None:
    config = with_overrides(read_recipe("official").config(), {"distillation.lambda": float(lamb)})
    temperature, loss_sl = config.cache.temperature, F.cross_entropy(STUDENT, LABELS)
    loss_kd_list = [kl_elements(guide, temperature).mean() for guide in GUIDES]  # of KLDivLoss: over all elements
    theirs = (1 - lamb) * loss_sl + lamb * temperature * temperature * sum(loss_kd_list)
    assert ours(config.distillation, temperature, GUIDES) == pytest.approx(float(theirs), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "gamma", "alpha"),
    [("crd-vgg13-vgg8", 0.1, 0.9), ("crd-wrn40-wrn16", 0.1, 0.9), ("imagenet-r34-r18", 0.5, 0.5)],
)
def test_kd_is_the_loss_of_both_repositories(name: str, gamma: float, alpha: float) -> None:
    """gamma of CE, alpha of DistillKL: kl_div(..., size_average=False) * T**2 / batch."""
    config = read_recipe(name).config()
    temperature, teacher = config.cache.temperature, GUIDES[0]
    distill_kl = kl_elements(teacher, temperature).sum() * temperature**2 / len(STUDENT)
    theirs = gamma * F.cross_entropy(STUDENT, LABELS) + alpha * distill_kl
    assert ours(config.distillation, temperature, GUIDES[:1]) == pytest.approx(float(theirs), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "temperature", "beta"),
    [("crd-vgg13-vgg8", 4.0, 6.0), ("crd-wrn40-wrn16", 4.0, 6.0), ("imagenet-r34-r18", 1.0, 0.5)],
)
def test_dkd_is_nearly_the_loss_of_mdistiller(name: str, temperature: float, beta: float) -> None:
    """0.99 times CE + tckd + beta nckd, where both are summed kl_div of two distributions, times T**2 / batch."""
    config = read_recipe(name).config()
    (dkd,) = (one for one in make_variants(config, config.compare.variants) if one.name == "dkd")
    mask = F.one_hot(LABELS, 100).bool()

    def two(logits: Tensor) -> Tensor:
        shares = F.softmax(logits / temperature, dim=1)
        return torch.stack([shares[mask], (shares * ~mask).sum(1)], dim=1)

    def others(logits: Tensor) -> Tensor:
        return F.softmax((logits / temperature).masked_fill(mask, -1000.0), dim=1)

    tckd = (two(GUIDES[0]) * (two(GUIDES[0]).log() - two(STUDENT).log())).sum()
    p, q = others(GUIDES[0]), others(STUDENT)
    nckd = (p * (p.clamp_min(1e-38).log() - q.clamp_min(1e-38).log())).sum()
    theirs = F.cross_entropy(STUDENT, LABELS) + (tckd + beta * nckd) * temperature**2 / len(STUDENT)
    found = ours(dkd.config.distillation, dkd.config.cache.temperature, GUIDES[:1])
    assert found == pytest.approx(0.99 * float(theirs), rel=1e-4)


def test_table_2_is_equation_7() -> None:
    """n (1 - lambda) CE + lambda T**2 times the sum of KL, each averaged over the batch alone."""
    config = read_recipe("dgkd-table2").config()
    temperature = config.cache.temperature
    kl = sum(kl_elements(guide, temperature).sum() / len(STUDENT) for guide in GUIDES[:3])
    theirs = 3 * 0.5 * F.cross_entropy(STUDENT, LABELS) + 0.5 * temperature**2 * kl
    assert ours(config.distillation, temperature, GUIDES[:3]) == pytest.approx(float(theirs), rel=1e-5)

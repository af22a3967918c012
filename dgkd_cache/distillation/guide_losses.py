"""The loss of a student against one guide, of which an objective takes the sum or the mean over guides.

- `kl`: KL(guide || student) of the softened distributions (Hinton et al. 2015).
- `dkd`: decoupled distillation (Zhao et al., CVPR 2022): `dkd_alpha` times the KL of (label, all others) plus
  `dkd_beta` times the KL among the others.
- `dist`: 1 - Pearson correlation (Huang et al., NeurIPS 2022), `dist_beta` times over the classes of a sample plus
  `dist_gamma` times over the samples of a class; for students far below their guides.

`standardize` subtracts from the logits of both their mean over the classes and divides by their standard deviation (Sun
et al., CVPR 2024), before the temperature. `weights = "student"` weighs the guides for each sample by the softmax of
their agreement with the student, -KL, which sums to the number of guides. With a `percentile` above 0, guides that
agree less with the student than that percentile of them do are left out of the sample, and the weights of the rest sum
to that number. After Aslam et al. 2025 (arXiv 2504.14307), whose percentile is 90. They compare features, and the KL
term of their published code is commented out: this is the form of their method for logits. Shapes: B batch, C classes,
K kept guides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from dgkd_cache.errors import InvalidInput, unknown_name
from dgkd_stores.arguments import require_flags, require_number

__all__ = ["GuideLoss"]

_EPS = 1e-7  # of the standard deviation, as in the code of Sun et al.
_EPS_DIST = 1e-8  # of the norms, as in the code of Huang et al.


@dataclass(frozen=True, kw_only=True)
class GuideLoss:
    """The loss against one guide: its `kind`, with the weights of its parts, and what is done to logits and guides.

    Raises UnknownName for an unknown kind, InvalidInput for a weight below 0, for a percentile outside 0 to 100 or
    without `weights = "student"`, and for these weights with `dist`, which compares samples with one another and has no
    value for a single one.
    """

    kind: Literal["kl", "dkd", "dist"] = "kl"
    """KL, decoupled distillation, or correlations."""

    standardize: bool = False
    """True to subtract from all logits their mean over the classes and divide by their standard deviation first."""

    weights: Literal["equal", "student"] = "equal"
    """`student`: for each sample, guides count by their agreement with the student."""

    percentile: float = 0.0
    """With `student`: guides that agree less than this percentile of them are left out; 100 keeps the best alone."""

    dkd_alpha: float = 1.0
    """The weight of the KL of (label, all others)."""

    dkd_beta: float = 8.0
    """The weight of the KL among the other classes."""

    dist_beta: float = 1.0
    """The weight of the correlation over the classes of a sample."""

    dist_gamma: float = 1.0
    """The weight of the correlation over the samples of a class."""

    def __post_init__(self) -> None:
        _require_one_of("guide loss", self.kind, _LOSSES)
        _require_one_of("weights of guides", self.weights, ("equal", "student"))
        require_flags("GuideLoss", standardize=self.standardize)
        for name in ("dkd_alpha", "dkd_beta", "dist_beta", "dist_gamma"):
            require_number("GuideLoss", name, getattr(self, name), low=0)
        require_number("GuideLoss", "percentile", self.percentile, low=0, high=100)
        if self.percentile and self.weights != "student":
            raise InvalidInput(
                "a percentile would have no effect without the weights that it filters",
                expected='weights = "student" with a percentile above 0',
                found=f'percentile = {self.percentile:g} with weights = "{self.weights}"',
                do='choose weights = "student", or leave percentile out',
            )
        if self.weights == "student" and self.kind == "dist":
            raise InvalidInput(
                "guides cannot be weighted by sample under dist",
                expected="a loss of single samples: kl or dkd",
                found='weights = "student" with dist',
                do='choose kl or dkd, or weights = "equal"',
            )

    @property
    def needs_all_classes(self) -> bool:
        """True if the loss depends on single small logits, which rows of the encoding `topk` have only in sum."""
        return self.kind != "kl" or self.standardize

    def of(self, logits_BC: Tensor, labels_B: Tensor, softened_KBC: Tensor, temperature: float) -> Tensor:
        """Returns the loss against each guide, averaged over the batch: (K,), in nats for `kl` and `dkd`.

        `logits_BC` are the student's, `softened_KBC` the guides' divided by `temperature`, both float32; it is not
        multiplied by the square of the temperature.
        """
        student_BC, guide_KBC = logits_BC / temperature, softened_KBC
        if self.standardize:
            student_BC = _standardized(logits_BC) / temperature
            guide_KBC = _standardized(softened_KBC * temperature) / temperature
        loss = _LOSSES[self.kind](self, student_BC, labels_B, guide_KBC)
        if self.kind == "dist":
            return loss
        if self.weights == "student":
            kl_KB = loss.detach() if self.kind == "kl" else _kl(self, student_BC.detach(), labels_B, guide_KBC)
            loss = self._shares(-kl_KB) * len(guide_KBC) * loss
        return loss.mean(-1)

    def _shares(self, agreement_KB: Tensor) -> Tensor:
        """Returns the share of each guide in each sample, which sum to 1: (K, B)."""
        guides = len(agreement_KB)
        if self.percentile and guides > 1:
            # A percentile between two guides leaves out the lower one, whichever way it is interpolated.
            place = math.ceil(self.percentile * (guides - 1) / 100)
            least_B = agreement_KB.sort(0).values[place]
            agreement_KB = agreement_KB.masked_fill(agreement_KB < least_B, -torch.inf)
        return agreement_KB.softmax(0)


def _require_one_of(what: str, name: str, known: Collection[str]) -> None:
    if not isinstance(name, str) or name not in known:
        raise unknown_name(what, name, known)


def _standardized(logits: Tensor) -> Tensor:
    return (logits - logits.mean(-1, keepdim=True)) / (logits.std(-1, keepdim=True) + _EPS)


def _kl(settings: GuideLoss, student_BC: Tensor, labels_B: Tensor, guide_KBC: Tensor) -> Tensor:
    """Returns KL(guide || student) of each sample: (K, B)."""
    log_student_BC = F.log_softmax(student_BC, dim=-1)
    log_guide_KBC = F.log_softmax(guide_KBC, dim=-1)
    return (log_guide_KBC.exp() * (log_guide_KBC - log_student_BC)).sum(-1)


def _dkd(settings: GuideLoss, student_BC: Tensor, labels_B: Tensor, guide_KBC: Tensor) -> Tensor:
    """Returns the decoupled loss of each sample: (K, B)."""
    is_label_BC = F.one_hot(labels_B, student_BC.shape[-1]).bool()
    (log_s_BC, label_s_B, others_s_B), (log_g_KBC, label_g_KB, others_g_KB) = (
        _split(F.log_softmax(logits, dim=-1), is_label_BC) for logits in (student_BC, guide_KBC)
    )
    target_KB = label_g_KB.exp() * (label_g_KB - label_s_B) + others_g_KB.exp() * (others_g_KB - others_s_B)
    among_g_KBC, among_s_BC = log_g_KBC - others_g_KB.unsqueeze(-1), log_s_BC - others_s_B.unsqueeze(-1)
    others_KB = (among_g_KBC.exp() * (among_g_KBC - among_s_BC)).masked_fill(is_label_BC, 0.0).sum(-1)
    return settings.dkd_alpha * target_KB + settings.dkd_beta * others_KB


def _split(log_p: Tensor, is_label_BC: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns log probabilities, that of the label and that of all other classes together."""
    of_label = log_p.masked_fill(~is_label_BC, 0.0).sum(-1)
    return log_p, of_label, log_p.masked_fill(is_label_BC, -torch.inf).logsumexp(-1)


def _dist(settings: GuideLoss, student_BC: Tensor, labels_B: Tensor, guide_KBC: Tensor) -> Tensor:
    """Returns the loss by correlations over the batch: (K,)."""
    student_BC, guide_KBC = student_BC.softmax(-1), guide_KBC.softmax(-1)
    over_classes_K = 1 - _correlation(student_BC, guide_KBC).mean(-1)
    over_samples_K = 1 - _correlation(student_BC.mT, guide_KBC.mT).mean(-1)
    return settings.dist_beta * over_classes_K + settings.dist_gamma * over_samples_K


def _correlation(one: Tensor, other: Tensor) -> Tensor:
    """Returns Pearson's correlation along the last dimension."""
    one, other = one - one.mean(-1, keepdim=True), other - other.mean(-1, keepdim=True)
    norms = torch.linalg.vector_norm(one, dim=-1) * torch.linalg.vector_norm(other, dim=-1)
    correlation: Tensor = (one * other).sum(-1) / (norms + _EPS_DIST)
    return correlation


_LOSSES: dict[str, Callable[[GuideLoss, Tensor, Tensor, Tensor], Tensor]] = {"kl": _kl, "dkd": _dkd, "dist": _dist}

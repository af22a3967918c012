"""The objectives of densely guided distillation, and their loss.

Source: Son et al., "Densely Guided Knowledge Distillation using Multiple Teacher Assistants", ICCV 2021
(arXiv 2009.08825), Eq. 7, and the authors' published code. Shapes: B batch, C classes, K kept guides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeGuard

import torch
from torch import Tensor
from torch.nn import functional as F

from dgkd_cache.distillation.guide_losses import GuideLoss
from dgkd_cache.errors import InvalidInput, unknown_name
from dgkd_stores import Registry
from dgkd_stores.arguments import refusal, require_integer, require_kind, require_number

__all__ = [
    "GuidanceLoss",
    "Objective",
    "ObjectiveName",
    "check_mixed_loss",
    "dense_guidance_loss",
    "objective_names",
]


_CALL = "dense_guidance_loss"

KL = GuideLoss()
"""KL(guide || student), with guides of equal weight."""


@dataclass(frozen=True, kw_only=True)
class GuidanceLoss:
    """The loss to differentiate, and its parts for logging (detached, in nats, means over the batch)."""

    loss: Tensor
    """The scalar to differentiate, as the objective weighs its parts."""
    ce: Tensor
    """The cross-entropy on the labels."""
    kl: Tensor
    """The sum over the kept guides of KL(guide || student), or of another guide loss, at the temperature, unscaled."""


ObjectiveName = Literal["paper", "official", "mean"]
"""The names that `objective_names` returns, for type checkers."""

Objective = Callable[[int, int, int], tuple[int, int]]
"""From the number n of all guides, the kept ones K and the classes C: the factor of the cross-entropy, and the divisor
of the sum of the guide losses."""


def dense_guidance_loss(
    logits_BC: Tensor,
    labels_B: Tensor,
    softened_KBC: Tensor | None,
    *,
    guide_count: int,
    objective: ObjectiveName = "paper",
    lambda_: float = 0.5,
    temperature: float,
    guide_loss: GuideLoss = KL,
    partner_labels_B: Tensor | None = None,
    label_share_B: Tensor | None = None,
) -> GuidanceLoss:
    """Returns the student's loss under the guides that were kept for this batch.

    `softened_KBC` holds the kept guides' logits divided by `temperature`, as guide stores do, in any float dtype (None
    or K = 0: all dropped). `guide_count` is n, the number of guides before dropping; with n = 0 the loss is the
    cross-entropy. `objective` is `paper` (Eq. 7: n(1-lambda) CE + lambda T^2 sum KL), `official` (the authors' code:
    (1-lambda) CE + lambda T^2 sum KL / C) or `mean` ((1-lambda) CE + lambda T^2 mean KL), with KL(guide || student)
    averaged over the batch, or the `guide_loss` in its place. Everything is computed in float32.

    `temperature` must be the one that `softened_KBC` was divided by: `GuideBank.temperature`, which `GuidedBatch.loss`
    uses by itself.

    For images that mix two samples, the cross-entropy is that on `labels_B` times `label_share_B`, in [0, 1], plus that
    on `partner_labels_B` times the rest, for each image. `GuidedBatch` has both.

    Raises InvalidInput for an unknown objective, a lambda or temperature out of range, for tensors that do not match,
    for labels on the CPU that are not classes, and for the guide loss `dkd` where an image has two labels.
    """
    weigh = _OBJECTIVES.find(objective)
    require_number(_CALL, "lambda_", lambda_, low=0, high=1)
    require_number(_CALL, "temperature", temperature, low=0)
    require_integer(_CALL, "guide_count", guide_count, low=0)
    _check_shapes(logits_BC, labels_B, softened_KBC, guide_count)
    require_kind(_CALL, "guide_loss", guide_loss, GuideLoss, expected="a GuideLoss")
    _check_mixed(logits_BC, partner_labels_B, label_share_B)
    _check_devices(
        logits_BC=logits_BC,
        labels_B=labels_B,
        softened_KBC=softened_KBC,
        partner_labels_B=partner_labels_B,
        label_share_B=label_share_B,
    )
    check_mixed_loss(guide_loss if guide_count else KL, mixes=label_share_B is not None)
    logits_BC = logits_BC.float()
    ce = _cross_entropy(logits_BC, labels_B, partner_labels_B, label_share_B)
    if guide_count == 0:
        return GuidanceLoss(loss=ce, ce=ce.detach(), kl=torch.zeros_like(ce))
    kl_K = logits_BC.new_zeros(0)
    if softened_KBC is not None and len(softened_KBC):
        kl_K = guide_loss.of(logits_BC, labels_B, softened_KBC.float(), temperature)
    factor, divisor = weigh(guide_count, len(kl_K), logits_BC.shape[1])
    loss = factor * (1 - lambda_) * ce + lambda_ * temperature**2 * kl_K.sum() / divisor
    return GuidanceLoss(loss=loss, ce=ce.detach(), kl=kl_K.detach().sum())


def check_mixed_loss(guide_loss: GuideLoss, *, mixes: bool) -> None:
    """Raises InvalidInput for a guide loss that takes one label of an image, where images mix two samples."""
    if mixes and guide_loss.kind == "dkd":
        raise InvalidInput(
            "the guide loss dkd cannot be taken of images that mix two samples",
            expected="a guide loss that needs no label: kl or dist",
            found="dkd, which takes the class of the label apart from all others",
            do="choose another guide loss, or views without mixup and cutmix",
        )


def _cross_entropy(
    logits_BC: Tensor, labels_B: Tensor, partner_labels_B: Tensor | None, label_share_B: Tensor | None
) -> Tensor:
    if partner_labels_B is None or label_share_B is None:
        return F.cross_entropy(logits_BC, labels_B)
    own_B, other_B = (F.cross_entropy(logits_BC, of_B, reduction="none") for of_B in (labels_B, partner_labels_B))
    share_B = label_share_B.float()
    return (share_B * own_B + (1 - share_B) * other_B).mean()


def _check_shapes(logits_BC: object, labels_B: object, softened_KBC: object, guide_count: int) -> None:
    """Raises InvalidInput for tensors that do not fit each other."""
    found = logits_BC.shape if _has_numbers(logits_BC) else ()
    if len(found) != 2:
        expected = "the student's logits, a floating-point tensor (batch, classes)"
        raise refusal(_CALL, "logits_BC", logits_BC, expected=expected)
    batch, classes = found
    _check_label_shape("labels_B", labels_B, batch)
    if softened_KBC is not None:
        _check_softened(softened_KBC, batch, classes, guide_count)
    assert isinstance(labels_B, Tensor)
    _check_labels(labels_B, classes)


def _check_mixed(logits_BC: Tensor, partner_labels_B: object, label_share_B: object) -> None:
    """Raises InvalidInput unless there is a second label and a share for each image, or neither."""
    if partner_labels_B is None and label_share_B is None:
        return
    batch, classes = logits_BC.shape
    _check_label_shape("partner_labels_B", partner_labels_B, batch)
    if not _has_numbers(label_share_B) or label_share_B.shape != (batch,):
        expected = f"the share of labels_B in each image, a floating-point tensor ({batch},)"
        raise refusal(_CALL, "label_share_B", label_share_B, expected=expected)
    assert isinstance(partner_labels_B, Tensor)
    _check_labels(partner_labels_B, classes)


def _check_label_shape(name: str, labels_B: object, batch: int) -> None:
    if not isinstance(labels_B, Tensor) or labels_B.dtype != torch.int64 or labels_B.shape != (batch,):
        expected = f"the number of each image's class, a tensor of int64 ({batch},)"
        raise refusal(_CALL, name, labels_B, expected=expected)


def _check_softened(softened_KBC: object, batch: int, classes: int, guide_count: int) -> None:
    """Raises InvalidInput unless these are rows of guides for the student's batch and classes; K may be 0."""
    if not (
        _has_numbers(softened_KBC)
        and softened_KBC.ndim == 3
        and softened_KBC.shape[1] == batch
        and len(softened_KBC) <= guide_count
    ):
        raise refusal(
            _CALL,
            "softened_KBC",
            softened_KBC,
            expected=f"the guides' logits, floating-point (at most {guide_count}, {batch}, {classes}), or None",
            do="give what bank.gather(views, samples, keep) returns, and guide_count=len(bank.names)",
        )
    if (found := softened_KBC.shape[2]) != classes:
        raise InvalidInput(
            f"{_CALL}: the student and its guides have different numbers of classes",
            expected=f"logits_BC of {found} classes, as the guides have",
            found=f"{classes}",
            do=f"give the student {found} outputs, one for each class",
        )


def _check_devices(**tensors: Tensor | None) -> None:
    """Raises InvalidInput unless all tensors are on one device."""
    places = {name: str(tensor.device) for name, tensor in tensors.items() if tensor is not None}
    if len(set(places.values())) > 1:
        raise InvalidInput(
            f"{_CALL}: its tensors lie on several devices",
            expected="all of them where the student is",
            found=", ".join(f"{name} on {place}" for name, place in places.items()),
            do="move them with .to(device); GuideBank(..., device=device) gives the guides' logits there",
        )


def _has_numbers(tensor: object) -> TypeGuard[Tensor]:
    return isinstance(tensor, Tensor) and tensor.is_floating_point() and tensor.layout == torch.strided


def _check_labels(labels_B: Tensor, classes: int) -> None:
    """Raises InvalidInput for labels on the CPU that are not classes; this takes microseconds there.

    On a GPU this would wait for the labels; there torch's own assertion stops the process, but accepts -100 ("ignore").
    """
    if labels_B.device.type != "cpu" or not len(labels_B) or torch.compiler.is_compiling():
        return
    array_B = labels_B.detach().numpy()
    least, most = int(array_B.min()), int(array_B.max())
    if least < 0 or most >= classes:
        raise InvalidInput(
            f"{_CALL}: a label names no class",
            expected=f"labels from 0 to {classes - 1}, for logits of {classes} classes",
            found=f"{least} to {most}",
            do="number the classes from 0, and give the network one output for each",
        )


def objective_names() -> tuple[str, ...]:
    """Returns the names of all objectives, in alphabetical order."""
    return tuple(sorted(_OBJECTIVES))


_OBJECTIVES = Registry[Objective](
    "objective",
    {
        "paper": lambda guides, kept, classes: (guides, 1),
        # KLDivLoss with its default reduction averages over B x C elements: the batch mean divided by C.
        "official": lambda guides, kept, classes: (1, classes),
        "mean": lambda guides, kept, classes: (1, max(kept, 1)),
    },
    unknown=unknown_name,
)

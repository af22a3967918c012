"""GuidedBatch: all that one training step needs, with the student's loss under the batch's guides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.device.device import usable_device
from dgkd_cache.distillation.guide_losses import GuideLoss
from dgkd_cache.distillation.objectives import KL, GuidanceLoss, ObjectiveName, dense_guidance_loss
from dgkd_cache.guides.topk_rows import require_all_classes

__all__ = ["GuidedBatch"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GuidedBatch:
    """The inputs of one training step, B samples; `len(batch)` is B. Tensors are on the device of the guides.

    Of G guides K are kept in this step. `weight` is 1.0, except for one of several ranks: see `loss`.
    """

    pixels: Tensor
    """uint8 (B, I, H, W): each sample in its view, not normalised."""

    labels: Tensor
    """int64 (B,): the classes."""

    softened: Tensor
    """float16 or float32 (K, B, C): the kept guides' logits divided by `temperature`."""

    kept: NDArray[np.bool_]
    """bool (G,): which guides take part in this step, in the order of `GuideBank.names`."""

    views: NDArray[np.int64]
    """int64 (B,): the view of each sample."""

    samples: NDArray[np.int64]
    """int64 (B,): the samples' numbers in the data set."""

    epoch: int
    """The epoch of this step, from 0."""

    step: int
    """The number of steps of the run before this one."""

    temperature: float
    """The temperature of `softened` and of the loss."""

    partner_labels: Tensor | None = None
    """int64 (B,): where views mix samples, the classes of those that these are mixed with; else None."""

    label_share: Tensor | None = None
    """float32 (B,): where views mix samples, the share of `labels` in the cross-entropy; the rest is the partners'."""

    weight: float = 1.0
    """The factor of a rank's mean loss, with which the mean over the ranks is the mean over the whole batch."""

    topk_names: tuple[str, ...] = ()
    """The guides whose rows have their largest logits alone, in the encoding `topk`: for the guide loss `kl`."""

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        kept, classes = f"{int(self.kept.sum())} of {len(self.kept)} guides", self.softened.shape[2]
        pixels = " x ".join(map(str, self.pixels.shape[1:]))
        return (
            f"<GuidedBatch of step {self.step}, epoch {self.epoch}: {len(self)} samples of {pixels} pixels, {kept}, "
            f"{classes} classes, on {self.pixels.device}>"
        )

    def loss(
        self, logits_BC: Tensor, *, objective: ObjectiveName = "paper", lambda_: float = 0.5, guide_loss: GuideLoss = KL
    ) -> Tensor:
        """Returns the loss of the student's logits to differentiate, a scalar.

        It is `dense_guidance_loss` at the temperature of the guides, times `weight`: the average of several ranks'
        gradients, as DistributedDataParallel takes it, is then that of the whole batch (not so with the guide loss
        `dist`, which compares the samples of a batch with one another). Raises InvalidInput as
        `dense_guidance_loss`.
        """
        parts = self.loss_parts(logits_BC, objective=objective, lambda_=lambda_, guide_loss=guide_loss)
        return parts.loss * self.weight

    def loss_parts(
        self, logits_BC: Tensor, *, objective: ObjectiveName = "paper", lambda_: float = 0.5, guide_loss: GuideLoss = KL
    ) -> GuidanceLoss:
        """Returns the loss with its parts, for logging: means over this rank's batch, without `weight`.

        Raises InvalidInput as `dense_guidance_loss`, and for a guide loss that needs the logits of all classes, where a
        guide has only its largest (`topk_names`).
        """
        do = "leave guide_loss out, or use stores of these guides in another encoding, such as float16"
        require_all_classes(guide_loss, self.topk_names, do=do)
        return dense_guidance_loss(
            logits_BC,
            self.labels,
            self.softened,
            guide_count=len(self.kept),
            objective=objective,
            lambda_=lambda_,
            temperature=self.temperature,
            guide_loss=guide_loss,
            partner_labels_B=self.partner_labels,
            label_share_B=self.label_share,
        )

    def to(self, device: torch.device | str) -> Self:
        """Returns this batch with its tensors on `device`. Raises InvalidInput for a device that is not there."""
        there = usable_device(device, call="GuidedBatch.to")
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        moved: dict[str, Any] = {name: tensor.to(there) for name, tensor in tensors.items()}
        return replace(self, **moved)

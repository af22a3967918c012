"""Live guides: forwards the kept models at every step, for comparison with cached guides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dgkd_cache.device.device import autocast
from dgkd_cache.guides.protocol import Softened
from dgkd_cache.models.rehearsal import Rehearsal
from dgkd_cache.views.stream import Batch

__all__ = ["LiveGuide", "LiveGuides"]


@dataclass(frozen=True, kw_only=True)
class LiveGuide:
    """A finished model and its preprocessing, which takes uint8 pixels (B, I, H, W); both on the device."""

    name: str
    identity: str
    preprocess: nn.Module
    model: nn.Module


class LiveGuides:
    """Forwards the kept guides in evaluation mode, without gradients."""

    def __init__(
        self,
        guides: Sequence[LiveGuide],
        *,
        temperature: float,
        device: torch.device,
        precision: str = "float32",
        accept_probabilities: bool = False,
    ) -> None:
        self._guides = tuple(guides)
        self._temperature = temperature
        self._device = device
        self.precision = precision
        self._accept_probabilities = accept_probabilities
        for guide in self._guides:
            guide.model.to(device).eval()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(guide.name for guide in self._guides)

    @property
    def identities(self) -> Mapping[str, str]:
        return {guide.name: guide.identity for guide in self._guides}

    def rehearse(self, pixels_BIHW: Tensor, *, classes: int) -> None:
        """Forwards these images twice with each guide before training, and raises as `Rehearsal`."""
        for guide in self._guides:
            network = nn.Sequential(guide.preprocess, guide.model).eval()
            rehearsal = Rehearsal(
                guide.model,
                what=f"guide {guide.name!r}",
                device=self._device,
                precision=self.precision,
                classes=classes,
                accept_probabilities=self._accept_probabilities,
            )
            with torch.no_grad(), autocast(self._device, self.precision):
                rehearsal(network, lambda forward: forward(pixels_BIHW), batch=len(pixels_BIHW))

    def begin(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64], keep_G: NDArray[np.bool_]) -> Softened:
        return partial(self._forward, [guide for guide, keep in zip(self._guides, keep_G, strict=True) if keep])

    def expect(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64]) -> None:
        pass

    def _forward(self, kept: Sequence[LiveGuide], batch: Batch) -> Tensor:
        if not kept:
            return torch.empty(0, device=self._device)
        with torch.no_grad(), autocast(self._device, self.precision):
            logits_KBC = [guide.model(guide.preprocess(batch.pixels_BIHW)).float() for guide in kept]
            return torch.stack(logits_KBC) / self._temperature

"""Live guides: forwards the kept models at every step, for comparison with cached guides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dgkd_cache.device.device import autocast
from dgkd_cache.models.rehearsal import Rehearsal

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
        classes: int,
        device: torch.device,
        precision: str = "float32",
        accept_probabilities: bool = False,
    ) -> None:
        self._guides = tuple(guides)
        self._temperature = temperature
        self.classes = classes
        self._device = device
        self.precision = precision
        self._accept_probabilities = accept_probabilities
        for guide in self._guides:
            guide.model.to(device).eval()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(guide.name for guide in self._guides)

    @property
    def temperature(self) -> float:
        return self._temperature

    @property
    def identities(self) -> Mapping[str, str]:
        return {guide.name: guide.identity for guide in self._guides}

    @property
    def topk_names(self) -> tuple[str, ...]:
        """None: live guides give all logits."""
        return ()

    def rehearse(self, pixels_BIHW: Tensor) -> None:
        """Forwards these images twice with each guide before training, and raises as `Rehearsal`."""
        for guide in self._guides:
            network = nn.Sequential(guide.preprocess, guide.model).eval()
            rehearsal = Rehearsal(
                guide.model,
                what=f"guide {guide.name!r}",
                device=self._device,
                precision=self.precision,
                classes=self.classes,
                accept_probabilities=self._accept_probabilities,
            )
            with torch.no_grad(), autocast(self._device, self.precision):
                rehearsal(network, lambda forward: forward(pixels_BIHW), batch=len(pixels_BIHW))

    def begin(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64], keep_G: NDArray[np.bool_]) -> ForwardPass:
        return ForwardPass([guide for guide, keep in zip(self._guides, keep_G, strict=True) if keep], self)

    def expect(self, views_B: NDArray[np.int64], samples_B: NDArray[np.int64]) -> None:
        pass


@dataclass(frozen=True)
class ForwardPass:
    """The forward pass of the kept guides of one batch."""

    kept: Sequence[LiveGuide]
    guides: LiveGuides

    def softened(self, pixels_BIHW: Tensor) -> Tensor:
        """Returns logits / temperature of the kept guides: (K, B, C)."""
        if not self.kept:
            return torch.empty(0, len(pixels_BIHW), self.guides.classes, device=pixels_BIHW.device)
        with torch.no_grad(), autocast(pixels_BIHW.device, self.guides.precision):
            logits_KBC = [guide.model(guide.preprocess(pixels_BIHW)).float() for guide in self.kept]
            return torch.stack(logits_KBC) / self.guides.temperature

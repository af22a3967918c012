"""The un-augmented images of a model: in the views' size, or as an adopted model's published transforms make them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dgkd_cache.datasets.images import Images
from dgkd_cache.models.preprocessing import cut_test_images
from dgkd_cache.run_files.preprocess import Preprocess
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer

__all__ = ["PublishedPixels", "unaugmented"]


class PublishedPixels(ViewRenderer):
    """A renderer whose un-augmented images are whole images, resized and cropped by an adopted model's transforms.

    Its views are those of any other renderer.
    """

    def __init__(self, plan: ViewPlan, images: Images, preprocess: Preprocess) -> None:
        super().__init__(plan, images)
        self._preprocess = preprocess

    def evaluation_pixels(self, samples_B: Any) -> Tensor:
        """Returns uint8 [B, I, S, S] in the size of the model's input. Raises InvalidInput for unknown samples."""
        samples = self._check_samples("ViewRenderer.evaluation_pixels", samples_B)
        if self.images.height is not None and self.images.width is not None and len(samples):
            return cut_test_images(self._batch(samples), self._preprocess)
        if not len(samples):
            side = self._preprocess.input_size or 0
            return torch.empty((0, self.images.channels, side, side), dtype=torch.uint8)
        cut = self.images.each(samples, lambda _, image_IHW: cut_test_images(image_IHW[None], self._preprocess))
        return torch.cat([*cut]).contiguous()


def unaugmented(plan: ViewPlan, images: Images, preprocess: Preprocess) -> ViewRenderer:
    """Returns the renderer of un-augmented images for a model of this preprocessing."""
    return ViewRenderer(plan, images) if preprocess.resizing is None else PublishedPixels(plan, images, preprocess)

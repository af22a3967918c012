"""Renders the pixels of (view, sample) pairs: a view plan bound to the images of one split.

The pixels depend on (plan, view, sample) and the source pixels alone: not on batch, order, process or any random state.
Where the plan mixes samples, both are rendered in one call, and then mixed.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dgkd_cache.datasets.decoders import PILLOW
from dgkd_cache.device.device import send
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.views.abc import IntArray, Transform
from dgkd_cache.views.kernel import evaluation_crop, gather_crop_flip
from dgkd_cache.views.mixing import Mixing
from dgkd_cache.views.partners import Partners
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.tables import TABLE_BYTES, ParameterTables
from dgkd_cache.views.transforms import Crop, Hflip
from dgkd_stores.arguments import integers, require_kind

if TYPE_CHECKING:
    from dgkd_cache.datasets.images import Images

__all__ = ["ViewRenderer", "require_images"]


class ViewRenderer:
    """Renders views of `images` by `plan`; `table_bytes` bounds the memory of cached parameters.

    Raises Mismatch if the images' channels, size or decoder are not the plan's, InvalidInput for arguments of another
    kind.
    """

    plan: ViewPlan
    """The view plan."""
    images: Images
    """The images of the split."""

    def __init__(self, plan: ViewPlan, images: Images, *, table_bytes: int = TABLE_BYTES) -> None:
        require_kind(
            "ViewRenderer", "plan", plan, ViewPlan, expected="a ViewPlan", do="write ViewRenderer(plan, images)"
        )
        require_images("ViewRenderer", images)
        channels, height, width = plan.view_shape
        size = images.height, images.width
        fits = plan.transforms[0].any_size or size == (height, width)
        if images.channels != channels or not fits:
            expected = f"{channels} channels" + ("" if plan.transforms[0].any_size else f", {height} x {width} pixels")
            found = "several sizes" if None in size else f"{size[0]} x {size[1]} pixels"
            raise Mismatch(
                f"the images of {images.name} ({images.split}) do not fit the view plan",
                expected=expected,
                found=f"{images.channels} channels, {found}",
                do="make the view plan for these images, or put a resized-crop first",
            )
        _require_decoder(plan, images)
        self.plan, self.images = plan, images
        self._tables = ParameterTables(plan, len(images), table_bytes)
        self._bounds = np.cumsum([0] + [len(transform.limits) for transform in plan.transforms]).tolist()

    def pixels(self, views_B: Any, samples_B: Any) -> Tensor:
        """Returns uint8 [B, I, H, W] on the images' device: the pixels of each (view, sample) pair, in order.

        Both are integer sequences, arrays or tensors of one length. Raises InvalidInput for views or samples
        that do not exist, and as `require_partners`.
        """
        views, samples = self._check_pairs("ViewRenderer.pixels", views_B, samples_B)
        rows_BP = self._tables.rows(views, samples)
        if self.plan.mixing is not None and len(samples):
            partners = self._partners.of(samples, self._of_mixing(rows_BP)[:, 0])
            rows_BP = np.concatenate([rows_BP, self._tables.rows(views, partners)])
            samples = np.concatenate([samples, partners])
        steps = [
            (transform, rows_BP[:, first:last])
            for transform, first, last in zip(self.plan.transforms, self._bounds[:-1], self._bounds[1:], strict=True)
        ]
        if not len(samples):
            return torch.empty((0, *self.plan.view_shape), dtype=torch.uint8)
        held = self.images.pixels_NIHW
        if held is not None and _begin_with_crop_flip(steps):
            pixels, steps = _crop_flip(held, samples, steps), steps[2:]
        elif held is None and steps[0][0].any_size:
            resizing, drawn_BP = steps.pop(0)
            each = self.images.each(samples, lambda i, image_IHW: resizing.apply(image_IHW[None], drawn_BP[i : i + 1]))
            pixels = torch.cat([*each]).contiguous()  # images from files have the channels of a pixel together
        else:
            pixels = self._batch(samples)
        if _begin_with_crop_flip(steps):
            pixels, steps = _crop_flip(pixels, np.arange(len(samples)), steps), steps[2:]
        for transform, parameters_BP in steps:
            rows = slice(len(views)) if isinstance(transform, Mixing) else slice(None)
            pixels = transform.apply(pixels, parameters_BP[rows])
        return pixels

    def mixed_with(self, views_B: Any, samples_B: Any) -> tuple[IntArray, npt.NDArray[np.float64]] | None:
        """Returns the partner that each sample is mixed with, int64 [B], and the sample's own share, float64 [B].

        The share, in [0, 1], is that of the sample's label; the partner's label has the rest. None if the plan mixes
        nothing. Raises as `pixels`.
        """
        mixing = self.plan.mixing
        if mixing is None:
            return None
        views, samples = self._check_pairs("ViewRenderer.mixed_with", views_B, samples_B)
        rows_BP = self._of_mixing(self._tables.rows(views, samples))
        _, height, width = self.plan.view_shape
        return self._partners.of(samples, rows_BP[:, 0]), mixing.share(rows_BP, height, width)

    def require_partners(self, samples_N: npt.NDArray[np.int64] | None = None) -> None:
        """Raises an error where the plan mixes samples, and one has no partner here; call it before long work.

        It is InvalidInput where a part of the data set (training or held-out samples) has a single sample, and Mismatch
        for images that are aligned with a guide and lack some of its samples. With `samples_N`, the samples to train
        on, it is InvalidInput unless these are whole parts: others would be mixed into them.
        """
        if self.plan.mixing is not None:
            partners = self._partners
            if samples_N is not None:
                partners.require_whole(samples_N)

    def evaluation_pixels(self, samples_B: Any) -> Tensor:
        """Returns uint8 [B, I, H, W] in the views' size, not augmented: the images themselves if sizes agree.

        Otherwise the short side is resized to 8/7 of the view's (224: 256, as is usual), and the centre is cropped.
        Raises InvalidInput for samples that do not exist.
        """
        samples = self._check_samples("ViewRenderer.evaluation_pixels", samples_B)
        _, height, width = self.plan.view_shape
        if not len(samples):
            return torch.empty((0, *self.plan.view_shape), dtype=torch.uint8)
        if (self.images.height, self.images.width) == (height, width):
            return self._batch(samples)
        if self.images.pixels_NIHW is not None:
            return evaluation_crop(self._batch(samples), height)
        cut = self.images.each(samples, lambda _, image_IHW: evaluation_crop(image_IHW, height))
        return torch.stack([*cut]).contiguous()

    @cached_property
    def _partners(self) -> Partners:
        assert self.plan.mixing is not None
        held, images = len(self.images.samples_N), self.images
        if held < len(images):
            raise Mismatch(
                f"the samples of {images.name} ({images.split}) are mixed with samples that are not here",
                expected=f"all {len(images)} samples of the guide, for views that mix",
                found=f"{held} of them",
                do="use all of its samples, or a guide whose views mix nothing",
            )
        return Partners(len(images), self.plan.mixing.held_out)

    def _of_mixing(self, rows_BP: IntArray) -> IntArray:
        return rows_BP[:, self._bounds[-2] :]

    def _batch(self, samples_B: IntArray) -> Tensor:
        held = self.images.pixels_NIHW
        if held is None:
            batch = self.images.batch(samples_B)
            return batch if isinstance(batch, Tensor) else torch.stack(batch)
        if held.device.type == "cpu":
            # Measured: 0.1 us per CIFAR image, against 2.3 us for indexing the tensor.
            return torch.from_numpy(held.numpy().take(samples_B, axis=0))
        return held[send(samples_B, held.device)]

    def _check_pairs(self, call: str, views_B: Any, samples_B: Any) -> tuple[IntArray, IntArray]:
        views, samples = _integers(call, "views_B", views_B), self._check_samples(call, samples_B)
        if len(views) != len(samples):
            raise InvalidInput(
                "bad pairs", expected="as many views as samples", found=f"{len(views)} and {len(samples)}"
            )
        if len(views) and views.min() < 0:
            raise InvalidInput("no such view", expected="a view number from 0 on", found=str(views.min()))
        return views, samples

    def _check_samples(self, call: str, samples_B: Any) -> IntArray:
        samples = _integers(call, "samples_B", samples_B)
        self.images.require_samples(samples)
        return samples


def _require_decoder(plan: ViewPlan, images: Images) -> None:
    """Raises Mismatch unless the files were decoded as the plan says; images of another kind have no decoder."""
    if plan.decoder == (images.decoder or PILLOW):
        return
    raise Mismatch(
        f"the images of {images.name} ({images.split}) were decoded by another library than the view plan names",
        expected=f"decoder {plan.decoder}",
        found=f"decoder {images.decoder}" if images.decoder else "images that are no files of a folder",
        do="load the images with the decoder of the plan, or make the plan with that of the images",
    )


def require_images(call: str, images: object) -> None:
    """Raises InvalidInput for anything but `Images`, such as a data set of torchvision."""
    from dgkd_cache.datasets.images import Images  # it loads the file readers, which nothing else here needs

    require_kind(
        call,
        "images",
        images,
        Images,
        expected="the images of one split (dgkd_cache.Images)",
        do="write TensorImages(pixels, labels, classes=..., name=..., split=...) for arrays, or "
        'load_dataset("folder:PATH").train for files',
    )


def _integers(call: str, name: str, numbers: Any) -> IntArray:
    if isinstance(numbers, Tensor):
        numbers = numbers.cpu()
    expected = "one-dimensional integers"
    do = "write views.pixels([0, 0], [5, 17]) for samples 5 and 17 in view 0" if call == "ViewRenderer.pixels" else ""
    return integers(call, name, numbers, expected=expected, do=do)


def _begin_with_crop_flip(steps: list[tuple[Transform, IntArray]]) -> bool:
    return len(steps) >= 2 and isinstance(steps[0][0], Crop) and isinstance(steps[1][0], Hflip)


def _crop_flip(images_NIHW: Tensor, samples_B: IntArray, steps: list[tuple[Transform, IntArray]]) -> Tensor:
    (crop, place_B2), (_, flip_B1) = steps[:2]
    assert isinstance(crop, Crop)
    return gather_crop_flip(
        images_NIHW, samples_B, dy_B=place_B2[:, 0], dx_B=place_B2[:, 1], flip_B=flip_B1[:, 0], padding=crop.padding
    )

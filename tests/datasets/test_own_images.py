"""Images of any class: their pixels are looked at wherever they go, and samples are numbers that are there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.arrays import (
    LABELS,
    NHWC,
    PIXELS,
    Own,
    through_library,
)

from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.errors import DataUnreadable, InvalidInput
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer


def test_images_of_one_s_own_class_are_looked_at() -> None:
    with pytest.raises(InvalidInput, match="channels last.*channels=9, height=8, width=3; give channels=3, height=9"):
        Own(NHWC.copy(), 9, 8, 3)
    constants = {"mean": ("0.5",) * 3, "std": ("0.5",) * 3}
    fine = Own(PIXELS, 3, 9, 8)
    assert Dataset(train=fine, test=Own(PIXELS, 3, None, None), **constants).classes == ("a", "b")
    for pixels in (NHWC.copy(), PIXELS / 255, PIXELS[:, :, :, :5]):
        with pytest.raises(
            InvalidInput, match=r"not as the images say: expected a uint8 tensor .* of \[3, 9, 8\], found Tensor, "
        ):
            Dataset(train=fine, test=Own(pixels, 3, 9, 8), **constants)


@pytest.mark.parametrize("pixels", [PIXELS / 255, PIXELS.astype(np.int16), NHWC.copy(), PIXELS[:, :, :, :5].copy()])
def test_no_view_shows_other_bytes_as_pixels(pixels: Any) -> None:
    """A class of one's own may give anything for any sample: it is refused wherever its pixels would go."""

    class Late(Own):
        def image(self, sample: int) -> torch.Tensor:
            return torch.from_numpy((pixels if sample == 7 else PIXELS)[sample])

    plan = ViewPlan.build(image=(3, 9, 8), transforms=["crop(1)", "hflip"])
    views = ViewRenderer(plan, Late(PIXELS, 3, 9, 8))
    assert views.pixels([0, 0], [0, 1]).shape == (2, 3, 9, 8)
    for show in (
        lambda: views.pixels([0, 0], [1, 7]),
        lambda: views.evaluation_pixels([7]),
        lambda: views.images.digest,
    ):
        with pytest.raises(InvalidInput, match=r"sample 7 .* of own is not as the images say.*found Tensor, "):
            show()


@pytest.mark.parametrize(
    "samples",
    [
        *("a", [0.5], torch.tensor([0.5]), torch.tensor([True]), [[0]], [10], [-1]),
        *(torch.tensor([0j]), torch.tensor([0]).to_sparse(), torch.tensor([0], device="meta")),
        torch.tensor([0.0], requires_grad=True),
    ],
    ids=str,
)
def test_samples_are_numbers_that_are_there(samples: Any) -> None:
    images = through_library(PIXELS, LABELS)
    for split in (images, Own(PIXELS, 3, 9, 8)):
        with pytest.raises(InvalidInput, match="expected samples"):
            split.batch(samples)
    for fine in ([9, 0], np.array([9, 0]), torch.tensor([9, 0], dtype=torch.int32)):
        assert np.array_equal(images.batch(fine), PIXELS[[9, 0]])


@pytest.mark.parametrize("raised", [ValueError("my reader broke"), OSError("my reader broke"), SystemExit(3)])
def test_what_a_class_of_one_s_own_raises_is_told_with_its_line(raised: BaseException) -> None:
    class Broken(Own):
        def image(self, sample: int) -> torch.Tensor:
            raise raised

    words = rf"sample 4 \(train, class a\) of own cannot be read: .*{type(raised).__name__}: .*test_own_images.py, line"
    with pytest.raises(DataUnreadable, match=words):
        Broken(PIXELS, 3, 9, 8).batch([4])


def test_a_device_that_is_not_there_is_told() -> None:
    with pytest.raises(InvalidInput, match="TensorImages.to: the argument 'device' cannot be used"):
        through_library(PIXELS, LABELS).to("gpu")

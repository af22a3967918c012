"""resized-crop against torchvision's RandomResizedCrop: boxes in distribution, pixels box by box."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torchvision.transforms import RandomResizedCrop, v2

from dgkd_cache.errors import InvalidInput
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.resized_crop import ResizedCrop, ratio_table

SIZES = [(96, 128), (500, 333), (40, 400), (400, 40), (32, 32)]  # height, width; two where the centre is cut
DRAWS = 3000


def our_boxes(height: int, width: int) -> np.ndarray:
    plan = ViewPlan.build(image=(3, None, None), transforms=["resized-crop(8)"], seed=1)
    crop = ResizedCrop(8)
    return np.array([crop.box(row, height, width) for row in plan.parameters(0, 0, DRAWS)])


def their_boxes(height: int, width: int, **settings: Any) -> np.ndarray:
    image = torch.zeros(1, height, width)
    scale = settings.get("scale", (0.08, 1.0))
    ratio = settings.get("ratio", (3 / 4, 4 / 3))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        draws = [RandomResizedCrop.get_params(image, list(scale), list(ratio)) for _ in range(DRAWS)]
    return np.array(draws)


def smallest_pvalue(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Kolmogorov-Smirnov over area, aspect ratio, place, and the last column and row."""

    def figures(boxes: np.ndarray) -> list[np.ndarray]:
        top, left, height, width = boxes.T
        return [height * width, width / height, top, left, top + height, left + width]

    return min(
        float(stats.ks_2samp(mine, other).pvalue) for mine, other in zip(figures(ours), figures(theirs), strict=True)
    )


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_boxes_are_distributed_as_torchvision_draws_them(height: int, width: int) -> None:
    assert smallest_pvalue(our_boxes(height, width), their_boxes(height, width)) > 1e-3


def test_that_comparison_notices_another_area_and_another_ratio() -> None:
    ours = our_boxes(96, 128)
    assert smallest_pvalue(ours, their_boxes(96, 128, scale=(0.2, 1.0))) < 1e-6
    assert smallest_pvalue(ours, their_boxes(96, 128, ratio=(0.65, 4 / 3))) < 1e-6


@pytest.mark.parametrize(("height", "width"), [*SIZES, (1, 1), (1, 50), (7, 5)])
def test_boxes_follow_the_formula_in_floating_point(height: int, width: int) -> None:
    crop = ResizedCrop(8)
    plan = ViewPlan.build(image=(3, None, None), transforms=["resized-crop(8)"])
    for row in plan.parameters(3, 0, 300).tolist():
        *attempts, vertical, horizontal = row
        for attempt in attempts:
            area = height * width * (attempt // 64) / 2**24
            ratio = crop.ratio_q16[attempt % 64] / 2**16
            box_width, box_height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < box_width <= width and 0 < box_height <= height:
                top = math.floor(vertical / 2**32 * (height - box_height + 1))
                left = math.floor(horizontal / 2**32 * (width - box_width + 1))
                break
        else:
            box_height, box_width = height, width
            if width / height < 3 / 4:
                box_height = round(width / (3 / 4))
            elif width / height > 4 / 3:
                box_width = round(height * (4 / 3))
            top, left = (height - box_height) // 2, (width - box_width) // 2
        assert crop.box(row, height, width) == (top, left, box_height, box_width)


def test_boxes_of_huge_images_stay_exact() -> None:
    half_of_it = 2**23 * 64 + 63  # the area, and the widest ratio
    box = ResizedCrop(8).box([half_of_it] * 10 + [2**32 - 1] * 2, 2**16, 3 * 2**15)
    width = math.isqrt(2**16 * 3 * 2**15 * ratio_table()[63] // 2**17)
    assert box[0] + box[2] == 2**16 and box[1] + box[3] == 3 * 2**15
    assert box[3] - width in (0, 1)


def test_ratio_table_is_log_uniform() -> None:
    step = math.log(16 / 9) / 64
    expected = [round(0.75 * math.exp(step * (part + 0.5)) * 65536) for part in range(64)]
    assert list(ratio_table()) == expected
    assert (expected[0], expected[31], expected[32], expected[63]) == (49373, 65242, 65831, 86989)


@pytest.mark.parametrize(
    "ratios", [[65536] * 64, list(range(60000, 60063)), [1.0] * 64, "x", [1, *range(60000, 60063)]]
)
def test_refuses_a_table_that_is_none(ratios: Any) -> None:
    record = ResizedCrop(8).to_dict() | {"ratio_q16": ratios}
    with pytest.raises(InvalidInput, match="ratio table that is not 64 rising integers"):
        ResizedCrop.from_dict(record)


def test_another_table_is_kept_and_other_attempts_are_refused() -> None:
    table = tuple(range(60000, 60064))
    crop = ResizedCrop.from_dict(ResizedCrop(8).to_dict() | {"ratio_q16": list(table)})
    assert crop.ratio_q16 == table and crop != ResizedCrop(8)
    with pytest.raises(InvalidInput, match="bad transform 'resized-crop'.*9 attempts"):
        ResizedCrop.from_dict(ResizedCrop(8).to_dict() | {"attempts": 9})


def test_pixels_are_torchvisions_for_images_of_many_sizes(many_sizes: Any) -> None:
    plan = ViewPlan.build(image=(3, None, None), transforms=["resized-crop(24)", "hflip"], seed=4)
    views_B, samples_B = np.repeat([0, 3], 12), np.tile(np.arange(12), 2)
    pixels_BIHW = ViewRenderer(plan, many_sizes).pixels(views_B, samples_B)
    flips = 0
    for pixels, view, sample in zip(pixels_BIHW, views_B.tolist(), samples_B.tolist(), strict=True):
        *parameters, flip = plan.parameters(view, sample, sample + 1)[0].tolist()
        image = many_sizes.image(sample)
        names = ("top", "left", "height", "width")
        box = dict(zip(names, ResizedCrop(24).box(parameters, *image.shape[1:]), strict=True))
        expected = v2.RandomResizedCrop(24).transform(image, box)
        assert torch.equal(pixels, v2.functional.horizontal_flip(expected) if flip else expected)
        picture = Image.fromarray(image.permute(1, 2, 0).numpy())
        corner = box["left"], box["top"], box["left"] + box["width"], box["top"] + box["height"]
        by_pillow = np.asarray(picture.crop(corner).resize((24, 24), Image.Resampling.BILINEAR))
        assert np.abs(expected.permute(1, 2, 0).numpy().astype(int) - by_pillow).max() <= 1
        flips += flip
    assert 0 < flips < 24


def test_resident_images_give_the_same_pixels_as_images_read_one_by_one(noise: Any, many_sizes: Any) -> None:
    resident = noise(6, (3, 20, 30))
    plan = ViewPlan.build(image=(3, 20, 30), transforms=["resized-crop(12)", "crop(2)", "hflip"])
    one_by_one = type(many_sizes)([resident.image(sample) for sample in range(6)])
    pairs = np.arange(6) % 2, np.arange(6)
    assert torch.equal(ViewRenderer(plan, resident).pixels(*pairs), ViewRenderer(plan, one_by_one).pixels(*pairs))

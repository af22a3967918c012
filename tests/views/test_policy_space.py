"""Operations and magnitudes of the policies against torchvision's tables, and each operation against its kernels."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from support.pictures import same_but_rounding
from torchvision.transforms.v2 import AutoAugment, RandAugment, TrivialAugmentWide

from dgkd_cache.views import policies
from dgkd_cache.views.policy_space import OPERATIONS, Space

SPACES = {
    "trivial-augment": (policies.TrivialAugment.space, TrivialAugmentWide()),
    "rand-augment": (policies.RandAugment.space, RandAugment()),
    "auto-augment": (policies.AutoAugment.space, AutoAugment()),
}
OVER_ALL = pytest.mark.parametrize(("space", "theirs"), SPACES.values(), ids=SPACES)
GEOMETRY = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")


def magnitudes(space: Space, name: str, height: int, width: int) -> list[float] | None:
    """Ours in the units of torchvision's table."""
    if name in ("ShearX", "ShearY"):
        return [slope / 2**30 for slope in space.slopes_q30.tolist()]
    if name in ("TranslateX", "TranslateY"):
        return [float(shift) for shift in space.shifts(width if name[-1] == "X" else height).tolist()]
    if name == "Rotate":
        return [float(np.degrees(np.arctan2(sin, cos))) for cos, sin in space.rotations_q30]
    if name in ("Brightness", "Color", "Contrast", "Sharpness"):
        return [step / 65536 for step in space.enhancements_q16.tolist()]
    if name == "Posterize":
        return [float(bits) for bits in space.bits.tolist()]
    return [threshold / 255 for threshold in space.thresholds.tolist()] if name == "Solarize" else None


@OVER_ALL
@pytest.mark.parametrize("size", [(32, 32), (20, 33), (224, 224)])
def test_magnitudes_are_torchvisions(space: Space, theirs: Any, size: tuple[int, int]) -> None:
    table = theirs._AUGMENTATION_SPACE
    assert tuple(table) == tuple(name for name in OPERATIONS if name in table)
    assert set(OPERATIONS) - set(table) == ({"Identity"} if "Invert" in table else {"Invert"})
    for name, (of, signed) in table.items():
        expected, found = of(space.bins, *size), magnitudes(space, name, *size)
        if expected is None:
            assert found is None
            continue
        exact = expected.double().numpy()
        if name.startswith("Translate"):
            exact = np.floor(exact + 1e-5)  # the float32 magnitude 15 of trivial-augment is 15.999999 for 16
        if name == "Solarize":
            exact = np.ceil(exact * 255 - 1e-4) / 255  # whole levels: a pixel is at least 237.5 if it is at least 238
        assert np.abs(np.array(found) - exact).max() < 2e-5, name
        assert signed == (name in (*GEOMETRY, "Brightness", "Color", "Contrast", "Sharpness"))


@OVER_ALL
def test_every_operation_of_every_magnitude_is_torchvisions(noise: Any, space: Space, theirs: Any) -> None:
    image = noise(1, (3, 16, 16), seed=4).pixels_NIHW
    rotation_K2 = np.array(space.rotations_q30)
    for name, (of, signed) in theirs._AUGMENTATION_SPACE.items():
        bins = range(space.bins) if of(space.bins, 16, 16) is not None else [0]
        drawn = [(place, sign) for place in bins for sign in ((1, -1) if signed else (1,))]
        bin_B, sign_B = np.array(drawn).T
        kind_B = np.full(len(drawn), OPERATIONS.index(name))
        found = space.apply(image.expand(len(drawn), -1, -1, -1), kind_B, bin_B, sign_B, rotation_K2)
        values = magnitudes(space, name, 16, 16) or [0.0]
        for one, (place, sign) in zip(found, drawn, strict=True):
            expected = theirs._apply_image_or_video_transform(
                image[0], name, values[place] * sign, interpolation="nearest", fill={}
            )
            if name in GEOMETRY:  # the rest is halfway between two pixels
                assert (one == expected).double().mean() > 0.85, (name, place, sign)
            elif name in ("Brightness", "Color", "Contrast", "Sharpness", "AutoContrast"):
                assert same_but_rounding(one, expected, equal=0.4), (name, place, sign)
            else:
                assert torch.equal(one, expected), (name, place, sign)


def test_thresholds_are_whole_levels_and_exact_where_shares_are() -> None:
    space = policies.RandAugment.space
    exact = [255 * (1 - Fraction(place, 30)) for place in range(31)]
    assert space.thresholds.tolist() == [-(-share.numerator // share.denominator) for share in exact]

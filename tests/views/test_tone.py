"""Posterize, solarize, autocontrast, equalize and sharpness: their arguments, and torchvision's kernels on views."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.pictures import same_but_rounding
from torchvision.transforms.v2 import functional

from dgkd_cache.errors import InvalidInput
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.registry import parse_transform
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.tone import Autocontrast, Equalize, Posterize, Sharpness, Solarize

KERNELS = {
    "posterize(3, 0.5)": lambda image: functional.posterize(image, 3),
    "solarize(100)": lambda image: functional.solarize(image, 100.0),
    "autocontrast(0.7)": functional.autocontrast,
    "equalize": functional.equalize,
    "sharpness(1.75, 0.4)": lambda image: functional.adjust_sharpness(image, 1.75),
}


@pytest.mark.parametrize("text", KERNELS)
def test_views_are_torchvisions_where_applied_and_the_images_elsewhere(noise: Any, text: str) -> None:
    images = noise(80, (3, 12, 10))
    plan = ViewPlan.build(image=(3, 12, 10), transforms=[text], seed=2)
    found = ViewRenderer(plan, images).pixels(np.full(80, 6), np.arange(80))
    applied = plan.parameters(6, 0, 80)[:, 0].tolist()
    assert plan.exact and 10 < sum(applied) < 70
    for one, image, yes in zip(found, images.pixels_NIHW, applied, strict=True):
        assert same_but_rounding(one, KERNELS[text](image), equal=0.5) if yes else torch.equal(one, image)


def test_texts_and_what_may_be_left_out() -> None:
    assert parse_transform("posterize(4)") == Posterize(4, "0.5")
    assert parse_transform("solarize( 128 , 0.20 )") == Solarize(128, "0.2")
    assert parse_transform("autocontrast") == Autocontrast("0.5") and parse_transform("equalize(1)") == Equalize("1")
    assert parse_transform("sharpness(2.0)") == Sharpness("2", "0.5")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("posterize", r"expected posterize\(BITS, P\), for example posterize\(4, 0.5\), found posterize\(\)"),
        ("posterize(0)", r"expected a number of bits from 1 to 8, found posterize\(0, 0.5\); write for example poster"),
        ("posterize(9, 1)", "a number of bits from 1 to 8"),
        ("posterize(4, 1.5)", r"expected a probability from 0 to 1, found posterize\(4, 1.5\); write for example"),
        ("posterize(2.5)", r"found posterize\(2.5\)"),
        ("solarize(256)", "a threshold from 0 to 255"),
        ("autocontrast(0.5, 1)", r"expected autocontrast\(P\)"),
        ("equalize(often)", r"found equalize\(often\)"),
        ("sharpness(11)", "a factor from 0 to 10"),
        ("sharpness(-1)", r"found sharpness\(-1\)"),
    ],
)
def test_refuses_arguments_that_make_no_sense(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        parse_transform(text)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("record", [{"bits": 4}, {"bits": 4, "probability": "0.50"}, {"bits": 4, "probability": None}])
def test_refuses_records_that_are_not_in_their_one_form(record: Any) -> None:
    with pytest.raises(InvalidInput, match="bad transform 'posterize'"):
        Posterize.from_dict({"name": "posterize", **record})

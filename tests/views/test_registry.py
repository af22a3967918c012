"""Transforms are written, parsed and registered."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dgkd_cache.errors import InvalidInput, UnknownName
from dgkd_cache.randomness.philox import integer_below
from dgkd_cache.views import registry
from dgkd_cache.views.abc import Transform
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.registry import (
    parse_transform,
    register_transform,
    transform_from_dict,
    transform_names,
    transform_text,
)
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.resized_crop import ResizedCrop
from dgkd_cache.views.transforms import Crop, Hflip, Unchanged

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("crop(4)", Crop(4)),
        (" crop( 2 ) ", Crop(2)),
        ("hflip", Hflip()),
        ("none", Unchanged()),
        ("resized-crop(224)", ResizedCrop(224)),
    ],
)
def test_texts_name_transforms(text: str, expected: Transform) -> None:
    assert parse_transform(text) == expected
    assert transform_from_dict(expected.to_dict()) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("crop", r"bad transform 'crop': expected crop\(PIXELS\).*for example crop\(4\), found crop\(\)"),
        (
            "crop(0)",
            r"expected a padding from 1 to 1024 pixels, found crop\(0\); write for",
        ),
        ("crop(-1)", r"expected crop\(PIXELS\).*found crop\(-1\)"),
        ("crop(4.5)", r"found crop\(4.5\)"),
        ("crop(4, 4)", r"found crop\(4, 4\)"),
        ("crop(4096)", "expected a padding from 1 to 1024"),
        ("hflip(2)", r"expected hflip, which takes no number, found hflip\(2\)"),
        ("none(1)", "takes no number"),
        ("resized-crop", r"expected resized-crop\(PIXELS\)"),
        ("resized-crop(0)", "expected a size from 1 to 1024"),
        ("resized-crop(1025)", "expected a size from 1 to 1024"),
        ("crop(4", "expected a name like hflip or a name with a number"),
        ("", "expected a name like hflip"),
        ("crop(٤)", "bad transform 'crop'"),
    ],
)
def test_refuses_texts_that_mean_nothing(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        parse_transform(text)


@pytest.mark.parametrize("name", registry.TRANSFORMS)
def test_a_record_tells_how_it_is_written(name: str) -> None:
    one = parse_transform(registry.TRANSFORMS[name].example or name)
    assert parse_transform(transform_text(one.to_dict())) == one


@pytest.mark.parametrize(("record", "text"), [({"name": "warp", "by": 3}, "warp"), ({}, "None"), (3, "3"), ("x", "x")])
def test_a_record_of_nobody_has_a_text_all_the_same(record: object, text: str) -> None:
    assert transform_text(record) == text


def test_an_unknown_name_is_met_with_the_closest() -> None:
    with pytest.raises(UnknownName, match="unknown transform 'flip'.*did you mean hflip") as caught:
        parse_transform("flip")
    assert caught.value.exit_code == 2


def test_names_are_listed_and_taken_once() -> None:
    names = transform_names()
    assert {"crop", "hflip", "none", "resized-crop", "blur"} <= set(names) and names == tuple(
        sorted(registry.TRANSFORMS)
    )
    with pytest.raises(InvalidInput, match="'crop' is registered already; give the new one another name"):
        register_transform(Crop)


@pytest.mark.parametrize("name", registry.TRANSFORMS)
def test_every_transform_is_in_the_pages(name: str) -> None:
    assert f'`{{"name": "{name}"' in (ROOT / "stores/FORMAT.md").read_text(encoding="utf-8")
    views = (ROOT / "docs/guide.md").read_text(encoding="utf-8").partition("## Views")[2].partition("\n## ")[0]
    assert f"`{name}" in views


def test_a_transform_of_ones_own_takes_part(noise: Any, augment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "TRANSFORMS", copy(registry.TRANSFORMS))

    @register_transform
    @dataclass(frozen=True)
    class Darken(Transform):
        name, stage, words = "darken", 3, 1
        limits = {"shift": 3}

        def parameters(self, words_BW: Any) -> Any:
            return integer_below(words_BW, 3)

        def apply(self, pixels_BIHW: Tensor, parameters_BP: Any) -> Tensor:
            return pixels_BIHW >> torch.from_numpy(parameters_BP).to(torch.uint8)[:, :, None, None]

    images, everything = noise(60, (1, 8, 8)), np.arange(60)
    plan = ViewPlan.build(image=(1, 8, 8), transforms=["crop(2)", "hflip", "darken"])
    assert plan.outcomes == 5 * 5 * 2 * 3 and ViewPlan.from_dict(plan.to_dict()) == plan
    parameters = plan.parameters(4, 0, 60)
    assert set(parameters[:, 3].tolist()) == {0, 1, 2}
    found = ViewRenderer(plan, images).pixels(np.full(60, 4), everything).numpy()
    for pixels, image, (*place, shift) in zip(found, images.pixels_NIHW.numpy(), parameters.tolist(), strict=True):
        assert np.array_equal(pixels, augment(image, *place, 2) // 2**shift)

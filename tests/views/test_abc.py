"""The contract that every transform keeps, and which transforms make a plan together."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from dgkd_cache.errors import InvalidInput
from dgkd_cache.views.abc import MIXING, Transform, check_order
from dgkd_cache.views.registry import TRANSFORMS, parse_transform
from dgkd_cache.views.resized_crop import ResizedCrop
from dgkd_cache.views.transforms import Crop, Hflip, Unchanged

EVERY = [
    *(Crop(2), Hflip(), ResizedCrop(8), Unchanged()),
    *map(
        parse_transform,
        (
            *(
                "color-jitter(0.4, 0.4, 0.4, 0.1)",
                "grayscale(0.5)",
                "blur(0.1, 1, 0.5)",
                "posterize(4)",
                "solarize(99)",
            ),
            *("autocontrast", "equalize", "sharpness(2)", "rotate(20)", "shear(20)", "translate(0.3)"),
            *("trivial-augment", "rand-augment", "auto-augment", "erasing", "mixup(0.2)", "cutmix"),
        ),
    ),
]


@pytest.mark.parametrize("transform", EVERY, ids=lambda one: one.name)
def test_every_transform_keeps_the_contract(transform: Transform) -> None:
    record = transform.to_dict()
    assert record["name"] == transform.name and type(transform).from_dict(record) == transform
    words_BW = np.random.Generator(np.random.PCG64(0)).integers(0, 2**64, (300, transform.words), np.uint64)
    words_BW[0], words_BW[1] = 0, 2**64 - 1
    if not transform.any_size:  # whose parameters need the sizes of images
        rows_BP = transform.parameters(words_BW)
        assert rows_BP.shape == (300, len(transform.limits)) and rows_BP.dtype == np.int64
        for column, limit in zip(rows_BP.T, transform.limits.values(), strict=True):
            assert 0 <= column.min() and column.max() < limit
            assert limit > 30 or set(column.tolist()) == set(range(limit))
        assert np.array_equal(transform.parameters(words_BW[7:8]), rows_BP[7:8]), "a row depends on its own words only"
        count = 600 if transform.stage == MIXING else 300  # the samples', then those of their partners
        pixels_BIHW = torch.arange(count * 3 * 64).reshape(count, 3, 8, 8).remainder(251).to(torch.uint8)
        before = pixels_BIHW.clone()
        found = transform.apply(pixels_BIHW, rows_BP)
        assert found.shape[2:] == transform.output_size(8, 8) == (8, 8) and found.dtype == torch.uint8
        assert len(found) == 300
        assert torch.equal(pixels_BIHW, before), "the source stays"
        for place in range(0, 300, 13):
            alone = transform.apply(pixels_BIHW[place::300], rows_BP[place : place + 1])
            assert torch.equal(alone[0], found[place]), "pixels do not depend on the rest of the batch"
        with pytest.raises(InvalidInput, match="images that differ in size.*put a resized-crop first"):
            transform.output_size(None, None)


def test_every_transform_is_in_this_list() -> None:
    assert sorted(type(one).name for one in EVERY) == sorted(TRANSFORMS)


def test_colour_tone_geometry_and_policies_come_in_any_order_between_flip_and_erasing() -> None:
    free = [one for one in EVERY if one.stage == 3]
    assert len(free) == 14
    check_order([Crop(2), Hflip(), *free, parse_transform("erasing")])
    check_order([Crop(2), Hflip(), *reversed(free), parse_transform("erasing")])
    for chosen in ([free[0], Hflip()], [parse_transform("erasing"), free[0]]):
        with pytest.raises(InvalidInput, match="out of order"):
            check_order(chosen)


@pytest.mark.parametrize("transform", EVERY, ids=lambda one: one.name)
def test_a_record_of_other_keys_is_none_of_it(transform: Transform) -> None:
    for record in (transform.to_dict() | {"more": 1}, {}):
        with pytest.raises(InvalidInput, match=f"bad transform '{transform.name}'.*found a record with the keys"):
            type(transform).from_dict(record)


def test_the_transforms_of_a_plan_come_in_rising_stages() -> None:
    for chosen in itertools.permutations([Crop(4), Hflip(), ResizedCrop(8)], 2):
        rising = chosen[0].stage < chosen[1].stage
        if rising:
            check_order(chosen)
        else:
            names = ", ".join(one.name for one in sorted(chosen, key=lambda one: one.stage))
            with pytest.raises(InvalidInput, match=f"out of order: expected {names}|twice|others") as caught:
                check_order(chosen)
            assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("transforms", "message"),
    [
        ([], "no transforms: expected at least one"),
        ([Unchanged(), Hflip()], "transform 'none' among others: expected none alone, found none, hflip"),
        ([Crop(1), Crop(2)], "transform 'crop' twice"),
    ],
)
def test_what_makes_no_plan_is_refused(transforms: list[Transform], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        check_order(transforms)
    check_order([Unchanged()])

"""The view plan: its JSON and digest written out by hand, its parameters from an independent Philox."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from dgkd_cache.errors import DgkdError, InvalidInput, Mismatch, UnknownName
from dgkd_cache.views.plan import ViewPlan

CROP_FLIP = (
    '{"channels":3,"format":"dgkd-view-plan","height":32,"scheme":"sampled","seed":7,'
    '"transforms":[{"name":"crop","padding":4},{"name":"hflip"}],"version":1,"width":32,"words":3}'
)
CROP_FLIP_SHA256 = "7f69a99abc252a38ee9f06b315a9889a70390a1c59f4024f1b0bf856f97c5f14"


def build(*transforms: str, image: Any = (3, 32, 32), **settings: Any) -> ViewPlan:
    return ViewPlan.build(image=image, transforms=transforms, **settings)


def test_digest_is_that_of_the_canonical_json_written_by_hand() -> None:
    plan = build("crop(4)", "hflip", seed=7)
    assert plan.canonical.decode() == CROP_FLIP
    assert plan.digest == CROP_FLIP_SHA256 == hashlib.sha256(CROP_FLIP.encode()).hexdigest()
    assert plan.key16.hex() == CROP_FLIP_SHA256[:32]


def test_samples_held_out_stand_in_plans_that_mix_and_in_no_others() -> None:
    assert build("crop(4)", "hflip", seed=7, held_out=500).canonical.decode() == CROP_FLIP
    plan = build("crop(4)", "mixup(0.2)", held_out=500)
    (crop, mixup), words = plan.to_dict()["transforms"], plan.to_dict()["words"]
    assert crop == {"name": "crop", "padding": 4} and words == 2 + 2
    ratios = mixup.pop("ratio_q16")
    assert mixup == {"name": "mixup", "alpha": "0.2", "held_out": 500} and len(ratios) == 1024
    assert plan.digest != build("crop(4)", "mixup(0.2)").digest
    assert plan.mixing is plan.transforms[-1] and build("crop(4)").mixing is None
    for wrong in (-1, 2**31, "3", True, 0.5):
        with pytest.raises(InvalidInput, match="'held_out' cannot be used: expected an integer from 0 to 2147483647"):
            build("crop(4)", "mixup(0.2)", held_out=wrong)


def test_a_decoder_stands_in_plans_that_have_another_than_pillow() -> None:
    assert build("crop(4)", "hflip", seed=7, decoder="pillow").canonical.decode() == CROP_FLIP
    plan = build("crop(4)", "hflip", seed=7, decoder="torchcodec")
    named = CROP_FLIP.replace('"format"', '"decoder":"torchcodec","format"')
    assert plan.canonical.decode() == named and plan.digest == hashlib.sha256(named.encode()).hexdigest()
    assert ViewPlan.from_dict(json.loads(named)) == plan and json.loads(named)["decoder"] == plan.decoder


@pytest.mark.parametrize("decoder", ["pillow", "libjpeg", None, 3, ["torchcodec"]])
def test_a_record_names_a_known_decoder_and_never_pillow(decoder: Any) -> None:
    """Else the same views would have two digests."""
    with pytest.raises(InvalidInput, match="no key decoder for pillow" if decoder == "pillow" else "unknown decoder"):
        ViewPlan.from_dict(json.loads(CROP_FLIP) | {"decoder": decoder})
    if decoder != "pillow":
        with pytest.raises(UnknownName, match="unknown decoder .*one of pillow, torchcodec"):
            build("crop(4)", decoder=decoder)


def test_resized_crop_plan_holds_its_whole_table() -> None:
    record = json.loads(build("resized-crop(224)", image=(3, None, None)).canonical)
    (crop,) = record["transforms"]
    assert (crop["size"], crop["attempts"], crop["area_q24"]) == (224, 10, [1342177, 16777216])
    assert len(crop["ratio_q16"]) == 64 and record["height"] is None


@pytest.mark.parametrize(
    ("transforms", "image", "scheme"),
    [
        (["crop(4)", "hflip"], (3, 32, 32), "sampled"),
        (["crop(4)", "hflip"], (3, 32, 32), "enumerated"),
        (["hflip"], (1, 28, 20), "enumerated"),
        (["none"], (1, 8, 8), "sampled"),
        (["resized-crop(224)", "hflip"], (3, None, None), "sampled"),
        (["resized-crop(64)", "crop(2)", "hflip"], (3, 90, 70), "sampled"),
        (["crop(2)", "cutmix(0.5)"], (3, 90, 70), "sampled"),
    ],
)
def test_round_trip_through_json(transforms: list[str], image: Any, scheme: str) -> None:
    plan = ViewPlan.build(image=image, transforms=transforms, scheme=scheme, seed=2)
    again = ViewPlan.from_dict(json.loads(json.dumps(plan.to_dict())))
    assert again == plan and again.digest == plan.digest
    other = ViewPlan.build(image=image, transforms=transforms, scheme=scheme, seed=3)
    assert other.digest != plan.digest


def test_parameters_come_from_the_words_of_sample_view_and_domain(
    python_philox: Callable[[bytes, Sequence[int]], list[int]],
) -> None:
    plan = build("crop(4)", "hflip", seed=7)
    key16 = hashlib.sha256(CROP_FLIP.encode()).digest()[:16]
    expected = []
    for sample in range(10, 30):
        words = python_philox(key16, [sample, 41, 0, 0])
        expected.append([(words[0] >> 32) * 9 >> 32, (words[1] >> 32) * 9 >> 32, words[2] >> 63])
    assert plan.blocks_per_sample == 1
    assert plan.parameters(41, 10, 30).tolist() == expected


def test_a_sample_owns_as_many_blocks_as_its_words_need(
    python_philox: Callable[[bytes, Sequence[int]], list[int]],
) -> None:
    plan = build("resized-crop(16)", "hflip")
    assert (plan.words, plan.blocks_per_sample) == (12, 3)
    words = [word for block in range(15, 18) for word in python_philox(plan.key16, [block, 2, 0, 0])]
    areas = [1342177 + ((word >> 32) * (2**24 - 1342177) >> 32) for word in words[:10]]
    ratios = [((word % 2**32) * 64) >> 32 for word in words[:10]]
    place = [words[10] >> 32, words[10] % 2**32]
    expected = [area * 64 + ratio for area, ratio in zip(areas, ratios, strict=True)]
    assert plan.parameters(2, 5, 6)[0].tolist() == [*expected, *place, words[11] >> 63]


def test_more_views_and_more_samples_never_change_old_ones() -> None:
    plan = build("crop(4)", "hflip")
    few = {view: plan.parameters(view, 0, 50) for view in range(4)}
    many = {view: plan.parameters(view, 0, 900) for view in range(9)}
    assert all(np.array_equal(few[view], many[view][:50]) for view in few)
    assert not np.array_equal(many[0], many[1])
    assert np.array_equal(plan.parameters(3, 17, 40), few[3][17:40])


def test_view_digest_covers_all_parameters_as_little_endian_integers() -> None:
    plan = build("crop(4)", "hflip")
    rows = plan.parameters(5, 0, 70_000)
    content = b"".join(struct.pack("<3q", *row) for row in rows.tolist())
    assert plan.view_digest(5, 70_000) == hashlib.sha256(content).digest()
    assert plan.view_digest(5, 69_999) != plan.view_digest(5, 70_000) != plan.view_digest(6, 70_000)


def test_enumerated_views_go_through_every_outcome_once() -> None:
    plan = build("crop(4)", "hflip", scheme="enumerated")
    assert plan.outcomes == 162
    rows = [plan.parameters(view, 0, 3) for view in range(162)]
    assert [rows[view][2].tolist() for view in range(162)] == [
        [dy, dx, flip] for dy in range(9) for dx in range(9) for flip in range(2)
    ]
    with pytest.raises(InvalidInput, match="one of the 162 enumerated views 0 to 161, found 162; stay below view 162"):
        plan.parameters(162, 0, 1)


def test_geometry_and_exactness() -> None:
    assert build("crop(4)", "hflip").view_shape == (3, 32, 32)
    assert build("crop(4)", "hflip").exact
    resized = build("resized-crop(224)", "hflip", image=(3, None, None))
    assert resized.view_shape == (3, 224, 224)
    assert not resized.exact and resized.outcomes is None
    none = build("none", scheme="enumerated")
    assert none.outcomes == 1 and none.parameters(0, 0, 4).shape == (4, 0)


@pytest.mark.parametrize(
    ("transforms", "settings", "message"),
    [
        ([], {}, r'no transforms: expected at least one; write transforms = \["none"\]'),
        (["crop(4)", "crop(2)"], {}, "transform 'crop' twice: expected each at most once"),
        (["hflip", "crop(4)"], {}, "out of order: expected crop, hflip, found hflip, crop; write them in"),
        (["crop(4)", "resized-crop(8)"], {}, "out of order: expected resized-crop, crop"),
        (["none", "hflip"], {}, "'none' among others: expected none alone, found none, hflip"),
        (["crop(32)"], {}, r"crop\(32\) would cut away whole images: expected a padding below .* 32 pixels"),
        (
            ["crop(4)"],
            {"image": (3, None, None)},
            "expected images of one size.*resized-crop",
        ),
        (["hflip"], {"image": (3, None, 7)}, "that differ in size"),
        (
            ["resized-crop(32)"],
            {"scheme": "enumerated"},
            "cannot be enumerated.*resized-crop; set",
        ),
        (["rand-augment(14)"], {"scheme": "enumerated"}, "cannot be enumerated: .* found rand-augment; set"),
        (["hflip", "grayscale(0.3)"], {"scheme": "enumerated"}, "cannot be enumerated: .* found grayscale; set"),
        (["hflip"], {"seed": -1}, "bad seed of a view plan: expected an integer from 0 to 2\\*\\*63 - 1, found"),
        (["hflip"], {"seed": 1.5}, "bad seed of a view plan"),
        (["hflip"], {"image": (0, 8, 8)}, "bad channels of a view plan: expected an integer from 1"),
        (["hflip"], {"image": (28, 32, 3)}, r"expected channels, height and width in this order.*\(3, 28, 32\)"),
        (["hflip"], {"image": (1, 8, True)}, "bad width of a view plan"),
    ],
)
def test_refuses_plans_that_make_no_sense(transforms: list[str], settings: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        build(*transforms, **settings)
    assert caught.value.exit_code == 2


def test_refuses_an_unknown_scheme_and_a_bare_text() -> None:
    with pytest.raises(UnknownName, match="unknown view scheme 'sample'.*did you mean sampled"):
        build("hflip", scheme="sample")
    with pytest.raises(InvalidInput, match=r'expected a list like \["crop\(4\)", "hflip"\]'):
        ViewPlan.build(image=(3, 32, 32), transforms="hflip")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"format": "zip"}, InvalidInput, "no view plan: expected format 'dgkd-view-plan', found 'zip'"),
        ({"version": 2}, Mismatch, "another version: expected version 1, found 2; update"),
        ({"extra": 1}, InvalidInput, "bad view plan: expected the keys channels.*found .*extra"),
        ({"words": 4}, InvalidInput, "expected 3 words a sample, found 4"),
        ({"scheme": 3}, UnknownName, "unknown view scheme '3'"),
        ({"channels": "3"}, InvalidInput, "bad channels"),
        ({"transforms": "crop"}, InvalidInput, "bad view plan"),
        ({"transforms": [{"name": "smear"}]}, UnknownName, "unknown transform 'smear'"),
        (
            {"transforms": [{"name": "crop"}]},
            InvalidInput,
            "bad transform 'crop'.*found a record with",
        ),
        ({"transforms": [{"name": "crop", "padding": "4"}]}, InvalidInput, "bad transform 'crop'"),
        ({"transforms": ["crop(4)"]}, InvalidInput, "bad transform in a view plan: expected an object"),
    ],
)
def test_refuses_records_that_are_no_plan(change: Any, error: type[DgkdError], message: str) -> None:
    record = build("crop(4)", "hflip").to_dict() | change
    with pytest.raises(error, match=message):
        ViewPlan.from_dict(record)

"""Which stores fit these samples and views: each difference is refused by its name."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from support.banks import bank_of

from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.errors import Mismatch
from dgkd_cache.guides.compatibility import adopt_plan
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import GuideStore, canonical_json


def changed(bars, *, pixel: bool = False, label: bool = False, swap: bool = False, classes=None) -> TensorImages:
    train = bars.train
    pixels_NIHW, labels_N = train.pixels_NIHW.clone(), train.labels_N.copy()
    if pixel:
        pixels_NIHW[17, 0, 3, 3] += 1
    if label:
        labels_N[17] = (labels_N[17] + 1) % 4
    if swap:
        pixels_NIHW[[17, 40]] = pixels_NIHW[[40, 17]]
    return TensorImages(pixels_NIHW, labels_N, classes=classes or train.classes, name=train.name, split=train.split)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pixel": True}, ["another data set", "sample 17", "1 of 100 samples differ"]),
        ({"label": True}, ["another data set", "sample 17", "labels differ"]),
        ({"swap": True}, ["another data set", "another order", "sample 17"]),
        (
            {"classes": ("ant", "bee", "cow", "cat")},
            ["other classes", "ant, bee, cow, cat", "ant, bee, cow, dog"],
        ),
    ],
)
def test_another_data_set_is_refused(bars, plan, three_guides, change, words) -> None:
    with pytest.raises(Mismatch) as caught:
        bank_of(three_guides, plan, changed(bars, **change))
    assert caught.value.exit_code == 13
    assert all(word in str(caught.value) for word in [*words, "teacher", "expected", "found", "; "])


def test_another_view_plan_is_refused(bars, three_guides) -> None:
    other = ViewPlan.build(image=(1, 8, 8), transforms=["crop(1)", "hflip"], seed=4)
    with pytest.raises(Mismatch, match="another view plan.*seed 4 here, 3 there.*dump the guide again"):
        bank_of(three_guides, other, bars.train)


def test_transforms_are_shown_as_they_are_written(bars, three_guides) -> None:
    other = ViewPlan.build(image=(1, 8, 8), transforms=["crop(1)", "hflip", "rand-augment"], seed=3)
    with pytest.raises(
        Mismatch, match=r"transforms crop\(1\), hflip, rand-augment\(2, 9\) here, crop\(1\), hflip there"
    ):
        bank_of(three_guides, other, bars.train)


def test_another_number_of_samples_held_out_is_another_plan_where_views_mix(bars, dump, make_tiny, tmp_path) -> None:
    def plan(held_out: int, *transforms: str) -> ViewPlan:
        return ViewPlan.build(image=(1, 8, 8), transforms=[*transforms, "cutmix"], held_out=held_out)

    dump(tmp_path / "teacher.zarr", make_tiny(1), train=ViewRenderer(plan(20), bars.train))
    bank_of([tmp_path / "teacher.zarr"], plan(20), bars.train).close()
    with pytest.raises(
        Mismatch,
        match=r"another view plan: .*transforms cutmix\(1\) in both, .*; hold out as many .*\[dataset\], 20 there and "
        r"10 here\)",
    ):
        bank_of([tmp_path / "teacher.zarr"], plan(10), bars.train)
    for other in (plan(20, "hflip"), ViewPlan.build(image=(1, 8, 8), transforms=["hflip"])):
        with pytest.raises(Mismatch, match="another view plan.*; copy the .views. settings"):
            bank_of([tmp_path / "teacher.zarr"], other, bars.train)


def test_a_guide_that_saw_other_pixels_is_refused_by_replay(bars, plan, dump, make_tiny, tmp_path):
    """A writer that renders wrongly but records everything else rightly: only the probe can tell."""

    class Shifted(ViewRenderer):
        def pixels(self, views_B, samples_B):
            return super().pixels(views_B, samples_B).roll(1, dims=-1)

    dump(tmp_path / "teacher.zarr", make_tiny(1), train=Shifted(plan, bars.train))
    with pytest.raises(Mismatch, match="not the ones that the guide saw.*in view .* of sample"):
        bank_of([tmp_path / "teacher.zarr"], plan, bars.train)


def store_with_plan(path: Path, record: dict[str, Any]) -> GuideStore:
    """An open store whose header has another plan, as one from elsewhere may have."""
    store = GuideStore.open(path)
    digest = hashlib.sha256(canonical_json(record)).hexdigest()
    store.header = dataclasses.replace(store.header, plan=record, plan_digest=digest)
    return store


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "expected version 1, found 2"),
        ({"transforms": [{"name": "mixup"}]}, "mixup"),
        ({"transforms": [{"name": "unheard-of"}]}, "unheard-of"),
        ({"transforms": [3]}, "found 3"),
        ({"transforms": 3}, "expected the keys"),
        ({"transforms": []}, "expected"),
        ({"seed": "a"}, "found 'a'"),
        ({"words": 10**9}, "found 1000000000"),
        ({"more": 1}, "expected the keys"),
        ({"transforms": [{"name": "resized-crop", "size": 60000, "area": [8, 100]}]}, "expected"),
    ],
)
def test_a_plan_of_a_store_that_cannot_be_followed_is_refused(bars, plan, three_guides, change, words: str) -> None:
    store = store_with_plan(three_guides[0], {**plan.to_dict(), **change})
    with pytest.raises(Mismatch, match=rf"has a view plan that cannot be followed here: .*{words}"):
        adopt_plan(store, bars.train, torch.device("cpu"))

"""Plans, parameters and pixels are those that they were before there were more transforms: a committed list says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.tiny_chain import MODULE
from views.fixtures.make_plans_v1 import FILE, PLANS, digests

from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.probe import check_probe
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_stores import GuideStore

STORE = Path(__file__).parents[1] / "workspace/fixtures/runs-before-digests/guides/teacher.zarr"
COMMITTED: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("place", range(len(PLANS)), ids=lambda place: f"{PLANS[place][1]} {PLANS[place][2]}")
def test_a_plan_of_then_is_the_same_plan(place: int) -> None:
    assert digests(*PLANS[place]) == COMMITTED[place]


def test_the_list_has_every_plan_and_no_two_alike() -> None:
    assert len({each["plan"] for each in COMMITTED}) == len(COMMITTED) == len(PLANS)


def test_a_committed_store_has_the_views_that_are_made_now() -> None:
    names: dict[str, Any] = {}
    exec(MODULE, names)  # the data set of the committed workspace
    (pixels, labels, classes), _ = names["bars"]()
    images = TensorImages(pixels, labels, classes=classes, name="tiny_bars:bars", split="train")
    with GuideStore.open(STORE) as store:
        header = store.header
        plan = ViewPlan.from_dict(header.plan)
        assert plan.digest == header.plan_digest
        views = ViewRenderer(plan, images)
        held = range(header.first_view, header.first_view + header.views)
        for place, view in enumerate(held):
            assert plan.view_digest(view, header.dataset.samples) == np.asarray(store.view_digest_V32[place]).tobytes()
        check_probe(views, kind=header.probe, values=np.asarray(store.probe), ranges=[held])

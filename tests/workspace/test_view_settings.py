"""[views] beside the plan of a store: as the plans that both make, and without torch where texts tell enough."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest

from dgkd_cache.config.tables import ViewsConfig
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.workspace.view_settings import describe_plan, describe_views, same_views
from dgkd_stores import parse_strictly

LISTS = [
    ["none"],
    ["hflip"],
    ["crop(1)"],
    ["crop(2)"],
    ["crop(2)", "hflip"],
    ["resized-crop(8)", "hflip"],
    ["resized-crop(9)", "hflip"],
    ["crop(1)", "erasing(0.5)"],
    ["crop(1)", "erasing(0.50)"],
    ["crop(1)", "erasing"],
    ["color-jitter(0.4, 0.4, 0.2, 0.1)"],
    ["color-jitter(0.4, 0.2, 0.4, 0.1)"],
]


def test_settings_are_the_same_where_their_plans_are() -> None:
    settings = [
        ViewsConfig(transforms=transforms, seed=seed, decoder=decoder)
        for transforms, seed, decoder in [
            *((one, 0, "pillow") for one in LISTS),
            (["crop(1)"], 5, "pillow"),
            (["crop(1)"], 0, "torchcodec"),
            (["crop(1)", "erasing"], 0, "torchcodec"),
        ]
    ]
    plans = [
        ViewPlan.build(
            image=(3, 8, 8), transforms=one.transforms, scheme=one.scheme, seed=one.seed, decoder=one.decoder
        )
        for one in settings
    ]
    for (at, views), (other, plan) in itertools.product(enumerate(settings), enumerate(plans)):
        assert same_views(views, plan.to_dict()) == (plans[at].digest == plan.digest), (at, other)


@pytest.mark.parametrize("plan", [{}, {"transforms": 3}, {"transforms": ["crop(1)"], "scheme": "sampled", "seed": 0}])
def test_a_plan_of_any_program_is_another_one(plan: dict[str, object]) -> None:
    assert not same_views(ViewsConfig(transforms=["crop(1)"]), plan) and describe_plan(plan)


def test_both_are_described_alike() -> None:
    views = ViewsConfig(transforms=["crop(1)", "hflip"], seed=4)
    plan = ViewPlan.build(image=(1, 8, 8), transforms=views.transforms, seed=4).to_dict()
    assert describe_views(views) == describe_plan(plan) == "crop(1), hflip; sampled, seed 4"
    views = ViewsConfig(transforms=["crop(1)"], decoder="torchcodec")
    plan = ViewPlan.build(image=(1, 8, 8), transforms=views.transforms, decoder=views.decoder).to_dict()
    assert describe_views(views) == describe_plan(plan) == "crop(1); sampled, seed 0, decoder torchcodec"


def test_several_numbers_are_in_the_order_in_which_they_are_written() -> None:
    """A header's keys are sorted; tables and the number of samples held out are not written."""
    texts = ["color-jitter(0.4, 0.3, 0.2, 0.1)", "rand-augment(2, 9)", "cutmix(1)"]
    plan = ViewPlan.build(image=(3, 8, 8), transforms=texts, held_out=5)
    assert describe_plan(parse_strictly(plan.canonical)) == f"{', '.join(texts)}; sampled, seed 0"


def test_crop_and_flip_are_compared_without_torch() -> None:
    script = """
import sys
from dgkd_cache.config.tables import ViewsConfig
from dgkd_cache.workspace.view_settings import same_views
transforms = [{"name": "crop", "padding": 1}, {"name": "hflip"}]
plan = {"transforms": transforms, "scheme": "sampled", "seed": 0}
assert same_views(ViewsConfig(transforms=["crop(1)", "hflip"]), plan)
assert not same_views(ViewsConfig(transforms=["crop(2)", "hflip"]), plan)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)

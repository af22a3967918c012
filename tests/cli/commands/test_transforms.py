"""`transforms`: every transform of views, as it is written and what it does."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.registry import TRANSFORMS

Command = Callable[..., Result]


def test_every_transform_is_listed_once_in_the_order_of_plans(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    listed = command("transforms")
    assert listed.exit_code == 0 and max(map(len, listed.stdout.splitlines())) <= 80
    rows = json.loads(command("transforms", "--json").stdout)["transforms"]
    assert sorted(row["name"] for row in rows) == sorted(TRANSFORMS)
    assert [row["place"] for row in rows] == sorted(row["place"] for row in rows)
    flat = " ".join(listed.stdout.split())
    for row in rows:
        assert row["about"] and not row["about"].endswith(".") and row["name"] in flat


def test_every_example_makes_a_plan_and_all_but_one_keep_the_size_and_are_exact(command: Command) -> None:
    for row in json.loads(command("transforms", "--json").stdout)["transforms"]:
        plan = ViewPlan.build(image=(3, 32, 32), transforms=[row["example"]])
        assert plan.exact == row["exact"] == (row["name"] != "resized-crop")
        assert (plan.view_shape == (3, 32, 32)) == row["exact"]
        assert row["form"].partition("(")[0] == row["name"] == plan.transforms[0].name

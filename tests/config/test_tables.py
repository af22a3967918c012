"""The tables of dgkd.toml: their keys and bounds."""

from __future__ import annotations

import tomllib
from copy import copy
from pathlib import Path

import pytest
from support.small_config import SMALL, parsed

from dgkd_cache.config.workspace_config import (
    parse_config,
)
from dgkd_cache.errors import InvalidInput
from dgkd_stores.coding import encodings
from dgkd_stores.coding.encodings import registry


def test_lambda_is_a_key_although_it_is_a_word_of_python() -> None:
    assert parsed(SMALL + "[distillation]\nlambda = 0.25").distillation.lambda_ == 0.25


def test_an_encoding_that_is_added_as_contributing_says_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    recipe = page.split("**An encoding**", 1)[1].split("```python\n", 1)[1].split("```", 1)[0]
    assert sum(bool(line.strip()) for line in recipe.splitlines()) < 10
    monkeypatch.setattr(registry, "ENCODINGS", copy(registry.ENCODINGS))
    exec(recipe, {**vars(encodings)})
    assert parsed(SMALL + "[cache]\nencoding = 'float64'").cache.encoding == "float64"
    monkeypatch.undo()
    with pytest.raises(InvalidInput, match="key 'encoding'"):
        parsed(SMALL + "[cache]\nencoding = 'float64'")


def test_nesterov_needs_momentum() -> None:
    for recipe, fits in (("nesterov = true\nmomentum = 0", False), ("nesterov = true", True), ("momentum = 0", True)):
        text = f"{SMALL}[training]\n{recipe}\n"
        if fits:
            assert parsed(text).training.momentum in (0, 0.9)
            continue
        with pytest.raises(InvalidInput, match="table .training. .*no nesterov where momentum = 0"):
            parsed(text)


@pytest.mark.parametrize("count", [10**17, 2**20 + 1])
def test_more_views_than_a_store_may_have_are_refused_at_once(count: int) -> None:
    with pytest.raises(InvalidInput, match="'count' in table .views.*at most 1048576") as refused:
        parse_config({**tomllib.loads(SMALL), "views": {"transforms": ["hflip"], "count": count}}, source="dgkd.toml")
    assert refused.value.exit_code == 2


def test_transforms_have_an_order_and_a_set_has_none() -> None:
    for given, fits in ((["crop(4)", "hflip"], True), (("crop(4)", "hflip"), True), ({"crop(4)", "hflip"}, False)):
        tables = {**tomllib.loads(SMALL), "views": {"transforms": given}}
        if fits:
            assert parse_config(tables, source="a dictionary").views.transforms == ("crop(4)", "hflip")
            continue
        with pytest.raises(InvalidInput, match="'transforms' in table .views."):
            parse_config(tables, source="a dictionary")

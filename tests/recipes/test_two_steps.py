"""Each recipe trains and dumps: two steps of each model, on generated data in the format of its data set.

Only the epochs and the samples are fewer. That takes a minute for a recipe with 162 views: those are slow proofs.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.recipe_data import write_data

from dgkd_cache.config.template import render_config
from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.progress import Silent
from dgkd_cache.recipes.adapt import adapt_recipe
from dgkd_cache.recipes.recipe import read_recipe, recipe_names
from dgkd_cache.study.study import run_study, set_up_study
from dgkd_cache.workspace.chain import run_chain
from dgkd_cache.workspace.chain_preview import preview_chain
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore

SAMPLES = 4
RECIPES = recipe_names()


SMALLER = {
    "views.count": 2,
    "views.transforms": ["resized-crop(32)", "hflip"],
    "training.input_size": 32,
    "training.workers": 0,
}
"""Settings that make ImageNet's thousand samples, one a class, fast enough: views of 32 pixels, one an epoch."""


def never() -> bool:
    return False


def workspace(name: str, place: Path, patch: pytest.MonkeyPatch) -> Workspace:
    recipe = read_recipe(name)
    data = write_data(recipe, place / "data", patch, samples=SAMPLES)
    settings = {"training.epochs": 2, **data} | (SMALLER if "dataset.name" in data else {})
    config = with_overrides(adapt_recipe(recipe, {}), settings)
    return Workspace.init(place / "ws", render_config(config))


@pytest.mark.parametrize("name", RECIPES)
def test_the_chain_is_previewed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = workspace(name, tmp_path, monkeypatch)
    found = preview_chain(ws, device="cpu", progress=Silent())
    assert [one.model for one in found] == [*read_recipe(name).config().chain]
    assert {(one.state, one.exit_code) for one in found} == {("missing", 0)}
    assert [one.dump for one in found] == ["make"] * (len(found) - 1) + [""]


@pytest.mark.parametrize(
    "name", [one if one == "official" else pytest.param(one, marks=pytest.mark.slow) for one in RECIPES]
)
def test_two_steps_of_each_model(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = workspace(name, tmp_path, monkeypatch)
    rows = run_chain(ws, device="cpu", progress=Silent(), stop=never)
    assert [row.model for row in rows] == [*ws.chain]
    for model in ws.chain[:-1]:
        with GuideStore.open(ws.store_path(model)) as store:
            found = (len(store.views), store.header.dataset.samples, store.header.classes)
        assert found == (ws.config.views.count, len(ws.dataset().train), read_recipe(name).classes)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["official", "crd-vgg13-vgg8", "dgkd-table2"])
def test_two_steps_of_each_variant(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = workspace(name, tmp_path, monkeypatch)
    results = run_study(set_up_study(ws, seeds=[0]), device="cpu", progress=Silent(), stop=never)
    assert [*results["variants"]] == [*read_recipe(name).variants]

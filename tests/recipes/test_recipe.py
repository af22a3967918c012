"""Recipes: what each file must have, how it is planned, and that it is read without torch."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from support.recipe_data import write_data

from dgkd_cache.config.template import render_config
from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import InvalidInput, UnknownName
from dgkd_cache.recipes.recipe import Setting, read_recipe, recipe_names
from dgkd_cache.study.plan import StudyRun, StudyStore, make_plan
from dgkd_cache.study.variants import make_variants
from dgkd_cache.workspace.workspace import Workspace

RECIPES = recipe_names()

# What a student's weights depend on and a paper may say; the rest of [training] is how the machine works.
OF_PAPERS = {
    *("epochs", "batch_size", "optimizer", "lr", "momentum", "nesterov", "weight_decay", "lr_schedule"),
    *("warmup_epochs", "views", "select"),
}


def test_the_recipes_of_the_literature() -> None:
    assert RECIPES == (
        *("crd-vgg13-vgg8", "crd-wrn40-wrn16", "dgkd-keep", "dgkd-table1", "dgkd-table2", "dgkd-table5"),
        *("imagenet-r34-r18", "official"),
    )


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_what_matters_and_where_all_of_it_comes_from(name: str) -> None:
    recipe = read_recipe(name)
    settings = dict(recipe.settings())
    assert {f"training.{key}" for key in OF_PAPERS} <= settings.keys()
    assert {"dataset.name", "views.transforms", "views.count", "cache.temperature"} <= settings.keys()
    assert {f"distillation.{key}" for key in ("method", "objective", "lambda", "dropping")} <= settings.keys()
    for setting in (*settings.values(), *recipe.variants.values()):
        # Nothing is quoted by a short name that the recipe does not explain.
        short = re.match(r"DGKD|RepDistiller|mdistiller|torchvision|\w+\.py", setting.source)
        assert not setting.source or short and ("*.py" if short[0].endswith(".py") else short[0]) in recipe.sources
    assert recipe.differs and all(line.endswith(".") for line in recipe.differs)
    assert recipe.published.keys() <= recipe.variants.keys()


def test_a_setting_tells_where_it_comes_from() -> None:
    assert Setting(value=1, source="DGKD, Table 2").origin == "DGKD, Table 2"
    assert Setting(value=1, ours="the source is silent").origin == "our choice: the source is silent"


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_a_workspace(name: str, tmp_path: Path) -> None:
    config = read_recipe(name).config()
    ws = Workspace.init(tmp_path / "ws", render_config(config))
    assert ws.config == config
    for model in config.chain:
        assert config.training_for(model) == config.training, "one recipe for all models of a chain"


@pytest.mark.parametrize("name", RECIPES)
def test_each_variant_is_planned_and_paired(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = read_recipe(name)
    config = with_overrides(recipe.config(), write_data(recipe, tmp_path, monkeypatch, samples=4))
    variants = make_variants(config, config.compare.variants)
    plan = make_plan(Workspace(tmp_path, config), variants, config.compare.seed_list, guides="shared")
    assert set(plan.students) == {(variant, seed) for variant in recipe.variants for seed in range(5)}
    assert len({run.name for run in plan.students.values()}) == 5 * len(recipe.variants), "no two variants are the same"
    assert len([one for one in plan.work if isinstance(one, StudyRun) and one.model == "teacher"]) == 1
    stores = [one for one in plan.work if isinstance(one, StudyStore)]
    guides = {"dgkd-table1": 9, "dgkd-table2": 6, "dgkd-table5": 21, "dgkd-keep": 16, "official": 9}
    # By hand: a teacher; each variant's assistants, the first of which takd and dgkd share.
    assert len(stores) == guides.get(name, 1)


def test_the_authors_code_is_so_in_a_run() -> None:
    """Each model of `official` learns: the loss of the first assistant is that of its one guide, which stays."""
    from dgkd_cache.distillation.dropping import Dropping

    settings = read_recipe("official").config().distillation
    rule = Dropping(kind=settings.dropping, drop=settings.drop, at_least_one=settings.at_least_one)
    assert [rule.kept_share(("g",) * guides)[0] for guides in (1, 2, 3, 4)] == [1, 1 / 2, 2 / 3, 3 / 4]


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="unknown recipe 'dgkd-tabel2'.*did you mean dgkd-table2"):
        read_recipe("dgkd-tabel2")


@pytest.mark.parametrize("words", [{}, {"source": "a", "ours": "b"}])
def test_a_setting_has_one_origin(words: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="either a source, or why it is ours"):
        Setting(value=1, **words)


def test_a_key_that_no_workspace_has_is_refused() -> None:
    recipe = read_recipe("official")
    training = {**recipe.training, "learning_rate": Setting(value=0.1, ours="a slip")}
    with pytest.raises(InvalidInput, match="'learning_rate' in table .training. of the recipe official"):
        recipe.model_copy(update={"training": training}).config()


def test_recipes_are_read_without_torch() -> None:
    script = """
import sys
from dgkd_cache.recipes.recipe import Setting, read_recipe, recipe_names
assert [read_recipe(name).config() for name in recipe_names()]
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

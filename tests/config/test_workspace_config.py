"""dgkd.toml: what it may say, and how an error names file, table, key and the nearest known key."""

from __future__ import annotations

import re

import pytest
from support.small_config import SMALL, parsed

from dgkd_cache.config.tables import DistillationConfig, TrainingConfig
from dgkd_cache.config.workspace_config import (
    check_model_name,
    override,
    with_overrides,
)
from dgkd_cache.errors import InvalidInput


def test_the_chain_keeps_the_order_of_the_file_and_the_rest_has_the_papers_defaults() -> None:
    config = parsed(SMALL)
    assert list(config.chain.items()) == [("zeta", "plain6"), ("alpha", "plain4"), ("student", "plain2")]
    assert config.dataset.name == "digits"
    assert (config.cache.temperature, config.cache.encoding) == (4.0, "float16")
    assert (config.distillation.method, config.distillation.keep) == ("dgkd", 0.75)
    assert config.views.transforms == ("crop(1)",)


def test_a_table_of_a_model_lies_over_the_recipe_of_all() -> None:
    config = parsed(SMALL + "[training]\nepochs = 7\nlr = 0.5\n[training.alpha]\nlr = 0.25")
    assert config.training_for("alpha") == TrainingConfig(epochs=7, lr=0.25)
    assert config.training_for("zeta") == TrainingConfig(epochs=7, lr=0.5)
    assert config.training_for("a-run-outside-the-chain") == TrainingConfig(epochs=7, lr=0.5)


def test_flags_go_before_the_file_for_every_model() -> None:
    config = parsed(SMALL + "[training]\nepochs = 7\n[training.alpha]\nepochs = 9\nlr = 0.25")
    changed = with_overrides(config, {"training.epochs": 3, "distillation.lambda": 0.125, "dataset.root": "d"})
    assert [changed.training_for(name).epochs for name in config.chain] == [3, 3, 3]
    assert changed.training_for("alpha").lr == 0.25
    assert changed.distillation.lambda_ == 0.125
    assert changed.dataset.root == "d"
    assert config.training_for("alpha").epochs == 9, "the settings before are as they were"


def test_another_encoding_leaves_the_keys_of_topk_out() -> None:
    config = parsed(SMALL + "[cache]\nencoding = 'topk'\ntopk = 20\ntopk_temperatures = [2.0]")
    changed = with_overrides(config, {"cache.encoding": "uint8"}).cache
    assert (changed.encoding, changed.topk, changed.topk_temperatures) == ("uint8", None, ())
    kept = with_overrides(config, {"cache.encoding": "topk", "cache.temperature": 3.0}).cache
    assert (kept.topk, kept.topk_temperatures) == (20, (2.0,))
    for given in ({"cache.encoding": "uint8", "cache.topk": 20}, {"cache.topk": 20, "cache.encoding": "uint8"}):
        with pytest.raises(InvalidInput, match='no topk where encoding = "uint8"'):
            with_overrides(config, given)


def test_a_flag_for_one_model_leaves_the_others() -> None:
    changed = with_overrides(parsed(SMALL), {"training.alpha.epochs": 3})
    assert [changed.training_for(name).epochs for name in changed.chain] == [160, 3, 160]


def test_wrong_flags_are_refused_like_wrong_files() -> None:
    with pytest.raises(InvalidInput, match=r"'epochs' in table \[training\].*found 0"):
        with_overrides(parsed(SMALL), {"training.epochs": 0})
    with pytest.raises(InvalidInput, match=r"'keep' in table \[distillation\].*found 1.5"):
        override(DistillationConfig(), {"keep": 1.5}, name="distillation")


def test_an_override_of_none_keeps_what_is_there() -> None:
    table = DistillationConfig(keep=0.5, lambda_=0.25)
    assert override(table, {"keep": None, "lambda": None}, name="distillation") == table
    assert override(table, {"keep": 1.0}, name="distillation") == DistillationConfig(keep=1.0, lambda_=0.25)


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "a" * 65, "é"])
def test_names_that_could_not_be_folders_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="a-z, 0-9, _ and -"):
        check_model_name(name)


def test_the_name_of_a_draw_is_no_model_and_its_model_is_told() -> None:
    said = "found 'ta1.d12'; give the name of the model, ta1: a store of one of its draws is called ta1.d12"
    with pytest.raises(InvalidInput, match=re.escape(said)):
        check_model_name("ta1.d12")


def test_names_of_any_chain_are_taken() -> None:
    for name in ("teacher", "ta7", "student", "kd-seed_1", "a" * 64):
        assert check_model_name(name) == name

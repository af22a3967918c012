"""The settings of a run as its card or its record has them; what is not of a setting's kind is left out."""

from __future__ import annotations

import pytest

from dgkd_cache.config.tables import DistillationConfig, TrainingConfig
from dgkd_cache.workspace.run_inputs import flatten
from dgkd_cache.workspace.run_settings import GUIDANCE, RECIPE, settings_of


def test_every_setting_has_a_place() -> None:
    assert {*RECIPE} == {*TrainingConfig.model_fields} - {"checkpoint_steps", "workers"}
    assert {*GUIDANCE} == {*DistillationConfig.model_fields} - {"lambda_"} | {"lambda"}


def test_a_record_and_a_card_say_the_same() -> None:
    recipe, loss = {"epochs": 3, "lr": 0.1, "lr_steps": [0.5, 0.75]}, {"method": "kd", "lambda": 0.5, "keep": 0.75}
    before = flatten({"training": recipe, "distillation": loss, "guides": {"teacher": "ab"}, "live": False})
    expected = {**recipe, **loss, "lr_steps": "0.5,0.75", "live": False}
    assert settings_of({}, before) == expected
    assert settings_of({**recipe, **loss, "live": False}, {}) == expected


def test_the_source_and_the_importance_of_a_pruned_run() -> None:
    pruning = {"criterion": "gradient", "steps": 7, "batch_size": 16, "sparsity": 0.9}
    expected = {f"pruning.{key}": value for key, value in pruning.items()} | {"pruning.source": "ta1"}
    before = flatten({"pruning": pruning, "source": {"ta1": "ab" * 32}})
    assert settings_of({}, before) == expected | {"method": "scratch"}
    card = {"pruning": {**pruning, "source": "ta1", "weights": "ab" * 32, "layers": {"a": {"kept": 1, "of": 2}}}}
    assert settings_of(card, {}) == expected
    assert settings_of({"pruning": {"source": ["x" * 10] * 300, "sparsity": None}}, {}) == {}


def test_a_run_without_guides_has_a_method_and_nothing_else_of_guidance() -> None:
    assert settings_of({}, flatten({"training": {"seed": 1}, "guides": {}})) == {"seed": 1, "method": "scratch"}


@pytest.mark.parametrize("value", [{"a": 1}, None, 2**70, float("inf"), ["x"] * 1000])
def test_what_is_no_setting_is_left_out(value: object) -> None:
    assert settings_of({"lr": value, "seed": 3, "other": 1}, {}) == {"seed": 3}
    assert settings_of({}, {}) == {}


def test_long_text_is_cut() -> None:
    assert settings_of({"order": "x" * 10**5}, {}) == {"order": "x" * 200}

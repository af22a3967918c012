"""The record of what a run depends on: every setting that changes weights is in it, and speed is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dgkd_cache.config.tables import DistillationConfig, TrainingConfig, ViewsConfig
from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.workspace.expected_inputs import expected_inputs
from dgkd_cache.workspace.run_inputs import IMPLIED
from dgkd_cache.workspace.workspace import Workspace

RECIPE = TrainingConfig(precision="float32", channels_last=True)
SPEED = {"checkpoint_steps", "workers"}
FILTERED = DistillationConfig().model_copy(update={"percentile": 90.0})


def record(ws: Workspace, *, guides: bool = True, live: str = "", **changes: Any) -> dict[str, str]:
    return expected_inputs(
        ws,
        architecture=changes.pop("architecture", "plain2"),
        guides={"teacher": "ab" * 32} if guides else {},
        live=live,
        training=changes.pop("training", RECIPE),
        distillation=changes.pop("distillation", DistillationConfig()),
    )


def test_each_setting_has_a_key_but_for_those_of_speed(done) -> None:
    ws, _ = done
    keys = set(record(ws))
    of_training = {f"training.{key}" for key in set(TrainingConfig.model_fields) - SPEED}
    of_loss = {f"distillation.{one.alias or key}" for key, one in DistillationConfig.model_fields.items()}
    of_views = {f"views.{key}" for key in (*ViewsConfig.model_fields, "plan")}
    of_data = {"dataset.digest", "dataset.test_digest", "dataset.validation"}
    expected = {"architecture", "guides.teacher", "live", *of_training, *of_loss, *of_views, *of_data}
    assert keys == expected - IMPLIED.keys()


def test_without_guides_there_is_nothing_of_the_loss(done) -> None:
    ws, _ = done
    assert not [key for key in record(ws, guides=False) if key.startswith(("distillation.", "guides.", "live"))]


@pytest.mark.parametrize(
    ("changes", "key", "value"),
    [
        ({"training": RECIPE.model_copy(update={"lr": 0.25})}, "training.lr", 0.25),
        ({"training": RECIPE.model_copy(update={"input_size": 16})}, "training.input_size", 16),
        ({"distillation": DistillationConfig(keep=0.5)}, "distillation.keep", 0.5),
        ({"distillation": DistillationConfig(temperature=2.0)}, "distillation.temperature", 2.0),
        ({"distillation": DistillationConfig(guide_loss="dkd")}, "distillation.guide_loss", "dkd"),
        ({"distillation": DistillationConfig(standardize=True)}, "distillation.standardize", True),
        ({"distillation": DistillationConfig(dist_gamma=2.0)}, "distillation.dist_gamma", 2.0),
        ({"distillation": FILTERED}, "distillation.percentile", 90.0),
        ({"live": "bf16"}, "live", "bf16"),
        ({"architecture": "resnet8"}, "architecture", "resnet8"),
    ],
)
def test_a_change_is_one_key(done, changes: dict[str, Any], key: str, value: object) -> None:
    ws, _ = done
    before, now = record(ws), record(ws, **changes)
    assert {one for one in {*before, *now} if before.get(one) != now.get(one)} == {key}
    assert json.loads(now[key]) == value


def test_the_loss_takes_the_temperature_of_the_stores_unless_it_has_its_own(done) -> None:
    ws, _ = done
    warmer = ws.with_config(with_overrides(ws.config, {"cache.temperature": 7.0}))
    assert json.loads(record(warmer)["distillation.temperature"]) == 7.0


def test_what_only_changes_the_speed_changes_nothing(done) -> None:
    ws, _ = done
    faster = RECIPE.model_copy(update={"checkpoint_steps": 1, "workers": 3})
    assert record(ws, training=faster) == record(ws)

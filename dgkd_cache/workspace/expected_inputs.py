"""Makes the record of all that a run depends on, which is stored with the run and compared later.

The part that the settings determine needs neither the data set nor torch, so `ls` compares it for every run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dgkd_cache.config.tables import DistillationConfig, TrainingConfig
from dgkd_cache.run_files.model_card import ADOPTED, ModelCard
from dgkd_cache.workspace import run_inputs as record
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["adopted_inputs", "as_recorded", "expected_inputs", "expected_settings", "without_data"]

_OF_DATA = (
    *("dataset.digest", "dataset.test_digest", "dataset.decoding", "dataset.test_decoding", "dataset.class_map"),
    "views.plan",
)
"""The keys, or their tables, for which data is read. The digest of the plan adds only the images' size to settings."""


def expected_inputs(
    ws: Workspace,
    *,
    architecture: str,
    guides: Mapping[str, str],
    live: str,
    training: TrainingConfig,
    distillation: DistillationConfig,
    pruning: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Returns the flat record of all that a run depends on, without settings that only change its speed.

    `training` is resolved: a record holds no `auto`. `live` is the precision of live guides, "" without them.
    `pruning` is that of a pruned run, by `Pruning.to_inputs`.
    """
    dataset = ws.dataset()
    of_data = {
        "dataset": {
            "digest": dataset.train.digest,
            "test_digest": dataset.test.digest,
            **dataset.decoding,
            "class_map": dataset.train.aligned.get("class_map", {}),
        },
        "views": {"plan": ws.plan().digest},
    }
    settings = expected_settings(
        ws,
        architecture=architecture,
        guides=guides,
        live=live,
        training=training,
        distillation=distillation,
        pruning=pruning,
    )
    return settings | record.flatten(of_data)


def adopted_inputs(ws: Workspace, card: ModelCard) -> dict[str, str]:
    """Returns the flat record of all that an adopted run depends on: no training image is among it, and of
    the views only what decodes the test images."""
    dataset = ws.dataset()
    inputs = record.flatten(
        {
            "method": ADOPTED,
            "architecture": card.architecture,
            "weights": card.weights_digest,
            "preprocess": card.preprocess.model_dump(mode="json"),
            "dataset": {"classes": list(dataset.classes), "test_digest": dataset.test.digest},
            "views": {"decoder": ws.config.views.decoder},  # that of the test images as well
        }
    )
    return record.without_implied(inputs)


def expected_settings(
    ws: Workspace,
    *,
    architecture: str,
    guides: Mapping[str, str],
    live: str,
    training: TrainingConfig,
    distillation: DistillationConfig,
    pruning: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Returns what `expected_inputs` does without the part that reads data; compare it with `without_data(before)`."""
    tree: dict[str, Any] = {
        "architecture": architecture,
        "dataset": {"validation": ws.config.dataset.validation},
        "views": ws.config.views.model_dump(mode="json"),
        "training": training.model_dump(mode="json", exclude={"checkpoint_steps", "workers"}),
        "guides": dict(guides),
        **(pruning or {}),
    }
    if guides:
        settings = distillation.model_dump(mode="json", by_alias=True)
        settings["temperature"] = distillation.temperature or ws.config.cache.temperature
        tree |= {"distillation": settings, "live": live or False}
    return record.without_implied(record.flatten(tree))


def without_data(inputs: Mapping[str, str]) -> dict[str, str]:
    """Returns the record without the keys for which data is read."""
    prefixes = tuple(f"{key}." for key in _OF_DATA)
    return {key: value for key, value in inputs.items() if key not in _OF_DATA and not key.startswith(prefixes)}


def as_recorded(training: TrainingConfig, before: Mapping[str, str]) -> TrainingConfig:
    """Returns the recipe with each `auto` replaced by the choice that `before`, the record of a run, holds.

    What the record does not hold stays `auto`.
    """
    precision, channels_last = training.precision, training.channels_last
    found = [record.recorded_value(before, f"training.{key}") for key in ("precision", "channels_last")]
    if precision == "auto" and found[0] in ("float32", "bf16"):
        precision = found[0]
    if channels_last == "auto" and isinstance(found[1], bool):
        channels_last = found[1]
    return training.model_copy(update={"precision": precision, "channels_last": channels_last})

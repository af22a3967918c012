"""Makes the record of all that a run depends on, which is stored with the run and compared later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dgkd_cache.config.tables import DistillationConfig, TrainingConfig
from dgkd_cache.workspace import run_inputs as record
from dgkd_cache.workspace.workspace import Workspace

__all__ = ["expected_inputs"]


def expected_inputs(
    ws: Workspace,
    *,
    architecture: str,
    guides: Mapping[str, str],
    live: str,
    training: TrainingConfig,
    distillation: DistillationConfig,
) -> dict[str, str]:
    """Returns the flat record of all that a run depends on, without settings that only change its speed.

    `training` is resolved: a record holds no `auto`. `live` is the precision of live guides, "" without them.
    """
    tree: dict[str, Any] = {
        "architecture": architecture,
        "dataset": {
            "digest": ws.dataset().train.digest,
            "test_digest": ws.dataset().test.digest,
            "validation": ws.config.dataset.validation,
            **ws.dataset().decoding,
        },
        "views": {**ws.config.views.model_dump(mode="json"), "plan": ws.plan().digest},
        "training": training.model_dump(mode="json", exclude={"checkpoint_steps", "workers"}),
        "guides": dict(guides),
    }
    if guides:
        settings = distillation.model_dump(mode="json", by_alias=True)
        settings["temperature"] = distillation.temperature or ws.config.cache.temperature
        tree |= {"distillation": settings, "live": live or False}
    return record.without_implied(record.flatten(tree))

"""Derives the rows of a model's store from the settings of a workspace, before hours are spent on training it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dgkd_cache.config.tables import CacheConfig, DistillationConfig, TrainingConfig
from dgkd_cache.dump.sizes import settings_of_width, topk_settings
from dgkd_cache.errors import InvalidInput
from dgkd_cache.guides.topk_rows import require_all_classes
from dgkd_cache.workspace.pruning import Pruning
from dgkd_cache.workspace.tasks.factored_width import factored_width
from dgkd_cache.workspace.tasks.model_setup import guide_loss_of
from dgkd_cache.workspace.tasks.pruned_source import importance_loss
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import JsonValue

__all__ = ["OTHER_IMPORTANCE", "OTHER_LOSS", "require_rows_for", "require_rows_for_importance", "row_settings"]

OTHER_LOSS = (
    'choose guide_loss = "kl" and standardize = false in [distillation], or another encoding in [cache], such as '
    "float16"
)
"""For a user of a workspace whose rows of `topk` do not fit the guide loss."""

OTHER_IMPORTANCE = (
    'choose standardize = false in [pruning] and guide_loss = "kl" in [distillation], or another encoding in [cache], '
    "such as float16"
)
"""For a user of a workspace whose rows of `topk` do not fit the importance of a pruned run."""


def row_settings(ws: Workspace, name: str, architecture: str, recipe: TrainingConfig) -> dict[str, JsonValue]:
    """Returns the header's `encoding_settings` of this model's store.

    Raises InvalidInput as `factored_width`, and for rows of `topk` that leave no class out.
    """
    cache = ws.config.cache
    if cache.encoding == "topk":
        assert cache.topk is not None, "the settings were checked"
        what = f"guide {name!r} ({architecture})"
        classes, others = len(ws.dataset().classes), cache.topk_temperatures
        return topk_settings(cache.topk, cache.temperature, others, classes=classes, what=what)
    return settings_of_width(cache.encoding, factored_width(ws, name, architecture, recipe))


def require_rows_for(
    distillation: DistillationConfig, cache: CacheConfig, *, model: str, guides: Iterable[str]
) -> None:
    """Raises InvalidInput if rows of `topk`, of these guides, cannot train `model`: another temperature or guide loss.

    `cache` has the settings of the guides' stores, which need not be there yet.
    """
    if cache.encoding != "topk":
        return
    known = [cache.temperature, *sorted({1.0, *cache.topk_temperatures} - {cache.temperature})]
    temperature = distillation.temperature or cache.temperature
    if temperature not in known:
        raise InvalidInput(
            f"{model} cannot be trained at this temperature from rows in the encoding topk",
            expected=f"distillation.temperature {' or '.join(f'{each:g}' for each in known)}",
            found=f"{temperature:g}",
            do=f"add {temperature:g} to topk_temperatures in [cache], with which the stores are dumped again, or leave "
            "distillation.temperature out",
        )
    require_all_classes(guide_loss_of(distillation), tuple(guides), do=OTHER_LOSS)


def require_rows_for_importance(
    distillation: DistillationConfig, pruning: Pruning, cache: CacheConfig, *, guides: Sequence[str]
) -> None:
    """Raises InvalidInput if rows of `topk`, of these guides, cannot tell which weights to keep: another guide loss."""
    if cache.encoding == "topk" and pruning.settings.criterion == "guided":
        require_all_classes(importance_loss(distillation, pruning), guides, do=OTHER_IMPORTANCE)

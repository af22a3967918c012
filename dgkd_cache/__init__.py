"""Offline, densely guided knowledge distillation: deterministic views, cached guides, dense guidance.

The names below are the library's face for someone else's training script; each is loaded when it is first used, so that
importing the package alone loads no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dgkd_cache.datasets.images import Images, TensorImages
    from dgkd_cache.datasets.registry import Dataset, load_dataset
    from dgkd_cache.distillation.dropping import Dropping
    from dgkd_cache.distillation.objectives import GuidanceLoss, dense_guidance_loss
    from dgkd_cache.errors import (
        DamagedStore,
        DataMissing,
        DataUnreadable,
        DgkdError,
        Incomplete,
        Interrupted,
        InvalidInput,
        Mismatch,
        NoPermission,
        NoSpace,
        RankLost,
        StoreLocked,
        StoreNotFound,
        UnknownName,
        UnsafeStore,
    )
    from dgkd_cache.guides.bank import GuideBank
    from dgkd_cache.guides.writer import GuideWriter
    from dgkd_cache.models.registry import build_model
    from dgkd_cache.run_random import RunRandom
    from dgkd_cache.views.dataset import ViewDataset, ViewSampler
    from dgkd_cache.views.plan import ViewPlan
    from dgkd_cache.views.schedule import Schedule
    from dgkd_cache.views.views import Views

__all__ = [
    "DamagedStore",
    "DataMissing",
    "DataUnreadable",
    "Dataset",
    "DgkdError",
    "Dropping",
    "GuidanceLoss",
    "GuideBank",
    "GuideWriter",
    "Images",
    "Incomplete",
    "Interrupted",
    "InvalidInput",
    "Mismatch",
    "NoPermission",
    "NoSpace",
    "RankLost",
    "RunRandom",
    "Schedule",
    "StoreLocked",
    "StoreNotFound",
    "TensorImages",
    "UnknownName",
    "UnsafeStore",
    "ViewDataset",
    "ViewPlan",
    "ViewSampler",
    "Views",
    "build_model",
    "dense_guidance_loss",
    "load_dataset",
]

_PLACES: dict[str, tuple[str, ...]] = {
    "dgkd_cache.datasets.images": ("Images", "TensorImages"),
    "dgkd_cache.datasets.registry": ("Dataset", "load_dataset"),
    "dgkd_cache.distillation.dropping": ("Dropping",),
    "dgkd_cache.distillation.objectives": ("GuidanceLoss", "dense_guidance_loss"),
    "dgkd_cache.guides.bank": ("GuideBank",),
    "dgkd_cache.guides.writer": ("GuideWriter",),
    "dgkd_cache.models.registry": ("build_model",),
    "dgkd_cache.run_random": ("RunRandom",),
    "dgkd_cache.views.dataset": ("ViewDataset", "ViewSampler"),
    "dgkd_cache.views.plan": ("ViewPlan",),
    "dgkd_cache.views.schedule": ("Schedule",),
    "dgkd_cache.views.views": ("Views",),
}
"""The module of each name; that of the exceptions, which are all the others, is `errors`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'dgkd_cache' has no attribute {name!r}")
    place = next((module for module, names in _PLACES.items() if name in names), "dgkd_cache.errors")
    return getattr(importlib.import_module(place), name)

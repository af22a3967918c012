"""Deterministic views of a data set: their plan, their schedule, and their pixels."""

from __future__ import annotations

from dgkd_cache.views.abc import Transform
from dgkd_cache.views.dataset import ViewDataset, ViewSampler
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.probe import PROJECTION_RMSE_BOUND, check_probe, make_probe
from dgkd_cache.views.registry import parse_transform, register_transform, transform_names
from dgkd_cache.views.renderer import ViewRenderer
from dgkd_cache.views.schedule import Schedule, check_schedule

__all__ = [
    "PROJECTION_RMSE_BOUND",
    "Schedule",
    "Transform",
    "ViewDataset",
    "ViewPlan",
    "ViewSampler",
    "ViewRenderer",
    "check_probe",
    "check_schedule",
    "make_probe",
    "parse_transform",
    "register_transform",
    "transform_names",
]

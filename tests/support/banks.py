"""A bank of the tiny stores, without its many arguments."""

from __future__ import annotations

from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.views.renderer import ViewRenderer


def bank_of(stores, plan, images, *, views=range(3), **settings) -> GuideBank:
    return GuideBank(stores, ViewRenderer(plan, images), views=views, **settings)

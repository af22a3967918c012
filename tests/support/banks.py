"""A bank of the tiny stores, without its many arguments."""

from __future__ import annotations

from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.views.renderer import ViewRenderer


def bank_of(stores, plan, images, *, scheduled=range(3), temperature=4.0, **settings) -> GuideBank:
    return GuideBank(stores, views=ViewRenderer(plan, images), scheduled=scheduled, temperature=temperature, **settings)

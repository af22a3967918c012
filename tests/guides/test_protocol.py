"""Cached and live guides are the same to the training loop: every name and every argument of the protocol."""

from __future__ import annotations

import inspect

import pytest

from dgkd_cache.guides.bank import GuideBank
from dgkd_cache.guides.live import LiveGuides
from dgkd_cache.guides.protocol import Guidance

NAMES = [name for name in vars(Guidance) if not name.startswith("_")]


@pytest.mark.parametrize("guides", [GuideBank, LiveGuides])
def test_both_kinds_of_guides_have_the_protocol(guides: type) -> None:
    assert len(NAMES) == 6
    for name in NAMES:
        wanted, found = getattr(Guidance, name), getattr(guides, name)
        assert isinstance(found, property) == isinstance(wanted, property), name
        if callable(wanted):
            assert list(inspect.signature(found).parameters) == list(inspect.signature(wanted).parameters), name

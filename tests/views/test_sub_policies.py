"""The sub-policies are torchvision's own."""

from __future__ import annotations

from fractions import Fraction

import pytest
from torchvision.transforms.v2 import AutoAugment, AutoAugmentPolicy

from dgkd_cache.views.policy_space import OPERATIONS
from dgkd_cache.views.sub_policies import SUB_POLICIES, sub_policy_table


@pytest.mark.parametrize("policy", ["cifar10", "imagenet"])
def test_they_are_torchvisions(policy: str) -> None:
    theirs = AutoAugment(AutoAugmentPolicy(policy))._policies
    ours = sub_policy_table(policy)
    assert len(theirs) == len(ours) == 25
    for pair, other in zip(ours, theirs, strict=True):
        for (operation, chance, magnitude), (name, probability, place) in zip(pair, other, strict=True):
            assert OPERATIONS[operation] == name and magnitude == (place or 0)
            assert chance == round(Fraction(str(probability)) * 2**32)


def test_there_are_no_others() -> None:
    assert list(SUB_POLICIES) == ["cifar10", "imagenet"]

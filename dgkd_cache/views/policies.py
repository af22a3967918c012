"""The policies trivial-augment, rand-augment and auto-augment, as torchvision defines them.

Sources: Müller and Hutter, ICCV 2021; Cubuk et al., NeurIPS 2020; Cubuk et al., CVPR 2019; the order of operations,
magnitudes and sub-policies are torchvision's. All is integer arithmetic on uint8 (class b).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
from torch import Tensor

from dgkd_cache.randomness.philox import integer_below
from dgkd_cache.views.abc import IntArray, Transform, WordArray
from dgkd_cache.views.arguments import Choice, Integer
from dgkd_cache.views.integer_tables import is_table
from dgkd_cache.views.operations.affine import ONE_Q30
from dgkd_cache.views.policy_space import OPERATIONS, Space
from dgkd_cache.views.registry import register_transform
from dgkd_cache.views.sub_policies import SUB_POLICIES, SubPolicy, sub_policy_table

__all__ = ["AutoAugment", "RandAugment", "TrivialAugment"]

_DRAWN = 14
"""Operations that trivial-augment and rand-augment draw from: all but Invert."""

Rotations = tuple[tuple[int, int], ...]


def _check_rotations(policy: TrivialAugment | RandAugment | AutoAugment) -> None:
    """Fills in the table of rotations of a new policy, and checks that of a record."""
    space = policy.space
    if policy.cos_sin_q30 == ():
        object.__setattr__(policy, "cos_sin_q30", space.rotations_q30)
    if not is_table(policy.cos_sin_q30, (space.bins, 2), -ONE_Q30, ONE_Q30):
        raise policy.refusal(f"a table of cosines and sines that is not {space.bins} pairs of at most 2^30")


@register_transform
@dataclass(frozen=True)
class TrivialAugment(Transform):
    """Applies one random operation of a random magnitude, as torchvision's TrivialAugmentWide

    Parameter: choice = 62 operation + 2 magnitude + sign, of 14 operations and 31 magnitudes.
    """

    name = "trivial-augment"
    stage = 3
    words = 1
    channel_counts = (1, 3)
    space: ClassVar[Space] = Space(
        bins=31, shear=Fraction("0.99"), pixels=32, degrees=135, enhance=Fraction("0.99"), posterize=6
    )

    cos_sin_q30: Rotations = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_rotations(self)

    @property
    def limits(self) -> dict[str, int]:
        return {"choice": _DRAWN * self.space.bins * 2}

    def parameters(self, words_BW: WordArray) -> IntArray:
        return integer_below(words_BW, self.limits["choice"])

    def apply(self, pixels_BIHW: Tensor, parameters_BP: IntArray) -> Tensor:
        rest_B, minus_B = np.divmod(parameters_BP[:, 0], 2)
        kind_B, bin_B = np.divmod(rest_B, self.space.bins)
        return self.space.apply(pixels_BIHW, kind_B, bin_B, 1 - 2 * minus_B, np.array(self.cos_sin_q30))


@register_transform
@dataclass(frozen=True)
class RandAugment(Transform):
    """Applies N (2) random operations of magnitude M (9, of 0 to 30), as torchvision's RandAugment

    Parameters: choice_0, choice_1, ..., each 2 operation + sign, of 14 operations.
    """

    name = "rand-augment"
    arguments = (Integer("N", "a number of operations", 1, 16), Integer("M", "a magnitude", 0, 30))
    example = "rand-augment(2, 9)"
    stage = 3
    channel_counts = (1, 3)
    space: ClassVar[Space] = Space(
        bins=31, shear=Fraction("0.3"), pixels=None, degrees=30, enhance=Fraction("0.9"), posterize=4
    )

    operations: int = 2
    magnitude: int = 9
    cos_sin_q30: Rotations = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_rotations(self)

    @property
    def words(self) -> int:
        return self.operations

    @property
    def limits(self) -> dict[str, int]:
        return {f"choice_{place}": 2 * _DRAWN for place in range(self.operations)}

    def parameters(self, words_BW: WordArray) -> IntArray:
        return integer_below(words_BW, 2 * _DRAWN)

    def apply(self, pixels_BIHW: Tensor, parameters_BP: IntArray) -> Tensor:
        rotation_K2 = np.array(self.cos_sin_q30)
        for choice_B in parameters_BP.T:
            kind_B, minus_B = np.divmod(choice_B, 2)
            bin_B = np.full_like(kind_B, self.magnitude)
            pixels_BIHW = self.space.apply(pixels_BIHW, kind_B, bin_B, 1 - 2 * minus_B, rotation_K2)
        return pixels_BIHW


@register_transform
@dataclass(frozen=True)
class AutoAugment(Transform):
    """Applies one of 25 pairs of operations, each with its probability, as torchvision's AutoAugment (imagenet)

    POLICY is cifar10 or imagenet. `sub_policies` has, for both operations of each pair, the place in the list of
    operations, its probability times 2^32, and the magnitude. Parameters: pair; first and second, each 0 where the
    operation is not applied, else 1 or, with a negative magnitude, 2.
    """

    name = "auto-augment"
    arguments = (Choice("POLICY", "a policy", tuple(SUB_POLICIES)),)
    example = "auto-augment(imagenet)"
    stage = 3
    words = 3
    channel_counts = (1, 3)
    space: ClassVar[Space] = Space(
        bins=10, shear=Fraction("0.3"), pixels=None, degrees=30, enhance=Fraction("0.9"), posterize=4
    )

    policy: str = "imagenet"
    sub_policies: tuple[SubPolicy, ...] = ()
    cos_sin_q30: Rotations = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        table = sub_policy_table(self.policy)
        if self.sub_policies == ():
            object.__setattr__(self, "sub_policies", table)
        if self.sub_policies != table:
            raise self.refusal(f"sub-policies that are not those of {self.policy}")
        _check_rotations(self)

    @property
    def limits(self) -> dict[str, int]:
        return {"pair": len(self.sub_policies), "first": 3, "second": 3}

    @property
    def outcomes(self) -> None:
        return None

    def parameters(self, words_BW: WordArray) -> IntArray:
        pair_B1 = integer_below(words_BW[:, :1], len(self.sub_policies))
        below_B2 = np.array(self.sub_policies, np.int64)[pair_B1[:, 0], :, 1]
        applied_B2 = integer_below(words_BW[:, 1:], 2**32) < below_B2
        minus_B2 = integer_below(words_BW[:, 1:] << np.uint64(32), 2)
        return np.concatenate([pair_B1, np.where(applied_B2, 1 + minus_B2, 0)], axis=1)

    def apply(self, pixels_BIHW: Tensor, parameters_BP: IntArray) -> Tensor:
        table, rotation_K2 = np.array(self.sub_policies, np.int64), np.array(self.cos_sin_q30)
        for place in range(2):
            kind_B, _, bin_B = table[parameters_BP[:, 0], place].T
            drawn_B = parameters_BP[:, 1 + place]
            kind_B = np.where(drawn_B > 0, kind_B, OPERATIONS.index("Identity"))
            sign_B = np.where(drawn_B == 2, -1, 1)
            pixels_BIHW = self.space.apply(pixels_BIHW, kind_B, bin_B, sign_B, rotation_K2)
        return pixels_BIHW

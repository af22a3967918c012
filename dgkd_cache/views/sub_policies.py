"""The sub-policies of AutoAugment for CIFAR-10 and ImageNet (Cubuk et al., CVPR 2019), as torchvision lists them."""

from __future__ import annotations

from collections.abc import Mapping

from dgkd_cache.views.fixed_point import fixed
from dgkd_cache.views.policy_space import OPERATIONS

__all__ = ["SUB_POLICIES", "SubPolicy", "sub_policy_table"]

SubPolicy = tuple[tuple[int, int, int], tuple[int, int, int]]
"""Both operations: the place in OPERATIONS, the probability in units of 2^-32, and the magnitude out of 10."""

SUB_POLICIES: Mapping[str, str] = {
    "cifar10": """
        Invert 0.1 -, Contrast 0.2 6
        Rotate 0.7 2, TranslateX 0.3 9
        Sharpness 0.8 1, Sharpness 0.9 3
        ShearY 0.5 8, TranslateY 0.7 9
        AutoContrast 0.5 -, Equalize 0.9 -
        ShearY 0.2 7, Posterize 0.3 7
        Color 0.4 3, Brightness 0.6 7
        Sharpness 0.3 9, Brightness 0.7 9
        Equalize 0.6 -, Equalize 0.5 -
        Contrast 0.6 7, Sharpness 0.6 5
        Color 0.7 7, TranslateX 0.5 8
        Equalize 0.3 -, AutoContrast 0.4 -
        TranslateY 0.4 3, Sharpness 0.2 6
        Brightness 0.9 6, Color 0.2 8
        Solarize 0.5 2, Invert 0.0 -
        Equalize 0.2 -, AutoContrast 0.6 -
        Equalize 0.2 -, Equalize 0.6 -
        Color 0.9 9, Equalize 0.6 -
        AutoContrast 0.8 -, Solarize 0.2 8
        Brightness 0.1 3, Color 0.7 0
        Solarize 0.4 5, AutoContrast 0.9 -
        TranslateY 0.9 9, TranslateY 0.7 9
        AutoContrast 0.9 -, Solarize 0.8 3
        Equalize 0.8 -, Invert 0.1 -
        TranslateY 0.7 9, AutoContrast 0.9 -
    """,
    "imagenet": """
        Posterize 0.4 8, Rotate 0.6 9
        Solarize 0.6 5, AutoContrast 0.6 -
        Equalize 0.8 -, Equalize 0.6 -
        Posterize 0.6 7, Posterize 0.6 6
        Equalize 0.4 -, Solarize 0.2 4
        Equalize 0.4 -, Rotate 0.8 8
        Solarize 0.6 3, Equalize 0.6 -
        Posterize 0.8 5, Equalize 1.0 -
        Rotate 0.2 3, Solarize 0.6 8
        Equalize 0.6 -, Posterize 0.4 6
        Rotate 0.8 8, Color 0.4 0
        Rotate 0.4 9, Equalize 0.6 -
        Equalize 0.0 -, Equalize 0.8 -
        Invert 0.6 -, Equalize 1.0 -
        Color 0.6 4, Contrast 1.0 8
        Rotate 0.8 8, Color 1.0 2
        Color 0.8 8, Solarize 0.8 7
        Sharpness 0.4 7, Invert 0.6 -
        ShearX 0.6 5, Equalize 1.0 -
        Color 0.4 0, Equalize 0.6 -
        Equalize 0.4 -, Solarize 0.2 4
        Solarize 0.6 5, AutoContrast 0.6 -
        Invert 0.6 -, Equalize 1.0 -
        Color 0.6 4, Contrast 1.0 8
        Equalize 0.8 -, Equalize 0.6 -
    """,
}
"""A line for each pair: operation, probability, magnitude ("-" where the operation has none)."""


def sub_policy_table(policy: str) -> tuple[SubPolicy, ...]:
    """Returns the pairs of a policy."""
    return tuple(_pair(line) for line in SUB_POLICIES[policy].strip().splitlines())


def _pair(line: str) -> SubPolicy:
    first, second = (_operation(part) for part in line.split(","))
    return first, second


def _operation(text: str) -> tuple[int, int, int]:
    name, probability, magnitude = text.split()
    return OPERATIONS.index(name), fixed(probability, 32), 0 if magnitude == "-" else int(magnitude)

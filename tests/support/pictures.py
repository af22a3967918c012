"""Batches of uint8 images of all kinds, for operations on pixels: noise, structure, few levels, one level."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["PICTURES", "same_but_rounding"]


def _pictures() -> dict[str, Tensor]:
    random = np.random.Generator(np.random.PCG64(7))
    down, across = np.mgrid[0:24, 0:36]
    waves = [128 + 120 * np.sin(down / period + phase) * np.cos(across / period) for period, phase in ((3, 0), (7, 1))]
    ramp = np.stack([np.stack([waves[0], waves[1], 255 - waves[0]]), np.stack([waves[1], waves[0] / 2, waves[1] / 3])])
    levels = random.choice([0, 9, 200, 255], (3, 3, 16, 16))
    flat = np.stack([np.full((3, 8, 8), level) for level in (0, 77, 255)])
    several = {
        "noise": random.integers(0, 256, (6, 3, 32, 32)),
        "waves": ramp,
        "few levels": levels,
        "one level": flat,
        "dim": random.integers(100, 131, (3, 3, 9, 14)),
        "grey": random.integers(0, 256, (5, 1, 8, 8)),
        "dark": (random.random((3, 1, 28, 28)) ** 4 * 255),
    }
    return {name: torch.from_numpy(pixels.astype(np.uint8)) for name, pixels in several.items()}


PICTURES = _pictures()


def same_but_rounding(found: Tensor, expected: Tensor, *, equal: float = 0.97) -> bool:
    """Returns True if pixels differ by one grey level at most, and are equal in all but a few."""
    assert found.dtype == expected.dtype == torch.uint8 and found.shape == expected.shape
    apart = (found.int() - expected.int()).abs()
    return int(apart.max()) <= 1 and float((apart == 0).double().mean()) >= equal

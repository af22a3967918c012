"""The (views, samples) that tests of guides ask for."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def pairs() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.Generator(np.random.PCG64(0))
    return random.integers(0, 3, 64), random.integers(0, 100, 64)

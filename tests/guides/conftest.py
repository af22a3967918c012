"""A writer of guides, for the tests of what is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from torch import Tensor, nn

from dgkd_cache.guides.writer import GuideWriter
from dgkd_cache.views.views import Views


@pytest.fixture
def write(bars, plan, as_input, tmp_path: Path) -> Callable[..., GuideWriter]:
    """A writer of a model, into a folder that is not there before anything is written."""

    def make(model: nn.Module, forward: Callable[[Tensor], object] | None = None, **settings) -> GuideWriter:
        return GuideWriter(
            tmp_path / "guides" / "guide.zarr",
            model,
            forward or (lambda pixels: model(as_input(pixels))),
            name="guide",
            train=Views(plan, bars.train),
            test=Views(plan, bars.test),
            **{"views": range(2), "batch_size": 32, **settings},
        )

    return make

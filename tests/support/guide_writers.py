"""Small guides and the refusal of their dumps, for the tests of what is written."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from dgkd_cache.dump.writer import GuideWriter
from dgkd_cache.errors import InvalidInput


def refused(writer: GuideWriter, tmp_path: Path, words: str, kind: type[Exception] = InvalidInput) -> str:
    with pytest.raises(kind, match=words) as caught:
        writer.run()
    assert not list(tmp_path.rglob("*.zarr*")), "nothing of the store was begun"
    return str(caught.value)


def network(*last: nn.Module, classes: int = 4) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, classes), *last).eval()


def narrow(*last: nn.Module) -> nn.Module:
    """Three numbers before the four classes, so that a row of `factored` has fewer coefficients than logits."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Tanh(), nn.Linear(3, 4), *last).eval()

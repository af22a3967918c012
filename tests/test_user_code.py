"""module:factory: data sets and models are both looked for from the current directory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from dgkd_cache.datasets import load_dataset
from dgkd_cache.errors import InvalidInput
from dgkd_cache.models import build_model
from dgkd_cache.user_code import import_factory

MODULE = """
import numpy as np
from torch import nn

def net(*, channels, classes, height, width):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, classes))

def split():
    return np.zeros((4, 1, 3, 3), np.uint8), [0, 1, 0, 1]

def data():
    return split(), split()
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "dgkd_test_user_code.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(tmp_path))])
    yield tmp_path
    sys.modules.pop("dgkd_test_user_code", None)


def test_a_model_in_the_current_directory(here: Path) -> None:
    model = build_model("dgkd_test_user_code:net", channels=1, classes=5, height=3, width=3, seed=0)
    assert model(torch.zeros(2, 1, 3, 3)).shape == (2, 5)
    assert sys.path[0] == str(here)


def test_a_data_set_in_the_current_directory(here: Path) -> None:
    assert len(load_dataset("dgkd_test_user_code:data").train) == 4


def test_refusals_say_what_it_was_to_be(here: Path) -> None:
    words = {"kind": "model", "define": "(*, channels)", "otherwise": "torchvision:NAME"}
    with pytest.raises(InvalidInput, match=r"the model dgkd_nowhere:net cannot be imported.*or torchvision:NAME"):
        import_factory("dgkd_nowhere:net", **words)
    with pytest.raises(InvalidInput, match=r"nothing of that name; define made\(\*, channels\)") as refused:
        import_factory("dgkd_test_user_code:made", **words)
    assert refused.value.exit_code == 2

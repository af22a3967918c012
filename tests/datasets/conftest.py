"""Tiny data sets in their real formats, written here from the formats' descriptions, and where none are found."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.arrays import LABELS, PIXELS

from dgkd_cache.datasets import mnist
from dgkd_cache.datasets.images import Images
from dgkd_cache.datasets.registry import load_dataset


@pytest.fixture
def write_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes PNG files (lossless, so a test knows the pixels) at the relative paths given."""

    def write(files: dict[str, NDArray[np.uint8]], *, at: str = "pictures") -> Path:
        for path, pixels_HWI in files.items():
            target = tmp_path / at / path
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels_HWI).save(target)
        return tmp_path / at

    return write


@pytest.fixture
def through_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Images]]:
    """Loads the data that a module:factory returns."""
    (tmp_path / "dgkd_test_arrays.py").write_text("def make(): return given\n")
    monkeypatch.syspath_prepend(tmp_path)
    import dgkd_test_arrays as made

    def load(pixels: Any, labels: Any, classes: Any = ("a", "b")) -> Images:
        made.given = (pixels, labels, classes), (PIXELS, LABELS, classes)
        return load_dataset("dgkd_test_arrays:make").train

    yield load
    del sys.modules["dgkd_test_arrays"]


@pytest.fixture
def no_debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another place for Debian's folder, so that a test does not depend on the machine."""
    folder = tmp_path / "debian"
    monkeypatch.setattr(mnist, "DEBIAN_FASHION_MNIST", folder)
    return folder


@pytest.fixture
def default_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default root, in a home folder that is empty."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home" / ".cache" / "dgkd-cache"

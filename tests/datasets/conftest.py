"""Writers of tiny data sets in their real formats, written here from the formats' descriptions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image


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

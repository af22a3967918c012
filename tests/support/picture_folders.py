"""Small folders of images, and their training images as loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.datasets.folder import FolderImages, load_folder

Files = dict[str, NDArray[np.uint8]]


def pictures(*, size: int = 6, mixed: bool = False, test: str = "test") -> Files:
    """Two classes, one of them with folders inside, RGB, grey and RGBA."""
    rng = np.random.default_rng(8)
    files = {}
    for split, count in (("train", 9), (test, 3)):
        for number in range(count):
            height = size + number % 3 if mixed else size
            shape = (
                (height, size + 1, 4) if number == 2 else (height, size + 1) if number == 1 else (height, size + 1, 3)
            )
            nested = f"deep/{number % 2}/" if number % 3 == 0 else ""
            for name in ("cat", "dog"):
                files[f"{split}/{name}/{nested}{number:02}.png"] = rng.integers(0, 256, shape, dtype=np.uint8)
    return files


def relative(images: FolderImages) -> list[str]:
    """The path of each sample, read out of the description that messages use."""
    return [images.describe(i).partition(" (")[2].removesuffix(")") for i in range(len(images))]


def train_of(folder: Path, *, hold_bytes: int = 1 << 30) -> FolderImages:
    train = load_folder(folder, hold_bytes=hold_bytes).train
    assert isinstance(train, FolderImages)
    return train

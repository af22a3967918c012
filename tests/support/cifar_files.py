"""CIFAR-10 and CIFAR-100 of a few samples in their own format, whose MD5 torchvision then takes for the published."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10, CIFAR100

__all__ = ["write_cifar"]


def write_cifar(name: str, root: Path, patch: pytest.MonkeyPatch, *, samples: int, tests: int = 20) -> None:
    """Writes `cifar10` or `cifar100` of random pixels into `root`."""
    source, classes, key = {"cifar10": (CIFAR10, 10, "labels"), "cifar100": (CIFAR100, 100, "fine_labels")}[name]
    files = {"cifar10": ("data_batch_1", "test_batch", "batches.meta"), "cifar100": ("train", "test", "meta")}[name]
    names = {"label_names" if name == "cifar10" else "fine_label_names": [f"class {label}" for label in range(classes)]}
    random = np.random.default_rng(7)
    folder = root / source.base_folder
    folder.mkdir(parents=True)

    def write(file: str, content: object) -> list[str]:
        (folder / file).write_bytes(pickle.dumps(content, protocol=2))
        return [file, hashlib.md5((folder / file).read_bytes()).hexdigest()]

    for file, count, listed in ((files[0], samples, "train_list"), (files[1], tests, "test_list")):
        pixels = random.integers(0, 256, (count, 3_072), dtype=np.uint8)
        content = {"data": pixels, key: random.integers(0, classes, count).tolist()}
        patch.setattr(source, listed, [write(file, content)])
    patch.setattr(source, "meta", {**source.meta, "md5": write(files[2], names)[1]})

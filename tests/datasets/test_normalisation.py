"""Mean and deviation against numpy's own in doubles, and the published constants against their files."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from dgkd_cache.datasets.images import Images, TensorImages
from dgkd_cache.datasets.mnist import DEBIAN_FASHION_MNIST
from dgkd_cache.datasets.normalisation import KNOWN, SUBSET, mean_and_std
from dgkd_cache.datasets.registry import load_dataset


class OnTheFly(Images):
    """Two-pixel images whose values say which sample they are."""

    def __init__(self, samples: int) -> None:
        labels = np.zeros(samples, dtype=np.int64)
        super().__init__(name="f", split="train", classes=["a"], labels_N=labels, channels=1, height=1, width=2)

    def image(self, sample: int) -> torch.Tensor:
        return torch.tensor([[[sample % 251, sample % 7]]], dtype=torch.uint8)


def test_equals_numpy_on_all_pixels() -> None:
    pixels = np.random.default_rng(1).integers(0, 200, (2_500, 3, 6, 5), dtype=np.uint8)
    mean, std = mean_and_std(TensorImages(pixels, np.zeros(2_500, np.int64), classes=["a"], name="n", split="train"))
    scaled = pixels.astype(np.float64) / 255
    assert mean == tuple(f"{value:.6f}" for value in scaled.mean(axis=(0, 2, 3)))
    assert std == tuple(f"{value:.6f}" for value in scaled.std(axis=(0, 2, 3)))


def test_a_channel_of_one_value_can_be_divided_by() -> None:
    pixels = np.full((4, 1, 2, 2), 51, np.uint8)
    assert mean_and_std(TensorImages(pixels, [0] * 4, classes=["a"], name="n", split="train")) == (
        ("0.200000",),
        ("1.000000",),
    )


def test_images_that_are_not_held_are_sampled_evenly() -> None:
    samples = 2 * SUBSET + 1
    values = np.array([(i * samples // SUBSET % 251, i * samples // SUBSET % 7) for i in range(SUBSET)]) / 255
    assert mean_and_std(OnTheFly(samples)) == ((f"{values.mean():.6f}",), (f"{values.std():.6f}",))


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_the_constants_of_fashion_mnist_are_those_of_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with gzip.open(DEBIAN_FASHION_MNIST / "train-images-idx3-ubyte.gz") as stream:
        pixels = stream.read()[16:]
    assert len(pixels) == 60_000 * 28 * 28
    count_256 = np.bincount(np.frombuffer(pixels, np.uint8), minlength=256)
    mean = np.average(np.arange(256) / 255, weights=count_256)
    std = np.average((np.arange(256) / 255 - mean) ** 2, weights=count_256) ** 0.5
    assert KNOWN["fashion-mnist"] == ((f"{mean:.4f}",), (f"{std:.4f}",))
    monkeypatch.setenv("HOME", str(tmp_path))
    dataset = load_dataset("fashion-mnist", download=False)
    assert mean_and_std(dataset.train) == ((f"{mean:.6f}",), (f"{std:.6f}",))

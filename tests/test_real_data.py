"""Whole Fashion-MNIST, where it is installed: read by our loader and by a second reader, and rendered against numpy."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from dgkd_cache.datasets.registry import load_dataset
from dgkd_cache.views.plan import ViewPlan
from dgkd_cache.views.renderer import ViewRenderer

DEBIAN = Path("/usr/share/datasets/fashion-mnist")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed"),
]


def idx(name: str, header: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress((DEBIAN / name).read_bytes()), np.uint8, offset=header)


def test_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # nothing lies in the default root there
    data = load_dataset("fashion-mnist", download=False)
    pixels = idx("train-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    assert len(data.train) == 60_000 and len(data.test) == 10_000
    np.testing.assert_array_equal(data.train.pixels_NIHW.numpy(), pixels)
    np.testing.assert_array_equal(data.train.labels_N, idx("train-labels-idx1-ubyte.gz", 8))
    scaled = pixels.astype(np.float64) / 255
    assert float(data.mean[0]) == pytest.approx(scaled.mean(), abs=1e-3)
    assert float(data.std[0]) == pytest.approx(scaled.std(), abs=1e-3)

    plan = ViewPlan.build(image=(1, 28, 28), transforms=["crop(2)", "hflip"])
    parameters_NP = plan.parameters(3, 0, 60_000)
    samples_B = np.arange(0, 60_000, 37)
    rendered = ViewRenderer(plan, data.train).pixels(np.full(len(samples_B), 3), samples_B).numpy()
    padded = np.pad(pixels, ((0, 0), (0, 0), (2, 2), (2, 2)))
    for image, sample in zip(rendered, samples_B, strict=True):
        dy, dx, flip = parameters_NP[sample]
        expected = padded[sample, :, dy : dy + 28, dx : dx + 28]
        np.testing.assert_array_equal(image, expected[..., ::-1] if flip else expected)

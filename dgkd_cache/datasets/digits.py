"""The embedded default: scikit-learn's 1,797 digits of 8x8 pixels (UCI; Alpaydin and Kaynak 1998)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.images import TensorImages
from dgkd_cache.datasets.normalisation import mean_and_std
from dgkd_cache.datasets.registry import register_dataset
from dgkd_cache.datasets.remarks import say_source
from dgkd_cache.errors import DataUnreadable

__all__ = ["TEST_SAMPLES", "digits", "no_scikit_learn"]

TEST_SAMPLES = 360


@register_dataset(transforms=["crop(1)"])  # a mirrored digit is not a digit
def digits(*, root: Path | None, download: bool) -> Dataset:
    """8x8 grey handwritten digits, 1,437 + 360, in 10 classes; inside scikit-learn, no download

    Samples 0 to 1,436 of scikit-learn's order train, the last 360 test. The order follows the writers, so a cut at one
    place keeps most writers of the test split out of training. Pixel values 0..16 become value * 255 // 16. `root` and
    `download` are not used. Raises DataUnreadable without scikit-learn.
    """
    try:
        import sklearn
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise no_scikit_learn() from error
    say_source("digits", Path(sklearn.__file__).parent)
    bunch = load_digits()
    pixels_NIHW = (bunch.images.astype(np.int64)[:, None] * 255 // 16).astype(np.uint8)
    classes = tuple(str(name) for name in bunch.target_names)
    cut = len(pixels_NIHW) - TEST_SAMPLES
    train = TensorImages(pixels_NIHW[:cut], bunch.target[:cut], classes=classes, name="digits", split="train")
    test = TensorImages(pixels_NIHW[cut:], bunch.target[cut:], classes=classes, name="digits", split="test")
    mean, std = mean_and_std(train)
    return Dataset(train=train, test=test, mean=mean, std=std)


def no_scikit_learn() -> DataUnreadable:
    """Returns the error that says what to install."""
    return DataUnreadable(
        "the data set digits lies inside scikit-learn",
        expected="the package scikit-learn",
        found="none installed",
        do='run: pip install "dgkd-cache[demo]"',
    )

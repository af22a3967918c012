"""A data set that is not there: which files are missing where, and why a download failed."""

from __future__ import annotations

import errno
from pathlib import Path
from urllib.error import URLError

import pytest
import torchvision.datasets

from dgkd_cache.datasets.registry import load_dataset
from dgkd_cache.errors import DataUnreadable, NoSpace

TRAIN_IMAGES = "train-images-idx3-ubyte"


def test_missing_files_are_named_with_their_places(default_root: Path, no_debian: Path) -> None:
    with pytest.raises(DataUnreadable) as caught:
        load_dataset("fashion-mnist", download=False)
    message = str(caught.value)
    for part in (TRAIN_IMAGES, str(default_root / "FashionMNIST" / "raw"), str(no_debian), "download = true"):
        assert part in message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (URLError("no route to host"), DataUnreadable),
        (RuntimeError("File not found or corrupted."), DataUnreadable),
        (OSError(errno.ENOSPC, "No space left on device"), NoSpace),
    ],
)
def test_a_failed_download_says_where_files_may_be_put(
    default_root: Path,
    no_debian: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
    error: type[Exception],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", fail)
    with pytest.raises(error) as caught:
        load_dataset("fashion-mnist", download=True)
    if error is DataUnreadable:
        for part in (str(failure), str(default_root / "FashionMNIST" / "raw"), str(no_debian), "run again"):
            assert part in str(caught.value)

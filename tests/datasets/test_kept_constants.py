"""Kept mean and deviation: computed once for a content, held to their digest, and the same as computed ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dgkd_cache.datasets import folder as folder_module
from dgkd_cache.datasets.folder import FolderImages
from dgkd_cache.datasets.kept_constants import content_key, kept_constants
from dgkd_cache.datasets.normalisation import Constants, mean_and_std

OURS: Constants = (("0.1", "0.2", "0.3"), ("0.4", "0.5", "0.6"))


def computed() -> Constants:
    return OURS


def never() -> Constants:
    raise AssertionError("they are kept")


def test_they_are_computed_once(tmp_path: Path) -> None:
    assert kept_constants("ab", computed, cache=tmp_path) == OURS
    assert kept_constants("ab", never, cache=tmp_path) == OURS
    with pytest.raises(AssertionError):
        kept_constants("cd", never, cache=tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("0.1", "0.7"),
        lambda text: text[:-1],
        lambda text: "",
        lambda text: "[" * 2000,
        lambda text: json.dumps({**json.loads(text), "more": 1}),
    ],
)
def test_damaged_ones_are_computed_again(tmp_path: Path, caplog: pytest.LogCaptureFixture, change) -> None:
    kept_constants("ab", computed, cache=tmp_path)
    path = tmp_path / "constants" / "ab.constants"
    path.write_text(change(path.read_text()))
    assert kept_constants("ab", computed, cache=tmp_path) == OURS
    assert len(caplog.messages) == 1 and "are damaged" in caplog.messages[0]
    assert kept_constants("ab", never, cache=tmp_path) == OURS


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "constants").write_text("in the way")
    assert kept_constants("ab", computed, cache=tmp_path) == OURS
    assert "cannot be kept" in caplog.messages[-1] and (tmp_path / "constants").read_text() == "in the way"


def test_the_key_is_of_content_sizes_and_decoder() -> None:
    sizes_N2, digest_N16 = np.array([[2, 3], [3, 2]]), np.arange(32, dtype=np.uint8).reshape(2, 16)
    key = content_key(sizes_N2, digest_N16, decoder="one")
    assert key == content_key(sizes_N2.copy(), digest_N16.copy(), decoder="one") and len(key) == 64
    others = (
        content_key(sizes_N2, digest_N16, decoder="two"),
        content_key(sizes_N2[:, ::-1], digest_N16, decoder="one"),
        content_key(sizes_N2, digest_N16[::-1], decoder="one"),
    )
    assert len({key, *others}) == 4


@pytest.mark.parametrize("hold_bytes", [0, 1 << 30])
def test_a_folder_keeps_what_is_computed_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hold_bytes: int
) -> None:
    monkeypatch.setenv("DGKD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(folder_module, "LEAST_BYTES", 1)
    random = np.random.default_rng(3)
    for number in range(6):
        (tmp_path / "data" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (8, 7, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / "ab"[number % 2] / f"{number}.png")
    images = FolderImages(tmp_path / "data", name="it", split="train", hold_bytes=hold_bytes)
    assert images.constants() == mean_and_std(images)
    monkeypatch.setattr(folder_module, "mean_and_std", lambda images: never())
    again = FolderImages(tmp_path / "data", name="it", split="train", hold_bytes=hold_bytes)
    assert again.constants() == images.constants()
    other = FolderImages(tmp_path / "data", name="it", split="train", hold_bytes=0 if hold_bytes else 1 << 30)
    with pytest.raises(AssertionError):
        other.constants()

"""Kept pixels: the same as decoded ones, found by content alone, held to their digest, bounded in size."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dgkd_cache.datasets import file_index, folder as folder_module, kept_pixels
from dgkd_cache.datasets.folder import FolderImages
from dgkd_cache.datasets.kept_pixels import KeptPixels

SIZES_N2 = np.array([[2, 3], [4, 5], [1, 1]])
DIGEST_N16 = np.arange(48, dtype=np.uint8).reshape(3, 16)
PIXELS = torch.arange(3 * (6 + 20 + 1), dtype=torch.uint8)
TRAITS_N = np.array([0, 8, 1], np.uint8)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_pixels, "LEAST_BYTES", 1)


def kept(cache: Path, decoder: str = "one", digest_N16: np.ndarray = DIGEST_N16) -> KeptPixels:
    return KeptPixels(SIZES_N2, digest_N16, cache=cache, decoder=decoder)


def test_what_is_kept_is_found_by_content_and_decoder(tmp_path: Path) -> None:
    assert kept(tmp_path).find() is None
    kept(tmp_path).keep(PIXELS, TRAITS_N)
    found = kept(tmp_path).find()
    assert found is not None and torch.equal(found[0], PIXELS) and np.array_equal(found[1], TRAITS_N)
    assert kept(tmp_path, decoder="two").find() is None
    assert kept(tmp_path, digest_N16=DIGEST_N16[::-1]).find() is None
    other = KeptPixels(SIZES_N2[:, ::-1], DIGEST_N16, cache=tmp_path, decoder="one")
    assert other.find() is None


def test_what_is_written_into_it_stays_in_the_process(tmp_path: Path) -> None:
    kept(tmp_path).keep(PIXELS, TRAITS_N)
    first = kept(tmp_path).find()
    assert first is not None
    first[0].zero_()
    second = kept(tmp_path).find()
    assert second is not None and torch.equal(second[0], PIXELS)


def test_every_changed_byte_is_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept(tmp_path).keep(PIXELS, TRAITS_N)
    (path,) = (tmp_path / "pixels").iterdir()
    whole = path.read_bytes()
    start = len(whole) - len(PIXELS) - len(TRAITS_N)
    for place in (0, 15, 20, 50, start, start + 40, len(whole) - 4, len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert kept(tmp_path).find() is None and not path.exists()
        assert "are damaged" in caplog.messages[-1]
    for content in (b"", whole[:-1], whole + b"x"):
        path.write_bytes(content)
        assert kept(tmp_path).find() is None and not path.exists()
    path.write_bytes(whole)
    assert kept(tmp_path).find() is not None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    kept(tmp_path).keep(PIXELS, TRAITS_N)
    (path,) = (tmp_path / "pixels").iterdir()
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert kept(tmp_path).find() is None and (tmp_path / "elsewhere").exists()


def test_the_one_used_longest_ago_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = [np.full((3, 16), number, np.uint8) for number in range(4)]
    kept(tmp_path, digest_N16=digests[0]).keep(PIXELS, TRAITS_N)
    (path,) = (tmp_path / "pixels").iterdir()
    monkeypatch.setattr(kept_pixels, "MOST_BYTES", 3 * path.stat().st_size)
    os.utime(path, ns=(1, 3))
    for number in (1, 2):
        known = {*(tmp_path / "pixels").iterdir()}
        kept(tmp_path, digest_N16=digests[number]).keep(PIXELS, TRAITS_N)
        (new,) = {*(tmp_path / "pixels").iterdir()} - known
        os.utime(new, ns=(1, number))
    assert kept(tmp_path, digest_N16=digests[1]).find() is not None, "it is used, and so the newest"
    kept(tmp_path, digest_N16=digests[3]).keep(PIXELS, TRAITS_N)
    assert [kept(tmp_path, digest_N16=one).find() is not None for one in digests] == [True, True, False, True]


def test_what_a_killed_process_left_counts_and_goes_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(tmp_path).keep(PIXELS, TRAITS_N)
    (path,) = (tmp_path / "pixels").iterdir()
    for number in (1, 2):
        left = path.with_name(f"{number}.pixels.{str(number) * 32}.partial")
        left.write_bytes(bytes(path.stat().st_size))
        os.utime(left, ns=(1, number))
    monkeypatch.setattr(kept_pixels, "MOST_BYTES", 3 * path.stat().st_size)
    kept(tmp_path, decoder="two").keep(PIXELS, TRAITS_N)
    assert kept(tmp_path).find() is not None and kept(tmp_path, decoder="two").find() is not None
    assert [one.name[0] for one in (tmp_path / "pixels").glob("*.partial")] == ["2"]


def test_too_small_and_too_large_ones_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_pixels, "LEAST_BYTES", len(PIXELS) + 1)
    kept(tmp_path).keep(PIXELS, TRAITS_N)
    monkeypatch.setattr(kept_pixels, "LEAST_BYTES", 1)
    monkeypatch.setattr(kept_pixels, "MOST_BYTES", len(PIXELS) - 1)
    kept(tmp_path).keep(PIXELS, TRAITS_N)
    assert not (tmp_path / "pixels").exists()


def test_a_disk_without_room_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr(kept_pixels.shutil, "disk_usage", lambda path: usage)
    kept(tmp_path).keep(PIXELS, TRAITS_N)
    assert kept(tmp_path).find() is None and "are not kept" in caplog.messages[0]
    (tmp_path / "file").write_text("in the way")
    assert kept(tmp_path / "file").find() is None
    kept(tmp_path / "file").keep(PIXELS, TRAITS_N)
    assert len(caplog.messages) == 2 and "cannot be kept" in caplog.messages[1], "nothing there is damaged"


def test_a_split_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traits of the decoded pictures are kept, too: an alpha channel that hides nothing is no transparency."""
    random = np.random.default_rng(3)
    for number in range(6):
        (tmp_path / "data" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (8, 7, 4), dtype=np.uint8)
        pixels[..., 3] = 255 if number else 7
        Image.fromarray(pixels).save(tmp_path / "data" / "ab"[number % 2] / f"{number}.png")
    monkeypatch.setenv("DGKD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(file_index, "RACY_NS", -(10**12))  # files that were just written count as old
    warned = []
    monkeypatch.setattr(folder_module, "warn_of_traits", lambda where, traits_N: warned.append(traits_N.tolist()))
    first = FolderImages(tmp_path / "data", name="it", split="train")
    monkeypatch.setattr(folder_module, "read_image", None)
    again = FolderImages(tmp_path / "data", name="it", split="train")
    assert warned[0] == warned[1] and sum(map(bool, warned[0])) == 1
    assert first.pixels_NIHW is not None and again.pixels_NIHW is not None
    assert torch.equal(again.pixels_NIHW, first.pixels_NIHW) and again.digest == first.digest
    assert torch.equal(again.batch([3, 1]), torch.stack([first.image(3), first.image(1)]))

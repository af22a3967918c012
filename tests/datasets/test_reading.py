"""Reading many files in parallel: results in order, failures counted and named, and threads by the files' size."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dgkd_cache.datasets.decoding import Trait
from dgkd_cache.datasets.reading import decoding_threads, file_digest, read_all, read_bytes, read_each, read_image
from dgkd_cache.errors import DataUnreadable


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The names of 20 files, each with its own number in it."""
    for number in range(20):
        (tmp_path / f"{number:02d}").write_text(str(number))
    return [f"{number:02d}" for number in range(20)]


@pytest.mark.parametrize("threads", [1, 4])
def test_results_come_in_the_order_of_the_paths(tmp_path: Path, files: list[str], threads: int) -> None:
    found = read_all(tmp_path, files[::-1], lambda path: path.read_text(), threads=threads)
    assert found == [str(19 - number) for number in range(20)]


@pytest.mark.parametrize(("threads", "most", "ahead"), [(2, 8, 8), (2, 1, 8), (3, 100, 12), (2, None, 16)])
def test_a_bounded_number_of_results_waits_for_the_caller(
    tmp_path: Path, files: list[str], threads: int, most: int | None, ahead: int
) -> None:
    """Four tasks a thread, and at least one file in each; without a bound, of all 20 files, so are two."""
    begun, before = list[str](), threading.active_count()

    def read(path: Path) -> str:
        begun.append(path.name)
        return path.read_text()

    results = read_each(tmp_path, files, read, threads, most=most)
    for given, (place, _) in enumerate(results, start=1):
        assert place == given - 1 and len(begun) <= place + ahead
        if given == 3:
            break
    results.close()
    assert len(begun) < 20 and threading.active_count() == before, (
        "what was not begun is not read, and no thread is left"
    )


def test_all_failures_are_counted_and_the_first_five_are_named(tmp_path: Path, files: list[str]) -> None:
    for name in files[3:11]:
        (tmp_path / name).unlink()
    (tmp_path / "03").mkdir()
    with pytest.raises(DataUnreadable, match="8 of 20 image files in .* cannot be read") as caught:
        read_all(tmp_path, files, read_bytes)
    found = caught.value.found
    assert found.startswith("03 (a pipe, a device or a folder, and no regular file); 04 (FileNotFoundError")
    assert "07 (" in found and "08 (" not in found and found.endswith("; and 3 more")
    with pytest.raises(DataUnreadable, match="1 image file in .* cannot be read"):
        read_all(tmp_path, ["04"], read_bytes)


def test_what_can_be_read_is_given_before_the_failures_are_raised(tmp_path: Path, files: list[str]) -> None:
    (tmp_path / "05").unlink()
    found = {}
    with pytest.raises(DataUnreadable, match="1 of 20 image files"):
        for place, text in read_each(tmp_path, files, lambda path: path.read_text(), 3):
            found[place] = text
    assert found == {number: str(number) for number in range(20) if number != 5}


def test_a_decoded_image_has_its_digest_and_tells_if_its_alpha_channel_hides_something(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (4, 6, 4), dtype=np.uint8)
    for alpha, trait in ((255, Trait(0)), (254, Trait.TRANSPARENT)):
        pixels[..., 3] = alpha
        Image.fromarray(pixels).save(path := tmp_path / "a.png")
        found = read_image(path)
        assert np.array_equal(found.pixels_IHW, pixels[..., :3].transpose(2, 0, 1)) and found.traits == trait
        assert found.digest == hashlib.sha256(path.read_bytes()).digest()[:16]


def test_a_file_s_digest_is_half_of_sha_256(tmp_path: Path) -> None:
    assert file_digest(b"abc").hex() == hashlib.sha256(b"abc").hexdigest()[:32]


@pytest.mark.parametrize(("nbytes", "threads"), [(0, 1), (3000, 1), (9000, 2), (10**6, 8)])
def test_small_files_are_decoded_by_fewer_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nbytes: int, threads: int
) -> None:
    """By the mean size of the first files, one thread for each 4 KiB, and never more than cores."""
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    for name, size in (("a", nbytes), ("b", nbytes)):
        (tmp_path / name).write_bytes(bytes(size))
    assert decoding_threads(tmp_path, ["a", "b", "gone"]) == threads

"""Folders of images: ImageFolder's discovery, the fixed index, held or decoded at each use."""

from __future__ import annotations

import hashlib
import multiprocessing
import pickle
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from support.picture_folders import pictures, relative, train_of
from torchvision.datasets import ImageFolder

from dgkd_cache.datasets import folder as folder_module
from dgkd_cache.datasets.compare import explain_difference
from dgkd_cache.datasets.decoders import decode
from dgkd_cache.datasets.folder import INDEX_KEY, FolderImages, index_order, load_folder
from dgkd_cache.datasets.normalisation import mean_and_std
from dgkd_cache.datasets.registry import load_dataset
from dgkd_cache.errors import DataUnreadable, Interrupted

WriteFolder = Callable[..., Path]


def rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[3, H, W]: grey repeated, transparency dropped."""
    return np.stack([pixels] * 3) if pixels.ndim == 2 else pixels[:, :, :3].transpose(2, 0, 1)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("hold_bytes", [0, 1 << 30])
def test_pixels_labels_and_digests_are_those_of_the_files(
    write_folder: WriteFolder, mixed: bool, hold_bytes: int
) -> None:
    files = pictures(mixed=mixed)
    folder = write_folder(files)
    train = train_of(folder, hold_bytes=hold_bytes)
    assert (train.pixels_NIHW is not None) == (bool(hold_bytes) and not mixed)
    assert (train.height, train.width, train.channels) == (None if mixed else 6, None if mixed else 7, 3)
    paths = relative(train)
    assert sorted(paths) == sorted(path for path in files if path.startswith("train/"))
    for sample, path in enumerate(paths):
        assert np.array_equal(train.image(sample).numpy(), rgb(files[path]))
        assert train.classes[train.labels_N[sample]] == path.split("/")[1]
        digest = hashlib.sha256((folder / path).read_bytes()).digest()[:16]
        assert train.sample_digest_N16[sample].tobytes() == digest
    assert train.digest_kind == "file"


def test_the_same_files_as_image_folder(write_folder: WriteFolder) -> None:
    folder = write_folder(pictures())
    theirs = ImageFolder(str(folder / "train"))
    ours = train_of(folder)
    labels = {Path(path).relative_to(folder).as_posix(): label for path, label in theirs.samples}
    assert dict(zip(relative(ours), ours.labels_N.tolist(), strict=True)) == labels
    assert list(ours.classes) == theirs.classes


def test_held_or_not_is_the_same_data_set(write_folder: WriteFolder) -> None:
    for mixed in (False, True):
        folder = write_folder(pictures(mixed=mixed), at=f"mixed-{mixed}")
        held, fly = load_folder(folder), load_folder(folder, hold_bytes=0)
        assert held.train.digest == fly.train.digest and held.test.digest == fly.test.digest
        assert (held.mean, held.std) == (fly.mean, fly.std)
        batches = held.train.batch([5, 0, 5]), fly.train.batch([5, 0, 5])
        for ours, theirs in zip(*batches, strict=True):
            assert torch.equal(ours, theirs)
        assert isinstance(batches[0], torch.Tensor) == isinstance(batches[1], torch.Tensor) == (not mixed)


def test_reading_and_decoding_can_be_stopped(write_folder: WriteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(pictures())  # 18 files to train on: 17 questions while they are read, then one for each
    monkeypatch.setenv("DGKD_CACHE_DIR", str(folder / "cache"))
    for asks, work in (
        (3, "reading of the files in .*train was stopped: found 3 of 18"),
        (19, "decoding of the images"),
    ):
        asked = iter([False] * (asks - 1) + [True])
        with pytest.raises(Interrupted, match=work) as caught:
            load_folder(folder, stop=lambda asked=asked: next(asked))
        assert caught.value.exit_code == 130
    assert len(load_folder(folder).train) == 18


def test_the_limit_is_met_to_the_byte(write_folder: WriteFolder) -> None:
    folder = write_folder(pictures())
    pixels = 18 * 3 * 6 * 7
    for hold_bytes, held in ((pixels, True), (pixels - 1, False), (pixels // 2, False)):
        images = FolderImages(folder / "train", name="n", split="train", hold_bytes=hold_bytes)
        assert (images.pixels_NIHW is not None) == held


def test_what_is_held_is_served_without_its_files(write_folder: WriteFolder) -> None:
    files = pictures(mixed=True)
    folder = write_folder(files)
    held, fly = train_of(folder), train_of(folder, hold_bytes=0)
    shutil.rmtree(folder)
    paths = relative(held)
    for image, path in zip(held.batch(range(len(held))), paths, strict=True):
        assert np.array_equal(image.numpy(), rgb(files[path]))
    with pytest.raises(DataUnreadable, match="18 of 18 image files in .*FileNotFoundError"):
        fly.batch(range(len(fly)))


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("hold_bytes", [0, 1 << 30])
def test_only_what_is_resident_goes_to_a_device(write_folder: WriteFolder, mixed: bool, hold_bytes: int) -> None:
    train = train_of(write_folder(pictures(mixed=mixed)), hold_bytes=hold_bytes)
    moved = train.to("meta")
    if train.pixels_NIHW is None:
        assert moved is train, "its pixels are read by worker processes, which must not touch a device"
    else:
        assert moved.pixels_NIHW is not None and moved.pixels_NIHW.is_meta and moved.image(3).is_meta
        assert moved.digest == train.digest and train.to("cpu") is train


@pytest.mark.parametrize("threads", [1, 3])
def test_images_are_given_up_to_the_first_that_cannot_be_read(
    write_folder: WriteFolder, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    """None of those behind it takes its place; all that cannot be read are named."""
    files = pictures()
    folder = write_folder(files)
    monkeypatch.setattr(folder_module, "decoding_threads", lambda folder, paths: threads)
    train = train_of(folder, hold_bytes=0)
    paths = relative(train)
    for sample in (7, 11):
        (folder / paths[sample]).unlink()
    given = list[torch.Tensor]()
    with pytest.raises(DataUnreadable, match="2 of 18 image files"):
        for image in train.each(range(18)):
            given.append(image)
    assert len(given) == 7
    assert all(np.array_equal(one.numpy(), rgb(files[path])) for one, path in zip(given, paths, strict=False))


@pytest.mark.parametrize("mixed", [False, True])
def test_images_asked_for_together_are_decoded_by_many_threads(
    write_folder: WriteFolder, monkeypatch: pytest.MonkeyPatch, mixed: bool
) -> None:
    files = pictures(mixed=mixed)
    monkeypatch.setattr(folder_module, "decoding_threads", lambda folder, paths: 3)
    train = train_of(write_folder(files), hold_bytes=0)
    decoders, meeting, before = set(), threading.Barrier(3, timeout=60), threading.active_count()

    def meet(content: bytes, decoder: str) -> NDArray[np.uint8]:
        if threading.get_ident() not in decoders:
            decoders.add(threading.get_ident())
            meeting.wait()  # broken, unless three threads decode at once
        return decode(content, decoder)

    monkeypatch.setattr(folder_module, "decode", meet)
    samples = [*range(len(train)), 3, 3]
    for read in (lambda: train.batch(samples), lambda: train.each(samples)):
        decoders.clear()
        for image, sample in zip(read(), samples, strict=True):
            assert np.array_equal(image.numpy(), rgb(files[relative(train)[sample]]))
        assert len(decoders) == 3 and threading.main_thread().ident not in decoders
        assert threading.active_count() == before, "no thread is left that a fork could lose"
    decoders.clear()
    meeting.reset()
    decoders.add(threading.get_ident())
    monkeypatch.setattr(folder_module, "get_worker_info", lambda: "one of a DataLoader's workers")
    for image, sample in zip(train.batch(samples), samples, strict=True):
        assert np.array_equal(image.numpy(), rgb(files[relative(train)[sample]]))
    assert decoders == {threading.get_ident()}, "a worker decodes alone"


@pytest.mark.parametrize("hold_bytes", [0, 1 << 30])
@pytest.mark.parametrize("threads", [1, 3])
def test_what_is_made_of_an_image_is_made_where_it_is_decoded(
    write_folder: WriteFolder, monkeypatch: pytest.MonkeyPatch, threads: int, hold_bytes: int
) -> None:
    files, makers = pictures(mixed=True), set[int]()
    monkeypatch.setattr(folder_module, "decoding_threads", lambda folder, paths: threads)
    train = train_of(write_folder(files), hold_bytes=hold_bytes)
    samples = [*range(len(train)), 3, 3]

    def make(place: int, image_IHW: torch.Tensor) -> torch.Tensor:
        makers.add(threading.get_ident())
        return image_IHW[:, :2, :2] ^ place

    for place, (sample, made) in enumerate(zip(samples, train.each(samples, make), strict=True)):
        assert np.array_equal(made.numpy(), rgb(files[relative(train)[sample]])[:, :2, :2] ^ place)
    in_threads = threads > 1 and not hold_bytes
    assert (threading.get_ident() in makers) is not in_threads

    def fail(place: int, image_IHW: torch.Tensor) -> torch.Tensor:
        raise ZeroDivisionError(place)

    with pytest.raises(ZeroDivisionError, match="0"):  # it is no file that cannot be read
        list(train.each(samples, fail))


def test_normalisation_counts_every_pixel_once(write_folder: WriteFolder) -> None:
    files = pictures(mixed=True)
    train = train_of(write_folder(files))
    values = np.concatenate(
        [rgb(pixels).reshape(3, -1) for path, pixels in files.items() if path.startswith("train/")], 1
    )
    mean, std = mean_and_std(train)
    assert mean == tuple(f"{value:.6f}" for value in (values / 255).mean(axis=1))
    assert std == tuple(f"{value:.6f}" for value in (values / 255).std(axis=1))


def test_the_index_is_the_published_permutation_of_the_sorted_paths() -> None:
    assert INDEX_KEY.hex() == hashlib.sha256(b"dgkd-folder-index").hexdigest()[:32]
    paths = [f"{name}/{number:04}.jpg" for name in ("ship", "Zebra", "ärm") for number in range(1_000)]
    # numpy's generator, started one block early, is an independent way to counters (0, view 0, domain 16, 0).
    counter = np.array([2**64 - 1, 2**64 - 1, 15, 0], dtype=np.uint64)
    key = np.frombuffer(INDEX_KEY, dtype="<u8")
    words = np.random.Philox(counter=counter, key=key).random_raw(3_000).tolist()
    by_bytes = sorted(paths, key=lambda path: path.encode())
    wanted = [path for _, _, path in sorted(zip(words, range(3_000), by_bytes, strict=True))]
    assert index_order(paths) == wanted == index_order(paths[::-1])
    first = [path.split("/")[0] for path in wanted[:300]]
    assert min(first.count(name) for name in ("ship", "Zebra", "ärm")) > 70, "the rows are not sorted by class"


def test_the_order_on_disk_and_the_place_do_not_matter(write_folder: WriteFolder) -> None:
    files = pictures()
    one = load_folder(write_folder(files, at="one"))
    other = load_folder(write_folder(dict(reversed(files.items())), at="other"))
    assert one.train.digest == other.train.digest and one.test.digest == other.test.digest
    assert (one.name, other.name) == ("folder:one", "folder:other")


@pytest.mark.parametrize("change", ["pixel", "label", "name"])
def test_a_changed_folder_is_told_by_sample(write_folder: WriteFolder, change: str) -> None:
    files = pictures()
    before = train_of(write_folder(files, at="before"))
    changed = dict(files)
    path = "train/dog/01.png"
    if change == "pixel":
        changed[path] = files[path] ^ np.uint8(1)
    elif change == "label":
        changed["train/cat/01.png"], changed[path] = files[path], files["train/cat/01.png"]
    else:
        changed["train/dog/999.png"] = changed.pop(path)
    after = train_of(write_folder(changed, at="after"))
    assert after.digest != before.digest
    explained = explain_difference(
        after, label_N=before.labels_N, sample_digest_N16=before.sample_digest_N16, classes=before.classes
    )
    assert explained is not None
    if change == "pixel":
        sample = relative(before).index(path)
        assert explained == f"1 of 18 samples differ, the first is sample {sample} ({path}), with other content"
    else:
        assert explained.startswith("the same samples in another order: ")


def test_val_serves_when_there_is_no_test(write_folder: WriteFolder) -> None:
    dataset = load_dataset(f"folder:{write_folder(pictures(test='val'))}", root=Path("unused"))
    assert len(dataset.test) == 6 and dataset.test.split == "test"
    assert "(val/" in dataset.test.describe(0)


def test_jpeg_is_decoded_as_pillow_decodes_it(tmp_path: Path) -> None:
    pixels = np.random.default_rng(9).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    for split in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            Image.fromarray(pixels).save(tmp_path / split / name / "x.JPEG", quality=80)
    train = load_folder(tmp_path).train
    with Image.open(tmp_path / "train" / "a" / "x.JPEG") as picture:
        assert np.array_equal(train.image(0).permute(1, 2, 0).numpy(), np.asarray(picture))


@pytest.mark.parametrize("hold_bytes", [0, 1 << 30])
def test_workers_see_the_same_images(write_folder: WriteFolder, hold_bytes: int) -> None:
    files = pictures()
    train = train_of(write_folder(files), hold_bytes=hold_bytes)
    train.batch([0, 1])
    copy = pickle.loads(pickle.dumps(train))
    assert copy.digest == train.digest
    for image, path in zip(copy.batch(range(len(copy))), relative(train), strict=True):
        assert np.array_equal(image.numpy(), rgb(files[path]))


@pytest.mark.slow
def test_spawned_workers_see_the_same_images(write_folder: WriteFolder) -> None:
    files = pictures()
    train = train_of(write_folder(files), hold_bytes=0)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for image, path in zip(pool.map(train.image, range(4)), relative(train), strict=False):
            assert np.array_equal(image.numpy(), rgb(files[path]))

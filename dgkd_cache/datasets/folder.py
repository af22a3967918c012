"""Loads folder:PATH, images in class folders under train/ and test/ (or val/), which `discovery` finds.

A sample is identified by the bytes of its file, since JPEG decoders differ. Its index depends on the relative paths
alone: they are sorted, then permuted in a fixed way, so that rows are not sorted by class.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import get_worker_info

from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.decoding import rules_of, warn_of_traits
from dgkd_cache.datasets.discovery import find_classes
from dgkd_cache.datasets.images import Images, digest_rows
from dgkd_cache.datasets.labelled_files import LabelledFiles
from dgkd_cache.datasets.normalisation import Constants, mean_and_std
from dgkd_cache.datasets.reading import (
    ReadImage,
    decode,
    decoding_threads,
    file_digest,
    read_all,
    read_bytes,
    read_images,
)
from dgkd_cache.datasets.remarks import say_source
from dgkd_cache.errors import DataUnreadable, InvalidInput
from dgkd_cache.randomness.philox import Domain, permutation
from dgkd_stores.arguments import as_path, require_integer

__all__ = [
    "HOLD_BYTES",
    "INDEX_KEY",
    "FolderImages",
    "check_same_classes",
    "index_order",
    "load_folder",
    "load_splits",
    "split_folder",
]

HOLD_BYTES = 2 * 1024**3
"""The largest split, in bytes of pixels, that is decoded into memory; larger ones are decoded at each use."""

INDEX_KEY = hashlib.sha256(b"dgkd-folder-index").digest()[:16]
"""The key of every folder's permutation. It never changes, because it defines "sample i" in guide stores."""


def load_folder(path: Path, *, hold_bytes: int = HOLD_BYTES) -> Dataset:
    """Returns the data set in `path`/train and `path`/test, or `path`/val if there is no test folder.

    It is called folder:NAME after the last part of the path; its digest identifies it.

    Raises InvalidInput if the folders are missing, DataUnreadable for class folders that differ or hold no images and
    for files that are not images.
    """
    folders = {split: split_folder(path, split) for split in ("train", "test")}
    check_same_classes(folders["train"], folders["test"])
    train, test = (LabelledFiles.in_class_folders(folder) for folder in folders.values())
    return load_splits(f"folder:{path.resolve().name}", train, test, hold_bytes=hold_bytes)


def load_splits(
    name: str,
    train: LabelledFiles,
    test: LabelledFiles,
    *,
    hold_bytes: int,
    constants: Constants | None = None,
    class_words: Sequence[Sequence[str]] = (),
) -> Dataset:
    """Returns the data set of these files; `constants` are its mean and deviation, computed where None is given.

    Raises what `FolderImages` raises.
    """
    say_source(name, train.folder, test.folder)
    images = FolderImages(train, name=name, split="train", hold_bytes=hold_bytes)
    tests = FolderImages(test, name=name, split="test", hold_bytes=hold_bytes)
    mean, std = constants or mean_and_std(images)
    return Dataset(train=images, test=tests, mean=mean, std=std, class_words=tuple(map(tuple, class_words)))


class FolderImages(Images):
    """A split of RGB images in files: held in memory up to `hold_bytes` of pixels, else decoded at each use.

    The constructor reads every file: it decodes those that may be held and reads the header of the others. Images that
    are decoded at each use are decoded in parallel if many samples are requested at once.
    """

    def __init__(
        self, files: LabelledFiles | Path | str, *, name: str, split: str, hold_bytes: int = HOLD_BYTES
    ) -> None:
        """`files` may be a folder of class folders.

        Raises DataUnreadable for class folders without images and for files that are not images.
        """
        if not isinstance(files, LabelledFiles):
            files = LabelledFiles.in_class_folders(as_path("FolderImages", "files", files))
        self._folder = folder = files.folder
        order = index_order(list(files.label_of))
        self._paths = [files.path(key) for key in order]
        self._threads = decoding_threads(folder, self._paths)
        read = read_images(folder, self._paths, hold_bytes=hold_bytes, threads=self._threads)
        found = [one.traits for one in read]
        warn_of_traits(str(folder), found)
        sizes = [(one.height, one.width) for one in read]
        one_size = sizes[0] if len(set(sizes)) == 1 else (None, None)
        super().__init__(
            name=name,
            split=split,
            classes=files.classes,
            labels_N=np.array([files.label_of[key] for key in order], dtype=np.int64),
            channels=3,
            height=one_size[0],
            width=one_size[1],
            digest_kind="file",
            decoding=rules_of(found),
        )
        self._sizes = np.array(sizes, dtype=np.int64)
        # Sample i is bytes [offset i, offset i + 1) of one flat tensor, which workers share without a copy.
        self._offsets = np.concatenate(([0], np.cumsum(3 * self._sizes.prod(axis=1))))
        self._pixels: Tensor | None = None
        if all(one.pixels_IHW is not None for one in read):
            self._hold(read)

    @property
    def pixels_NIHW(self) -> Tensor | None:
        if self._pixels is None or self.height is None or self.width is None:
            return None
        return self._pixels.view(len(self), self.channels, self.height, self.width)

    def image(self, sample: int) -> Tensor:
        """Returns the uint8 pixels [3, H, W]. Raises DataUnreadable when the file broke or changed since loading."""
        require_integer("image", "sample", sample, low=0, high=len(self) - 1)
        if self._pixels is None:
            return self._read([sample])[0]
        height, width = (int(size) for size in self._sizes[sample])
        start = int(self._offsets[:-1][sample])
        return self._pixels[start : start + 3 * height * width].view(3, height, width)

    def to(self, device: torch.device | str) -> Self:
        # Held images of several sizes stay in memory: worker processes read them, and may not use a GPU after a fork.
        if self._pixels is None or self.pixels_NIHW is None:
            return self
        pixels = self._pixels.to(device)
        if pixels is self._pixels:
            return self
        moved = copy.copy(self)
        moved._pixels, moved._original = pixels, self
        return moved

    @cached_property
    def sample_digest_N16(self) -> NDArray[np.uint8]:
        """The first 16 bytes of SHA-256 of each file, uint8 [N, 16]; taken while decoding when held."""
        return digest_rows(read_all(self._folder, self._paths, lambda path: file_digest(read_bytes(path))))

    def describe(self, sample: int) -> str:
        """Describes the sample for a message, such as 'sample 17 (train/ship/0001.jpg)'."""
        return f"sample {sample} ({self._folder.name}/{self._paths[sample]})"

    def _read(self, samples: list[int]) -> list[Tensor]:
        if self._pixels is not None:
            return super()._read(samples)
        # Each of DataLoader's workers decodes alone: the user sets their number.
        threads = self._threads if get_worker_info() is None and len(samples) > 1 else 1
        paths = [self._paths[sample] for sample in samples]
        decoded = read_all(self._folder, paths, _decode, threads=threads)
        return [self._check_unchanged(sample, read) for sample, read in zip(samples, decoded, strict=True)]

    def _check_unchanged(self, sample: int, read: tuple[NDArray[np.uint8], bytes]) -> Tensor:
        """Returns the pixels of a file, after checking that its size and its digest, if known, are unchanged.

        A run knows all digests, because it compares them with its guides' before it begins.
        """
        pixels_IHW, digest = read
        known_N16 = vars(self).get("sample_digest_N16")
        if pixels_IHW.shape[1:] != tuple(self._sizes[sample]):
            expected = "an image of {} x {}".format(*self._sizes[sample])
            found = "{} x {}".format(*pixels_IHW.shape[1:])
        elif known_N16 is not None and digest != known_N16[sample].tobytes():
            expected, found = f"SHA-256 {known_N16[sample].tobytes().hex()}...", f"{digest.hex()}..."
        else:
            return torch.from_numpy(pixels_IHW)
        raise DataUnreadable(
            f"{self._folder / self._paths[sample]} changed since the data set was loaded",
            expected=expected,
            found=found,
            do="start again, so that the guides are checked against the new images",
        )

    def _hold(self, read: list[ReadImage]) -> None:
        """Moves the decoded pixels into one tensor, freeing each in turn, and keeps the digests."""
        self.sample_digest_N16 = digest_rows([one.digest or b"" for one in read])
        pixels = np.empty(self._offsets[-1], dtype=np.uint8)
        for sample in reversed(range(len(read))):
            pixels_IHW = read.pop().pixels_IHW
            assert pixels_IHW is not None
            pixels[self._offsets[sample] : self._offsets[sample + 1]] = pixels_IHW.ravel()
        self._pixels = torch.from_numpy(pixels)


def index_order(paths: Sequence[str]) -> list[str]:
    """Returns relative posix paths in the order of their index: sorted by code points, then permuted.

    Sample i is the path at place argsort(words)[i] of the sorted list, where words are the first len(paths)
    Philox words under INDEX_KEY at view 0, domain ORDER, and the sort is stable.
    """
    in_order = sorted(paths)
    return [in_order[place] for place in permutation(INDEX_KEY, len(paths), view=0, domain=Domain.ORDER)]


def _decode(path: Path) -> tuple[NDArray[np.uint8], bytes]:
    """Returns the pixels of a file, and the digest of the same bytes."""
    content = read_bytes(path)
    return decode(content), file_digest(content)


def split_folder(path: Path, split: str) -> Path:
    """Returns the folder of a split ("train" or "test") in a folder of images. Raises InvalidInput if there is none."""
    for name in ("train",) if split == "train" else ("test", "val"):
        if (path / name).is_dir():
            return path / name
    found = sorted(entry.name for entry in path.iterdir())[:8] if path.is_dir() else None
    if found is None:
        do = "check the path"
    elif path.name in ("train", "test", "val"):
        do = f"name the folder above {path.name}/"
    else:
        do = f"put the {split} images of each class into {split}/CLASS/"
    raise InvalidInput(
        f"{path} is not a folder of images",
        expected="train/ and test/ (or val/) with a folder a class in each",
        found="no such folder" if found is None else (", ".join(found) or "an empty folder"),
        do=do,
    )


def check_same_classes(train: Path, test: Path) -> None:
    """Raises DataUnreadable unless both splits have equal class folders, before any image is read."""
    names = [set(find_classes(folder)) for folder in (train, test)]
    for folder, lacking in ((test, names[0] - names[1]), (train, names[1] - names[0])):
        if lacking:
            raise DataUnreadable(
                f"the class folders of {train} and {test} differ",
                expected="the same in both",
                found=f"{', '.join(sorted(lacking)[:8])} not in {folder.name}/ ({len(lacking)} in all)",
                do="name Tiny ImageNet as it is shipped tiny-imagenet:PATH"
                if (test.parent / "val" / "val_annotations.txt").is_file()
                else "give both splits the same class folders",
            )

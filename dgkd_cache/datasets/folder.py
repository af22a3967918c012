"""Loads folder:PATH, images in class folders under train/ and test/ (or val/), which `discovery` finds.

A sample is identified by the bytes of its file, since JPEG decoders differ. Its index depends on the relative paths
alone: they are sorted, then permuted in a fixed way, so that rows are not sorted by class.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import get_worker_info

from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.decoders import PILLOW, DecoderName, decode, decoder_version, require_decoder
from dgkd_cache.datasets.decoding import rules_of, warn_of_others, warn_of_traits
from dgkd_cache.datasets.discovery import find_classes
from dgkd_cache.datasets.file_index import FileFacts
from dgkd_cache.datasets.images import READ_AHEAD, Images, Then, unchanged
from dgkd_cache.datasets.indexing import index_files
from dgkd_cache.datasets.kept_constants import content_key, kept_constants
from dgkd_cache.datasets.kept_pixels import LEAST_BYTES, KeptPixels
from dgkd_cache.datasets.labelled_files import LabelledFiles
from dgkd_cache.datasets.normalisation import SUBSET, Constants, mean_and_std
from dgkd_cache.datasets.reading import (
    decoding_threads,
    file_digest,
    read_bytes,
    read_each,
    read_image,
    read_then,
)
from dgkd_cache.datasets.remarks import say_source
from dgkd_cache.errors import DataUnreadable, Interrupted, InvalidInput
from dgkd_cache.paths import cache_folder
from dgkd_cache.randomness.philox import Domain, permutation
from dgkd_stores.arguments import as_path, require_integer
from dgkd_stores.disk import Stop, never

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

_AHEAD_A_THREAD = 8
"""Images that each thread decodes ahead. Four times as many leave the processor's caches before they are used: two
threads then took 7 % more processor time for photographs."""

INDEX_KEY = hashlib.sha256(b"dgkd-folder-index").digest()[:16]
"""The key of every folder's permutation. It never changes, because it defines "sample i" in guide stores."""


def load_folder(
    path: Path,
    *,
    hold_bytes: int = HOLD_BYTES,
    rehash: bool = False,
    decoder: DecoderName = PILLOW,
    stop: Stop = never,
) -> Dataset:
    """Returns the data set in `path`/train and `path`/test, or `path`/val if there is no test folder.

    It is called folder:NAME after the last part of the path; its digest identifies it. `decoder` decodes plain JPEGs.

    Raises InvalidInput if the folders are missing, DataUnreadable for class folders that differ or hold no images and
    for files that are not images, and Interrupted once `stop`, which is asked after each file, says so.
    """
    folders = {split: split_folder(path, split) for split in ("train", "test")}
    check_same_classes(folders["train"], folders["test"])
    name = f"folder:{path.resolve().name}"
    say_source(name, *folders.values())
    train, test = (LabelledFiles.in_class_folders(folder) for folder in folders.values())
    return load_splits(name, train, test, hold_bytes=hold_bytes, rehash=rehash, decoder=decoder, stop=stop)


def load_splits(
    name: str,
    train: LabelledFiles,
    test: LabelledFiles,
    *,
    hold_bytes: int,
    rehash: bool = False,
    decoder: DecoderName = PILLOW,
    stop: Stop = never,
    constants: Constants | None = None,
    class_words: Sequence[Sequence[str]] = (),
) -> Dataset:
    """Returns the data set of these files; `constants` are its mean and deviation, computed where None is given.

    With `rehash` all files are read, whatever the index of their folder knows; `decoder` decodes plain JPEGs.

    Raises what `FolderImages` raises.
    """
    images, tests = (
        FolderImages(files, name=name, split=split, hold_bytes=hold_bytes, rehash=rehash, decoder=decoder, stop=stop)
        for files, split in ((train, "train"), (test, "test"))
    )
    mean, std = constants or images.constants()
    return Dataset(train=images, test=tests, mean=mean, std=std, class_words=tuple(map(tuple, class_words)))


class FolderImages(Images):
    """A split of RGB images in files: held in memory up to `hold_bytes` of pixels, else decoded at each use.

    The constructor reads every file that the index of its folder does not know (`FileIndex`), and decodes all if they
    may be held. Images that are decoded at each use are decoded in parallel if many samples are requested at once.
    """

    decoder: DecoderName
    """The decoder of plain JPEGs, which view plans name."""

    def __init__(
        self,
        files: LabelledFiles | Path | str,
        *,
        name: str,
        split: str,
        hold_bytes: int = HOLD_BYTES,
        rehash: bool = False,
        decoder: DecoderName = PILLOW,
        stop: Stop = never,
    ) -> None:
        """`files` may be a folder of class folders; with `rehash` all files are read, whatever the index knows.

        `decoder` decodes plain JPEGs, Pillow all other files. `stop` is asked after each file. Raises DataUnreadable
        for class folders without images and for files that are not images, UnknownName or InvalidInput for a decoder
        that is not known or not usable, and Interrupted once `stop` says so.
        """
        require_decoder("FolderImages", decoder)
        self.decoder = decoder
        if not isinstance(files, LabelledFiles):
            files = LabelledFiles.in_class_folders(as_path("FolderImages", "files", files))
        self._folder = folder = files.folder
        order = index_order(list(files.label_of))
        self._paths = [files.path(key) for key in order]
        self._threads = decoding_threads(folder, self._paths)
        try:
            facts = index_files(folder, self._paths, threads=self._threads, rehash=rehash, stop=stop)
        except DataUnreadable:
            self._refuse_all_broken(hold_bytes)
            raise
        self._sizes = facts.shape_N2.astype(np.int64)
        self.sample_digest_N16 = facts.digest_N16
        # Sample i is bytes [offset i, offset i + 1) of one flat tensor, which workers share without a copy.
        self._offsets = np.concatenate(([0], np.cumsum(3 * self._sizes.prod(axis=1))))
        self._pixels = self._hold(facts, stop) if self._offsets[-1] <= hold_bytes else None
        warn_of_traits(str(folder), facts.traits_N)
        if decoder != PILLOW:
            warn_of_others(str(folder), facts.traits_N, decoder)
        height, width = self._sizes[0].tolist() if (self._sizes == self._sizes[0]).all() else (None, None)
        super().__init__(
            name=name,
            split=split,
            classes=files.classes,
            labels_N=np.array([files.label_of[key] for key in order], dtype=np.int64),
            channels=3,
            height=height,
            width=width,
            digest_kind="file",
            decoding=rules_of(facts.traits_N),
        )

    def constants(self) -> Constants:
        """Returns `mean_and_std` of these images, which is kept if they have more than a few pixels."""
        if self._offsets[-1] < LEAST_BYTES:
            return mean_and_std(self)
        version = f"{decoder_version(self.decoder)}, {SUBSET} samples"
        key = content_key(self._sizes, self.sample_digest_N16, decoder=version)
        if self.pixels_NIHW is None:  # then it is of some samples
            key = hashlib.sha256(f"{key} subset".encode()).hexdigest()
        return kept_constants(key, lambda: mean_and_std(self), cache=cache_folder())

    @property
    def threads(self) -> int:
        """The number of threads that decode images which are asked for together."""
        return self._threads

    @property
    def pixels_NIHW(self) -> Tensor | None:
        if self._pixels is None or self.height is None or self.width is None:
            return None
        return self._pixels.view(len(self), self.channels, self.height, self.width)

    def image(self, sample: int) -> Tensor:
        """Returns the uint8 pixels [3, H, W]. Raises DataUnreadable when the file broke or changed since loading."""
        require_integer("image", "sample", sample, low=0, high=len(self) - 1)
        if self._pixels is None:
            return self._read([sample])[0].contiguous()
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

    def describe(self, sample: int) -> str:
        """Describes the sample for a message, such as 'sample 17 (train/ship/0001.jpg)'."""
        return f"sample {sample} ({self._folder.name}/{self._paths[sample]})"

    def _read(self, samples: list[int]) -> list[Tensor]:
        if self._pixels is not None:
            return super()._read(samples)
        return list(self._each(samples, unchanged))

    def _each(self, samples: list[int], then: Then) -> Iterator[Tensor]:
        if self._pixels is not None:
            yield from super()._each(samples, then)
            return

        def made(place: int, read: tuple[NDArray[np.uint8], bytes]) -> Tensor:
            return then(place, self._check_unchanged(samples[place], *read))

        # Each of DataLoader's workers decodes alone: the user sets their number.
        threads = self._threads if get_worker_info() is None and len(samples) > 1 else 1
        paths = [self._paths[sample] for sample in samples]
        read, most = partial(_decode, decoder=self.decoder), min(READ_AHEAD, _AHEAD_A_THREAD * threads)
        given = 0
        for place, image in read_then(self._folder, paths, read, made, threads, most=most):
            if place == given:  # else one before it cannot be read, which is raised at the end
                yield image
                given += 1

    def _check_unchanged(self, sample: int, pixels_IHW: NDArray[np.uint8], digest: bytes) -> Tensor:
        """Returns the pixels of a file, after checking that its size and its digest are unchanged."""
        known = self.sample_digest_N16[sample].tobytes()
        if pixels_IHW.shape[1:] != tuple(self._sizes[sample]):
            expected = "an image of {} x {}".format(*self._sizes[sample])
            found = "{} x {}".format(*pixels_IHW.shape[1:])
        elif digest != known:
            expected, found = f"SHA-256 {known.hex()}...", f"{digest.hex()}..."
        else:
            return torch.from_numpy(pixels_IHW)
        raise DataUnreadable(
            f"{self._folder / self._paths[sample]} changed since the data set was loaded",
            expected=expected,
            found=found,
            do="start again, so that the guides are checked against the new images",
        )

    def _refuse_all_broken(self, hold_bytes: int) -> None:
        """Raises DataUnreadable for all files of a split that would be held: of the index, headers alone are known."""
        for _, read in read_each(self._folder, self._paths, partial(read_image, decoder=self.decoder), self._threads):
            hold_bytes -= read.pixels_IHW.nbytes
            if hold_bytes < 0:
                return

    def _hold(self, facts: FileFacts, stop: Stop) -> Tensor:
        """Returns the pixels of all images as one tensor, and corrects their traits: decoded pixels tell more."""
        version = decoder_version(self.decoder)
        kept = KeptPixels(self._sizes, facts.digest_N16, cache=cache_folder(), decoder=version)
        if (found := kept.find()) is not None:
            pixels, facts.traits_N[:] = found
            return pixels
        pixels = self._decode_all(facts.traits_N, stop)
        kept.keep(pixels, facts.traits_N)
        return pixels

    def _decode_all(self, traits_N: NDArray[np.uint8], stop: Stop) -> Tensor:
        pixels = torch.empty(int(self._offsets[-1]), dtype=torch.uint8)
        read_one = partial(read_image, decoder=self.decoder)
        for sample, read in read_each(self._folder, self._paths, read_one, self._threads):
            found = self._check_unchanged(sample, read.pixels_IHW, read.digest)
            pixels[self._offsets[sample] : self._offsets[sample + 1]] = found.ravel()
            traits_N[sample] = read.traits.value
            if stop():
                raise Interrupted(
                    f"the decoding of the images in {self._folder} was stopped",
                    found=f"{sample + 1:,} of {len(self._paths):,} decoded",
                    do="run the same command again: the files are known, and are decoded anew",
                )
        return pixels


def index_order(paths: Sequence[str]) -> list[str]:
    """Returns relative posix paths in the order of their index: sorted by code points, then permuted.

    Sample i is the path at place argsort(words)[i] of the sorted list, where words are the first len(paths)
    Philox words under INDEX_KEY at view 0, domain ORDER, and the sort is stable.
    """
    in_order = sorted(paths)
    return [in_order[place] for place in permutation(INDEX_KEY, len(paths), view=0, domain=Domain.ORDER)]


def _decode(path: Path, decoder: str) -> tuple[NDArray[np.uint8], bytes]:
    """Returns the pixels of a file, and the digest of the same bytes."""
    content = read_bytes(path)
    return decode(content, decoder), file_digest(content)


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

"""One split of a data set: uint8 images with labels, known by index and by content.

Row i is sample i everywhere. A sample is known by the digest of its pixels (or of its file), never by its
name, so one changed pixel, one changed label or another order is noticed (DESIGN 4).
"""

from __future__ import annotations

import copy
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.errors import InvalidInput
from dgkd_stores.coding.canonical import JsonValue, canonical_json

__all__ = ["DigestKind", "Images", "Samples", "TensorImages", "pixel_digest"]

DigestKind = Literal["pixels", "file"]
Samples = Sequence[int] | NDArray[np.int64] | Tensor

_DIGEST_BYTES = 16
_READ_AHEAD = 64  # images of `each` in memory at a time: 100 MB of photographs, and work for many threads


class Images(ABC):
    """A split: what every reader of pixels, labels and identity may rely on.

    `labels_N` is int64 in [0, C) with C = len(classes). `height` and `width` are None when the images
    differ in size. `digest_kind` says what a sample digest covers: the decoded "pixels" or the "file".
    """

    _original: Images | None = None  # of a copy on a device: the images that it was copied from

    def __init__(
        self,
        *,
        name: str,
        split: str,
        classes: Sequence[str],
        labels_N: NDArray[np.int64],
        channels: int,
        height: int | None,
        width: int | None,
        digest_kind: DigestKind = "pixels",
    ) -> None:
        """Raises InvalidInput when labels and classes do not fit each other."""
        self.name = name
        self.split = split
        self.classes = tuple(classes)
        self.labels_N = _checked_labels(f"{name} ({split})", labels_N, self.classes)
        self.channels = channels
        self.height = height
        self.width = width
        self.digest_kind: DigestKind = digest_kind

    def __len__(self) -> int:
        return len(self.labels_N)

    @abstractmethod
    def image(self, sample: int) -> Tensor:
        """The uint8 pixels [I, H, W] of one sample."""

    def batch(self, samples_B: Samples) -> Tensor | list[Tensor]:
        """The samples asked for, in order: uint8 [B, I, H, W] when all images have one size, else a list.

        Each item of the list is [I, H, W]; resident pixels stay on their device.
        """
        if self.resident is not None:
            index_B = torch.as_tensor(samples_B, dtype=torch.int64)
            return self.resident[index_B.to(self.resident.device)]
        images = self._read(_as_list(samples_B))
        if self.height is None or self.width is None or not images:
            return images
        return torch.stack(images)

    def each(self, samples_B: Samples) -> Iterator[Tensor]:
        """The pixels [I, H, W] of the samples asked for, in order: read many at once, few of them in memory."""
        samples = _as_list(samples_B)
        for start in range(0, len(samples), _READ_AHEAD):
            yield from self._read(samples[start : start + _READ_AHEAD])

    @property
    def resident(self) -> Tensor | None:
        """All pixels [N, I, H, W] when they lie in memory in one size, else None."""
        return None

    def to(self, device: torch.device | str) -> Images:
        """This split with its resident pixels on `device`; itself when nothing is resident or all is there.

        A copy keeps the original and takes its digests, so each pixel is hashed once, and none is brought back for it.
        """
        return self

    @cached_property
    def sample_digest_N16(self) -> NDArray[np.uint8]:
        """The first 16 bytes of SHA-256 of each sample, uint8 [N, 16]; computed once."""
        if self._original is not None:
            return self._original.sample_digest_N16
        digests = b"".join(pixel_digest(self.image(sample)) for sample in range(len(self)))
        return np.frombuffer(digests, dtype=np.uint8).reshape(len(self), _DIGEST_BYTES).copy()

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over classes and geometry, labels and sample digests: the identity of the split."""
        if self._original is not None:
            return self._original.digest
        record: dict[str, JsonValue] = {
            "channels": self.channels,
            "classes": list(self.classes),
            "height": self.height,
            "sample_digest": self.digest_kind,
            "samples": len(self),
            "width": self.width,
        }
        content = hashlib.sha256(canonical_json(record))
        content.update(self.labels_N.astype("<i8").tobytes())
        content.update(self.sample_digest_N16.tobytes())
        return content.hexdigest()

    def describe(self, sample: int) -> str:
        """The sample in words for a message, such as 'sample 17 (train, class ship)'."""
        return f"sample {sample} ({self.split}, class {self.classes[self.labels_N[sample]]})"

    def _read(self, samples: list[int]) -> list[Tensor]:
        """The pixels [I, H, W] of some samples, in order: where a subclass can read many faster than one by one."""
        return [self.image(sample) for sample in samples]


class TensorImages(Images):
    """A split held as one uint8 tensor [N, I, H, W]."""

    def __init__(
        self,
        images_NIHW: Tensor | NDArray[np.uint8],
        labels_N: Tensor | NDArray[np.integer] | Sequence[int],
        *,
        classes: Sequence[str],
        name: str,
        split: str,
    ) -> None:
        """Raises InvalidInput for pixels that are not uint8 [N, I, H, W] or labels that do not fit them."""
        what = f"{name} ({split})"
        pixels_NIHW = torch.as_tensor(images_NIHW)
        if pixels_NIHW.dtype != torch.uint8 or pixels_NIHW.ndim != 4 or 0 in pixels_NIHW.shape:
            raise InvalidInput(
                f"the images of {what} cannot be used",
                expected="a non-empty uint8 array [samples, channels, height, width]",
                found=f"{str(pixels_NIHW.dtype).removeprefix('torch.')} {list(pixels_NIHW.shape)}",
                do="convert them, for example with images.astype('uint8').transpose(0, 3, 1, 2)",
            )
        labels = np.asarray(labels_N.cpu() if isinstance(labels_N, Tensor) else labels_N)
        samples, channels, height, width = pixels_NIHW.shape
        if labels.shape != (samples,):
            raise InvalidInput(
                f"the labels of {what} do not fit its images",
                expected=f"one label for each of {samples} images",
                found=f"shape {list(labels.shape)}",
                do="give the labels as a one-dimensional array in the order of the images",
            )
        super().__init__(
            name=name,
            split=split,
            classes=classes,
            labels_N=labels,
            channels=channels,
            height=height,
            width=width,
        )
        self._images_NIHW = pixels_NIHW.contiguous()

    @property
    def resident(self) -> Tensor:
        return self._images_NIHW

    def image(self, sample: int) -> Tensor:
        return self._images_NIHW[sample]

    def to(self, device: torch.device | str) -> Self:
        images_NIHW = self._images_NIHW.to(device)
        if images_NIHW is self._images_NIHW:
            return self
        moved = copy.copy(self)
        moved._images_NIHW, moved._original = images_NIHW, self
        return moved


def pixel_digest(image_IHW: Tensor) -> bytes:
    """First 16 bytes of SHA-256 over the shape (three little-endian int64) and the pixels of one image."""
    content = hashlib.sha256(np.asarray(image_IHW.shape, dtype="<i8").tobytes())
    content.update(image_IHW.cpu().numpy().tobytes())
    return content.digest()[:_DIGEST_BYTES]


def _as_list(samples_B: Samples) -> list[int]:
    indices: list[int] = samples_B.tolist() if isinstance(samples_B, Tensor | np.ndarray) else list(samples_B)
    return indices


def _checked_labels(what: str, labels_N: NDArray[np.int64], classes: tuple[str, ...]) -> NDArray[np.int64]:
    """The labels as int64, once they are integers in [0, C) and the class names are distinct texts."""
    if not classes or not all(isinstance(name, str) and name for name in classes):
        raise InvalidInput(f"the classes of {what} have no names", expected="one text a class", found=repr(classes))
    if len(set(classes)) != len(classes):
        twice = next(name for name in classes if classes.count(name) > 1)
        raise InvalidInput(
            f"two classes of {what} share a name",
            expected="distinct names",
            found=f"{twice!r} more than once",
        )
    if labels_N.ndim != 1 or not len(labels_N) or labels_N.dtype.kind not in "iu":
        raise InvalidInput(
            f"the labels of {what} cannot be used",
            expected="a non-empty one-dimensional array of integers",
            found=f"{labels_N.dtype} {list(labels_N.shape)}",
            do="number the classes from 0",
        )
    outside = np.flatnonzero((labels_N < 0) | (labels_N >= len(classes)))
    if len(outside):
        raise InvalidInput(
            f"a label of {what} names no class",
            expected=f"labels from 0 to {len(classes) - 1}",
            found=f"{labels_N[outside[0]]} at sample {outside[0]}",
            do="number the classes from 0, or name all of them",
        )
    return labels_N.astype(np.int64)

"""One split of a data set: uint8 images with labels, identified by index and by content.

Row i is sample i everywhere. A sample is identified by the digest of its pixels (or of its file), never by its name, so
one changed pixel, one changed label or another order is detected.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.datasets.arrays import check_pixels
from dgkd_cache.datasets.channel_order import channels_are_last
from dgkd_cache.datasets.decoders import DecoderName
from dgkd_cache.datasets.digests import content_digest, digest_rows, pixel_digest
from dgkd_cache.datasets.labels import check_classes, check_labels, label_count
from dgkd_cache.device.device import usable_device
from dgkd_cache.errors import DataUnreadable, InvalidInput
from dgkd_cache.user_code import convert_errors
from dgkd_stores import JsonValue
from dgkd_stores.arguments import describe_value, integers, refusal, require_integer, require_kind

__all__ = [
    "READ_AHEAD",
    "DigestKind",
    "Images",
    "Samples",
    "TensorImages",
    "Then",
    "unchanged",
]

DigestKind = Literal["pixels", "file"]
Samples = Sequence[int] | NDArray[np.int64] | Tensor
Then = Callable[[int, Tensor], Tensor]  # makes of a place and its image what `Images.each` yields

READ_AHEAD = 64
"""Images of `each` in memory at a time: 100 MB of photographs, and work for many threads."""


def unchanged(place: int, image_IHW: Tensor) -> Tensor:
    """Returns the image."""
    return image_IHW


class Images(ABC):
    """A split of a data set: the interface to pixels, labels and identity. A subclass gives `image`."""

    name: str
    """The name of the data set."""
    split: str
    """The name of the split, such as train."""
    classes: tuple[str, ...]
    """The names of the C classes, in the order of labels and logits."""
    labels_N: NDArray[np.int64]
    """int64 (N,): the class of each sample, in [0, C)."""
    channels: int
    """The number of channels."""
    height: int | None
    """The height in pixels; None if the images differ in size."""
    width: int | None
    """The width in pixels; None if the images differ in size."""
    digest_kind: DigestKind
    """The content that a sample digest covers: the decoded "pixels" or the "file"."""
    decoding: dict[str, int]
    """The numbered rules by which some images were decoded; a digest of files does not cover them."""
    decoder: DecoderName | None = None
    """The decoder of its files, which view plans name; None if the images are no files of a folder."""

    _original: Images | None = None  # for a copy on a device: the original images

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
        decoding: Mapping[str, int] | None = None,
    ) -> None:
        """Raises InvalidInput if labels and classes do not match, or if channels come last."""
        require_kind("Images", "name", name, str, expected="the name of the data set")
        require_kind("Images", "split", split, str, expected="the name of the split, such as train")
        self.name = name
        self.split = split
        self.classes = check_classes(f"{name} ({split})", classes)
        self.labels_N = check_labels(f"{name} ({split})", labels_N, self.classes)
        self.channels = channels
        self.height = height
        self.width = width
        self.digest_kind = digest_kind
        self.decoding = dict(decoding or {})
        if height is not None and width is not None and channels_are_last((channels, height, width)):
            raise InvalidInput(
                f"the images of {name} ({split}) have their channels last",
                expected="channels, height and width in this order",
                found=f"channels={channels}, height={height}, width={width}",
                do=f"give channels={width}, height={channels}, width={height}, and images in that order",
            )

    def __len__(self) -> int:
        return len(self.labels_N)

    @abstractmethod
    def image(self, sample: int) -> Tensor:
        """Returns the uint8 pixels [I, H, W] of one sample. Raises InvalidInput if there is no such sample."""

    def batch(self, samples_B: Samples) -> Tensor | list[Tensor]:
        """Returns the requested samples in order: uint8 [B, I, H, W] if all images have one size, else a list.

        Each item of the list is [I, H, W]; pixels in memory stay on their device. Raises InvalidInput for samples that
        do not exist and for images of another form than the split declares, DataUnreadable for what cannot be read.
        """
        if self.pixels_NIHW is not None:
            index_B = samples_B if isinstance(samples_B, Tensor) else torch.from_numpy(_check_samples(samples_B))
            _require_indices(index_B)
            if index_B.device.type == "cpu":  # on a GPU this would wait for the device
                self.require_samples(index_B.numpy())
            return self.pixels_NIHW[index_B.to(self.pixels_NIHW.device, torch.int64)]
        images = [image_IHW.contiguous() for image_IHW in self._read_and_check(_as_list(samples_B))]
        if self.height is None or self.width is None or not images:
            return images
        return torch.stack(images)

    def each(self, samples_B: Samples, then: Then = unchanged) -> Iterator[Tensor]:
        """Yields the pixels [I, H, W] of the requested samples in order; many are read at once, few are in memory.

        Each is given to `then` with its place in `samples_B`, and the result is yielded; where files are decoded, the
        threads that decode them do that, and the channels of a pixel lie together, as decoders give them.
        Raises InvalidInput and DataUnreadable as `batch`, and what `then` raises.
        """
        samples = _as_list(samples_B)
        self.require_samples(np.asarray(samples, dtype=np.int64))
        yield from self._each(samples, then)

    @property
    def pixels_NIHW(self) -> Tensor | None:
        """All pixels [N, I, H, W] if they are in memory and have one size, else None."""
        return None

    def to(self, device: torch.device | str) -> Images:
        """Returns this split with its pixels on `device`; itself if they are not in memory, or are there.

        A copy keeps the original and uses its digests, so each pixel is hashed once, and none is copied back.
        """
        return self

    @cached_property
    def sample_digest_N16(self) -> NDArray[np.uint8]:
        """The first 16 bytes of SHA-256 of each sample, uint8 [N, 16]; computed once. Raises as `batch`."""
        if self._original is not None:
            return self._original.sample_digest_N16
        return digest_rows(pixel_digest(image_IHW) for image_IHW in self.each(range(len(self))))

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over classes and geometry, labels and sample digests: the identity of the split."""
        if self._original is not None:
            return self._original.digest
        return content_digest(self)

    @property
    def samples_N(self) -> NDArray[np.int64]:
        """int64: the numbers of the samples whose pixels are here, ascending; all, except in aligned images."""
        return np.arange(len(self))

    @property
    def aligned(self) -> dict[str, JsonValue]:
        """The card's entry of the guide that the images are aligned with; empty, except in aligned images."""
        return {}

    def require_samples(self, samples_B: NDArray[np.int64]) -> None:
        """Raises InvalidInput for samples out of range; Python would count negative ones from the end."""
        if samples_B.size and not 0 <= samples_B.min() <= samples_B.max() < len(self):
            raise InvalidInput(
                "no such sample",
                expected=f"samples 0 to {len(self) - 1} of {self.name} ({self.split})",
                found=f"samples {samples_B.min()} to {samples_B.max()}",
            )

    def describe(self, sample: int) -> str:
        """Describes the sample for a message, such as 'sample 17 (train, class ship)'."""
        return f"sample {sample} ({self.split}, class {self.classes[self.labels_N[sample]]})"

    def _read_and_check(self, samples: list[int]) -> list[Tensor]:
        """Returns the pixels of some samples. Raises InvalidInput unless they have the declared shape and type."""
        self.require_samples(np.asarray(samples, dtype=np.int64))
        images = self._read(samples)
        expected = (self.channels, self.height, self.width)
        for sample, image_IHW in zip(samples, images, strict=True):
            fits = isinstance(image_IHW, Tensor) and image_IHW.dtype == torch.uint8 and image_IHW.ndim == 3
            if not fits or any(want not in (None, have) for want, have in zip(expected, image_IHW.shape, strict=True)):
                raise InvalidInput(
                    f"{self.describe(sample)} of {self.name} is not as the images say",
                    expected=f"a uint8 tensor [channels, height, width] of {[size or 'any' for size in expected]}",
                    found=f"{type(image_IHW).__name__}, {describe_value(image_IHW)}",
                    do="let image() return uint8 pixels, channels first",
                )
        return images

    def _each(self, samples: list[int], then: Then) -> Iterator[Tensor]:
        """Yields what `each` does, for samples that exist."""
        for start in range(0, len(samples), READ_AHEAD):
            for place, image_IHW in enumerate(self._read_and_check(samples[start : start + READ_AHEAD]), start):
                yield then(place, image_IHW)

    def _read(self, samples: list[int]) -> list[Tensor]:
        """Returns the pixels [I, H, W] of some samples in order; a subclass may read many faster than one by one."""
        return [self._read_one(sample) for sample in samples]

    def _read_one(self, sample: int) -> Tensor:
        with convert_errors(
            f"{self.describe(sample)} of {self.name} cannot be read",
            expected="its pixels from image()",
            do="mend image(), or what it reads, and run the same command again",
            into=DataUnreadable,
        ):
            return self.image(sample)


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
        pixels_NIHW = check_pixels(what, images_NIHW, samples=label_count(labels_N))
        samples, channels, height, width = pixels_NIHW.shape
        names = check_classes(what, classes)
        super().__init__(
            name=name,
            split=split,
            classes=names,
            labels_N=check_labels(what, labels_N, names, samples=samples),
            channels=channels,
            height=height,
            width=width,
        )
        self._images_NIHW = pixels_NIHW.contiguous()

    @property
    def pixels_NIHW(self) -> Tensor:
        return self._images_NIHW

    def image(self, sample: int) -> Tensor:
        """Returns the uint8 pixels [I, H, W] of one sample. Raises InvalidInput if there is no such sample."""
        require_integer("image", "sample", sample, low=0, high=len(self) - 1)
        return self._images_NIHW[sample]

    def to(self, device: torch.device | str) -> Self:
        device = usable_device(device, call="TensorImages.to")
        images_NIHW = self._images_NIHW.to(device)
        if images_NIHW is self._images_NIHW:
            return self
        moved = copy.copy(self)
        moved._images_NIHW, moved._original = images_NIHW, self
        return moved


_SAMPLES = "samples' numbers, one-dimensional integers"


def _check_samples(samples_B: Samples) -> NDArray[np.int64]:
    if isinstance(samples_B, Tensor):
        _require_indices(samples_B)
    given = samples_B.tolist() if isinstance(samples_B, Tensor) else samples_B
    return integers("batch", "samples_B", given, expected=_SAMPLES)


def _require_indices(samples_B: Tensor) -> None:
    """Raises InvalidInput for a tensor that is not one-dimensional integers; its values are not checked."""
    dense = samples_B.layout == torch.strided and not samples_B.is_nested and samples_B.device.type != "meta"
    number = not samples_B.is_floating_point() and not samples_B.is_complex() and samples_B.dtype != torch.bool
    if not (dense and number and not samples_B.is_quantized and samples_B.ndim == 1):
        expected = _SAMPLES if dense else f"{_SAMPLES}, in a dense tensor with values"
        raise refusal("batch", "samples_B", samples_B, expected=expected)


def _as_list(samples_B: Samples) -> list[int]:
    indices: list[int] = _check_samples(samples_B).tolist()
    return indices

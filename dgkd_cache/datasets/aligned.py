"""AlignedImages: our images in the order of a guide's samples, so that sample i is the guide's sample i.

Everything that depends on a sample's number (its views, the probe, the order of a run, the validation split) then is as
it was where the guide was dumped. A sample of the guide that we do not have keeps its number, and is never given out.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.datasets.alignment import GuideSamples, match_samples
from dgkd_cache.datasets.class_map import map_classes
from dgkd_cache.datasets.digests import content_digest
from dgkd_cache.datasets.images import Images, Then
from dgkd_cache.device.device import usable_device
from dgkd_cache.errors import InvalidInput
from dgkd_stores import JsonValue, canonical_json
from dgkd_stores.arguments import require_integer

__all__ = ["AlignedImages"]


class AlignedImages(Images):
    """`images` in the order of the samples of a `guide`; labels are those of the guide in the images' classes.

    `class_map` gives our class for each of the guide's classes that is used; it is needed where the classes differ.
    Raises Mismatch, which names the first difference, as `match_samples` and `map_classes`.
    """

    guide: GuideSamples
    """The samples of the guide, in its own classes."""
    columns_C: NDArray[np.int64] | None
    """int64 (C,): the columns of our classes in the guide's rows; None if both have the same classes."""
    unused: int
    """The number of our samples that the guide does not have."""

    def __init__(self, images: Images, guide: GuideSamples, *, class_map: Mapping[str, str] | None = None) -> None:
        columns_C = map_classes(class_map, theirs=guide.classes, ours=images.classes)
        labels_N = guide.labels_N
        if columns_C is not None:
            class_of_column = np.full(len(guide.classes), -1, np.int64)
            class_of_column[columns_C] = np.arange(len(columns_C))
            labels_N = class_of_column[guide.labels_N]
        index_N = match_samples(images, guide, labels_N)
        super().__init__(
            name=images.name,
            split=images.split,
            classes=images.classes,
            labels_N=np.maximum(labels_N, 0),  # a class that is not ours belongs to samples that we do not have
            channels=images.channels,
            height=guide.height,
            width=guide.width,
            digest_kind=images.digest_kind,
            decoding=images.decoding,
        )
        if (index_N < 0).any() and self.decoding.items() <= guide.decoding.items():
            self.decoding = dict(guide.decoding)  # the files that need the other rules are not here
        self.decoder = images.decoder
        self.guide, self.columns_C = guide, columns_C
        self.unused = len(images) - int((index_N >= 0).sum())
        self._images, self._index_N = images, index_N
        self._pixels = _in_order(images.pixels_NIHW, index_N)

    @property
    def samples_N(self) -> NDArray[np.int64]:
        return np.flatnonzero(self._index_N >= 0)

    @property
    def aligned(self) -> dict[str, JsonValue]:
        """The seal of the guide's store, how many of its samples are here, and its class for each of ours."""
        record: dict[str, JsonValue] = {"aligned_with": self.guide.seal, "aligned_samples": len(self.samples_N)}
        if self.columns_C is not None:
            of_column = self.guide.classes
            record["class_map"] = {
                ours: of_column[column] for ours, column in zip(self.classes, self.columns_C, strict=True)
            }
        return record

    @property
    def complete(self) -> bool:
        """True if we have every sample of the guide."""
        return bool((self._index_N >= 0).all())

    @property
    def sample_digest_N16(self) -> NDArray[np.uint8]:
        return self.guide.sample_digest_N16

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the content; of images without some of the guide's samples, also of which they have."""
        whole = content_digest(self)
        if self.complete:
            return whole
        held = hashlib.sha256(canonical_json({"split": whole, "held": len(self.samples_N)}))
        held.update(self.samples_N.astype("<i8").tobytes())
        return held.hexdigest()

    @property
    def pixels_NIHW(self) -> Tensor | None:
        return self._pixels

    def image(self, sample: int) -> Tensor:
        """Returns the uint8 pixels [I, H, W] of one sample. Raises InvalidInput if there is none, or not here."""
        require_integer("image", "sample", sample, low=0, high=len(self) - 1)
        self.require_samples(np.array([sample]))
        return self._images.image(int(self._index_N[sample]))

    def require_samples(self, samples_B: NDArray[np.int64]) -> None:
        super().require_samples(samples_B)
        lacking_B = samples_B[self._index_N[samples_B] < 0]
        if len(lacking_B):
            raise InvalidInput(
                "a sample of the guide that is not here",
                expected=f"some of the {len(self.samples_N)} samples that both have",
                found=f"sample {lacking_B[0]}",
                do="leave it out: images.samples_N has those that are here",
            )

    def to(self, device: torch.device | str) -> Self:
        device = usable_device(device, call="AlignedImages.to")
        if self._pixels is None or (pixels := self._pixels.to(device)) is self._pixels:
            return self
        moved = copy.copy(self)
        moved._pixels = pixels
        return moved

    def _each(self, samples: list[int], then: Then) -> Iterator[Tensor]:
        yield from self._images._each(self._index_N[samples].tolist(), then)

    def _read(self, samples: list[int]) -> list[Tensor]:
        return self._images._read(self._index_N[samples].tolist())


def _in_order(pixels_NIHW: Tensor | None, index_N: NDArray[np.int64]) -> Tensor | None:
    """Returns the pixels in memory in the guide's order; a sample that is not here has zeros, which nothing reads."""
    if pixels_NIHW is None or np.array_equal(index_N, np.arange(len(pixels_NIHW))):
        return pixels_NIHW
    ordered_NIHW = pixels_NIHW[torch.from_numpy(np.maximum(index_N, 0))]
    ordered_NIHW[torch.from_numpy(index_N < 0)] = 0
    return ordered_NIHW

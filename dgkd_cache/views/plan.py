"""The view plan: image geometry, transforms, scheme and seed. It defines every view; its digest identifies it.

A sample's parameters depend on (plan, view, sample) alone: sample i owns Philox blocks [i * B, (i + 1) * B)
of its view, under a key made of the plan's canonical JSON. View count, schedule and data set are not in it; only views
that mix samples have the number of those held out, which decides who is mixed with whom.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self, get_args

import numpy as np

from dgkd_cache.datasets.channel_order import channels_are_last
from dgkd_cache.datasets.decoders import PILLOW, DecoderName
from dgkd_cache.errors import InvalidInput, Mismatch, unknown_name
from dgkd_cache.randomness.philox import WORDS_PER_BLOCK, Domain, philox_words
from dgkd_cache.views.abc import IntArray, Transform, check_order
from dgkd_cache.views.mixing import Mixing
from dgkd_cache.views.registry import parse_transform, transform_from_dict
from dgkd_stores import canonical_json
from dgkd_stores.arguments import integer_text, refusal, require_integer

__all__ = ["Scheme", "ViewPlan"]

Scheme = Literal["sampled", "enumerated"]

_FORMAT, _VERSION = "dgkd-view-plan", 1
_KEYS = ("format", "version", "channels", "height", "width", "transforms", "scheme", "seed", "words")
_DECODER = "decoder"  # a key of plans whose files not Pillow alone decodes
_MAX_CHANNELS, _MAX_EDGE = 1024, 2**16
_SLAB = 2**16  # samples whose words are in memory at once


@dataclass(frozen=True, kw_only=True)
class ViewPlan:
    """The plan that defines the views; see `build`. Raises InvalidInput as `build`."""

    channels: int
    """I, the number of channels of an image."""
    height: int | None
    """The height of the images in pixels; None if they differ in size."""
    width: int | None
    """The width of the images in pixels; None if they differ in size."""
    transforms: tuple[Transform, ...]
    """The transforms, in order."""
    scheme: Scheme
    """The scheme by which (view, sample) gets its parameters: see `build`."""
    seed: int
    """The seed of the parameters, from 0 to 2^63 - 1."""
    decoder: DecoderName = PILLOW
    """The library that decodes plain JPEGs."""

    def __post_init__(self) -> None:
        """Raises InvalidInput for an invalid plan."""
        _check_integer("channels", self.channels, 1, _MAX_CHANNELS)
        for name, edge in (("height", self.height), ("width", self.width)):
            if edge is not None:
                _check_integer(name, edge, 1, _MAX_EDGE)
        _check_integer("seed", self.seed, 0, 2**63 - 1)
        if not isinstance(self.scheme, str) or self.scheme not in get_args(Scheme):
            raise unknown_name("view scheme", str(self.scheme)[:80], get_args(Scheme))
        if not isinstance(self.decoder, str) or self.decoder not in get_args(DecoderName):
            raise unknown_name("decoder", str(self.decoder)[:80], get_args(DecoderName))
        check_order(self.transforms)
        for transform in self.transforms:
            transform.check_channels(self.channels)
        assert self.view_shape
        if self.scheme == "enumerated" and self.outcomes is None:
            endless = [transform.name for transform in self.transforms if transform.outcomes is None]
            together = [transform.name for transform in self.transforms]  # each has few enough, but not all of them
            raise InvalidInput(
                "these transforms cannot be enumerated",
                expected="transforms of finitely many outcomes, all equally probable, such as crop and hflip",
                found=", ".join(endless or together),
                do='set scheme = "sampled"',
            )

    @classmethod
    def build(
        cls,
        *,
        image: tuple[int, int | None, int | None],
        transforms: Sequence[str],
        scheme: Scheme = "sampled",
        seed: int = 0,
        held_out: int = 0,
        decoder: DecoderName = PILLOW,
    ) -> Self:
        """Builds the plan for images [I, H, W] (H and W None if they differ) and transforms like ["crop(4)", "hflip"].

        "sampled": each (view, sample) draws its own parameters. "enumerated": view v applies the v-th of all outcomes
        to all samples. `held_out` is the number of samples held out of training, as `validation` in a workspace: mixup
        and cutmix mix them among themselves alone; plans without these do not have it. `decoder` is the one that the
        images were loaded with.

        Raises InvalidInput (UnknownName for names) for an invalid plan.
        """
        if isinstance(transforms, str) or not isinstance(transforms, Sequence):
            raise refusal("ViewPlan.build", "transforms", transforms, expected='a list like ["crop(4)", "hflip"]')
        if not isinstance(image, tuple | list) or len(image) != 3:
            expected = "channels, height and width, as (3, 32, 32); (3, None, None) for images of several sizes"
            raise refusal("ViewPlan.build", "image", image, expected=expected)
        channels, height, width = image
        sizes = [size for size in image if isinstance(size, int)]
        if len(sizes) == 3 and channels_are_last(sizes):
            raise refusal(
                "ViewPlan.build",
                "image",
                image,
                expected="channels, height and width in this order",
                do=f"write image=({width}, {channels}, {height})",
            )
        require_integer("ViewPlan.build", "held_out", held_out, low=0, high=2**31 - 1)
        parsed = [parse_transform(text) for text in transforms]
        return cls(
            channels=channels,
            height=height,
            width=width,
            transforms=tuple(one.holding_out(int(held_out)) if isinstance(one, Mixing) else one for one in parsed),
            scheme=scheme,
            seed=seed,
            decoder=decoder,
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the plan as JSON: integers, strings, None, lists and objects; Pillow is not named."""
        named = {} if self.decoder == PILLOW else {_DECODER: self.decoder}
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "channels": self.channels,
            "height": self.height,
            "width": self.width,
            "transforms": [transform.to_dict() for transform in self.transforms],
            "scheme": self.scheme,
            "seed": self.seed,
            "words": self.words,
            **named,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Returns the plan of a `to_dict` record. Raises Mismatch for another version, InvalidInput for no plan."""
        if record.get("format") != _FORMAT:
            raise InvalidInput("no view plan", expected=f"format {_FORMAT!r}", found=repr(record.get("format"))[:80])
        if record.get("version") != _VERSION:
            raise Mismatch(
                "a view plan of another version",
                expected=f"version {_VERSION}",
                found=repr(record.get("version"))[:80],
                do="update dgkd-cache",
            )
        if set(record) - {_DECODER} != set(_KEYS) or not isinstance(record["transforms"], list):
            found = ", ".join(sorted(map(str, record)))[:200]
            raise InvalidInput("bad view plan", expected=f"the keys {', '.join(sorted(_KEYS))}", found=found)
        if record.get(_DECODER) == PILLOW:  # the same plan would have two digests
            raise InvalidInput("bad view plan", expected=f"no key {_DECODER} for {PILLOW}", found=repr(PILLOW))
        plan = cls(
            channels=record["channels"],
            height=record["height"],
            width=record["width"],
            transforms=tuple(transform_from_dict(transform) for transform in record["transforms"]),
            scheme=record["scheme"],
            seed=record["seed"],
            decoder=record.get(_DECODER, PILLOW),
        )
        if record["words"] != plan.words:
            raise InvalidInput(
                "bad view plan", expected=f"{plan.words} words a sample", found=repr(record["words"])[:80]
            )
        return plan

    @cached_property
    def canonical(self) -> bytes:
        """The canonical JSON of to_dict (sorted keys, no white space, UTF-8)."""
        return canonical_json(self.to_dict())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `canonical`, in hex: the plan's name."""
        return hashlib.sha256(self.canonical).hexdigest()

    @cached_property
    def key16(self) -> bytes:
        """The Philox key: the first 16 bytes of the digest."""
        return bytes.fromhex(self.digest)[:16]

    @cached_property
    def words(self) -> int:
        """The number of random words of a sample's parameters."""
        return sum(transform.words for transform in self.transforms)

    @cached_property
    def blocks_per_sample(self) -> int:
        """The number of Philox blocks that a sample owns."""
        return -(-self.words // WORDS_PER_BLOCK)

    @cached_property
    def view_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a view's pixels."""
        height, width = self.height, self.width
        for transform in self.transforms:
            height, width = transform.output_size(height, width)
        assert height is not None and width is not None
        return self.channels, height, width

    @property
    def mixing(self) -> Mixing | None:
        """The transform that mixes each sample with another one, always the last; None if there is none."""
        last = self.transforms[-1]
        return last if isinstance(last, Mixing) else None

    @property
    def exact(self) -> bool:
        """True if pixels are the same on every machine (class b), given the same source pixels."""
        return all(transform.exact for transform in self.transforms)

    @cached_property
    def outcomes(self) -> int | None:
        """The number of outcomes of a sample, all equally probable; None if they cannot be enumerated."""
        counts = [transform.outcomes for transform in self.transforms]
        total = None if None in counts else math.prod(count for count in counts if count is not None)
        return total if total is not None and total < 2**63 else None

    @cached_property
    def limits(self) -> tuple[int, ...]:
        """The exclusive upper bound of each parameter."""
        return tuple(limit for transform in self.transforms for limit in transform.limits.values())

    def parameters(self, view: int, start: int, stop: int) -> IntArray:
        """Returns int64 [stop - start, P]: the parameters of samples [start, stop) in that view, in the order of
        transforms.

        Raises InvalidInput for an enumerated view from `outcomes` on.
        """
        assert 0 <= start <= stop
        if not 0 <= view < 2**63:
            raise InvalidInput("no such view", expected="a view number from 0 on", found=str(view))
        if self.scheme == "enumerated":
            return np.repeat(self.outcome_parameters(np.array([view])), stop - start, axis=0)
        blocks = self.blocks_per_sample
        words_BW = philox_words(
            self.key16, view=view, domain=Domain.PARAMETERS, first_block=start * blocks, blocks=(stop - start) * blocks
        ).reshape(stop - start, blocks * WORDS_PER_BLOCK)
        columns, first = [], 0
        for transform in self.transforms:
            columns.append(transform.parameters(words_BW[:, first : first + transform.words]))
            first += transform.words
        return np.concatenate(columns, axis=1)

    def outcome_parameters(self, views_B: IntArray) -> IntArray:
        """Returns int64 [B, P]: the parameters of all samples in these enumerated views, the last one changing fastest.

        Raises InvalidInput for a view from `outcomes` on.
        """
        outcomes = self.outcomes
        assert outcomes is not None
        if len(views_B) and not 0 <= views_B.min() <= views_B.max() < outcomes:
            raise InvalidInput(
                "no such view",
                expected=f"one of the {outcomes} enumerated views 0 to {outcomes - 1}",
                found=str(views_B.max()),
                do=f"stay below view {outcomes}: these are all that the transforms can do",
            )
        if not self.limits:
            return np.empty((len(views_B), 0), np.int64)
        return np.stack(np.unravel_index(views_B, self.limits), axis=1)

    def view_digest(self, view: int, samples: int) -> bytes:
        """Returns SHA-256 (32 bytes) over the parameters of samples [0, samples), int64 little-endian."""
        content = hashlib.sha256()
        for start in range(0, samples, _SLAB):
            content.update(self.parameters(view, start, min(start + _SLAB, samples)).astype("<i8").tobytes())
        return content.digest()


def _check_integer(what: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidInput(f"bad {what} of a view plan", expected=integer_text(low, high), found=repr(value)[:80])

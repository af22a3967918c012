"""The contract of a transform, and of the transforms of a plan together.

A transform turns a sample's random words into integers by exact arithmetic (no exp, log or sin: they differ
between processors), and pixels from those integers.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from torch import Tensor

from dgkd_cache.errors import InvalidInput
from dgkd_cache.views.arguments import Argument

__all__ = ["MIXING", "IntArray", "Transform", "WordArray", "check_order"]

MIXING = 5
"""The stage of transforms that mix two samples."""

IntArray = npt.NDArray[np.int64]
WordArray = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Transform(ABC):
    """A transform of a plan. Instances are frozen dataclasses whose fields define them completely.

    A plan's transforms come in stages that do not fall: 0 resized-crop, 1 crop, 2 hflip, 3 colour, tone, geometry, blur
    and policies in any order, 4 erasing, 5 mixing. Each stands in a plan once, and only one of them mixes.
    """

    name: ClassVar[str]
    """The key in plans and texts."""
    arguments: ClassVar[tuple[Argument, ...]] = ()
    """The arguments in brackets in its text: its first fields. Those with a default may be left out at the end."""
    example: ClassVar[str] = ""
    """A text with arguments, such as "crop(4)"."""
    stage: ClassVar[int]
    """Its place among the transforms of a plan."""
    exact: ClassVar[bool] = True
    """True if its pixels are the same on every machine (class b)."""
    any_size: ClassVar[bool] = False
    """True if it takes images that differ in size, and makes them one size: `apply` then gets one image at a time."""
    channel_counts: ClassVar[tuple[int, ...]] = ()
    """The numbers of channels that it takes; empty for all."""
    alone: ClassVar[bool] = False
    """True if it must be the only transform of a plan."""

    def __post_init__(self) -> None:
        """Raises InvalidInput for arguments of another kind or out of range."""
        for argument, value in zip(self.arguments, self._values, strict=True):
            if not argument.has_kind(value):
                raise self.refusal(f"{self.name}({value!r:.40})")
            if not argument.takes(value):
                raise self.bad_value(argument.expected, self.text[:80])

    @property
    def text(self) -> str:
        """The text that it is written as, with all its arguments, such as "crop(4)"."""
        return f"{self.name}({', '.join(map(str, self._values))})" if self.arguments else self.name

    @property
    def _values(self) -> list[Any]:
        return [getattr(self, field.name) for field in fields(self)[: len(self.arguments)]]

    @classmethod
    def form(cls) -> str:
        """Returns how it is written, as "crop(PIXELS)"."""
        names = ", ".join(argument.name for argument in cls.arguments)
        return f"{cls.name}({names})" if names else cls.name

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Self:
        """Builds the transform from the arguments in a text like "crop(4)"; raises InvalidInput for invalid ones."""
        with_default = [field for field in fields(cls)[: len(cls.arguments)] if field.default is not MISSING]
        values = [argument.read(text) for argument, text in zip(cls.arguments, texts, strict=False)]
        if not len(cls.arguments) - len(with_default) <= len(texts) <= len(cls.arguments) or None in values:
            raise cls.refusal(f"{cls.name}({', '.join(texts)})")
        return cls(*values)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields and the name: integers, strings and lists of them."""
        return {"name": self.name, **{field.name: _as_lists(getattr(self, field.name)) for field in fields(self)}}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Builds the transform from a record of `to_dict`; raises InvalidInput for any other."""
        names = [field.name for field in fields(cls)]
        cls.check_keys(record, "name", *names)
        one = cls(*(_as_tuples(record[name]) for name in names))
        if one.to_dict() != dict(record):  # a null, in place of which a table was made
            raise cls.refusal("a record without its values")
        return one

    @property
    @abstractmethod
    def words(self) -> int:
        """The number of random words that a sample takes."""

    @property
    @abstractmethod
    def limits(self) -> dict[str, int]:
        """Returns the parameters by name, in order, each with its exclusive upper bound; values start at 0."""

    @property
    def outcomes(self) -> int | None:
        """The number of outcomes, all equally probable; None if they cannot be enumerated."""
        return math.prod(self.limits.values())

    @abstractmethod
    def parameters(self, words_BW: WordArray) -> IntArray:
        """Converts words, uint64 [B, W], to parameters, int64 [B, P]; a row depends on its own words only."""

    def output_size(self, height: int | None, width: int | None) -> tuple[int, int]:
        """Returns height and width of the result; None: images differ in size. Raises InvalidInput if impossible."""
        if height is None or width is None:
            raise InvalidInput(
                f"transform {self.name!r} on images that differ in size",
                expected="images of one size",
                found="images of several sizes",
                do='put a resized-crop first, for example transforms = ["resized-crop(224)", "hflip"]',
            )
        return height, width

    @abstractmethod
    def apply(self, pixels_BIHW: Tensor, parameters_BP: IntArray) -> Tensor:
        """Returns the transformed uint8 pixels of a batch of images of one size, on their device.

        A transform that mixes gets twice as many images as rows: those of the samples, then those of their partners.
        """

    @classmethod
    def refusal(cls, found: str) -> InvalidInput:
        """Returns the error for a text or record that is not of this transform."""
        expected = f"{cls.form()}, for example {cls.example}" if cls.arguments else f"{cls.name}, which takes no number"
        return InvalidInput(f"bad transform {cls.name!r}", expected=expected, found=found)

    @classmethod
    def bad_value(cls, expected: str, found: str) -> InvalidInput:
        """Returns the error for an argument that is out of range."""
        do = f"write for example {cls.example}"
        return InvalidInput(f"bad transform {cls.name!r}", expected=expected, found=found, do=do)

    def check_channels(self, channels: int) -> None:
        """Raises InvalidInput unless it takes images of so many channels."""
        if self.channel_counts and channels not in self.channel_counts:
            raise InvalidInput(
                f"transform {self.name!r} on images of {channels} channels",
                expected=f"{' or '.join(map(str, self.channel_counts))} channels",
                found=str(channels),
                do="leave it out",
            )

    @classmethod
    def check_keys(cls, record: Mapping[str, Any], *keys: str) -> None:
        """Raises InvalidInput unless the record has exactly these keys."""
        if set(record) != set(keys):
            raise cls.refusal(f"a record with the keys {', '.join(sorted(map(str, record)))}")


def check_order(transforms: Sequence[Transform]) -> None:
    """Raises InvalidInput unless these can form a plan: at least one, in stages that do not fall, each once.

    Of those that mix there may be one.
    """
    names = [transform.name for transform in transforms]
    found = ", ".join(names)
    if not names:
        raise InvalidInput("no transforms", expected="at least one", do='write transforms = ["none"] for none')
    for transform in transforms:
        if transform.alone and len(names) > 1:
            raise InvalidInput(
                f"transform {transform.name!r} among others",
                expected=f"{transform.name} alone",
                found=found,
                do="leave it out",
            )
        if names.count(transform.name) > 1:
            raise InvalidInput(
                f"transform {transform.name!r} twice", expected="each at most once", found=found, do="leave one out"
            )
    if len(mixing := [transform.name for transform in transforms if transform.stage == MIXING]) > 1:
        raise InvalidInput(
            "two transforms that mix samples", expected="one of them", found=", ".join(mixing), do="leave one out"
        )
    ordered = [transform.name for transform in sorted(transforms, key=lambda transform: transform.stage)]
    if names != ordered:
        raise InvalidInput(
            "transforms out of order", expected=", ".join(ordered), found=found, do="write them in that order"
        )


def _as_lists(value: Any) -> Any:
    return [_as_lists(one) for one in value] if isinstance(value, tuple) else value


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(one) for one in value) if isinstance(value, list) else value

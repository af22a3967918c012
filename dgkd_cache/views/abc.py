"""The contract of a transform, and of the transforms of a plan together.

A transform turns a sample's random words into integers by exact arithmetic (no exp, log or sin: they differ
between processors), and pixels from those integers.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from torch import Tensor

from dgkd_cache.errors import InvalidInput

__all__ = ["IntArray", "Transform", "WordArray", "check_order"]

IntArray = npt.NDArray[np.int64]
WordArray = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Transform(ABC):
    """A transform of a plan. Instances are frozen dataclasses whose fields define them completely.

    Class attributes: `name`, its key in plans and texts; `form`, how it is written, for messages; `numbers`, how many
    numbers stand in its text: its first fields; `stage`, its place (a plan's transforms come in rising stages, one of
    each); `words`, how many random words a sample takes; `exact`, whether pixels are the same on every machine (class
    b); `any_size`, whether it takes images that differ in size and makes them one size (`apply` is then called with one
    image at a time); `alone`, whether it must be a plan's only transform.
    """

    name: ClassVar[str]
    form: ClassVar[str]
    numbers: ClassVar[int] = 0
    stage: ClassVar[int]
    words: ClassVar[int]
    exact: ClassVar[bool] = True
    any_size: ClassVar[bool] = False
    alone: ClassVar[bool] = False

    @classmethod
    def parse(cls, numbers: Sequence[int]) -> Self:
        """Builds the transform from the numbers in a text like "crop(4)"; raises InvalidInput for invalid ones."""
        if len(numbers) != cls.numbers:
            raise cls.refusal(f"{cls.name}({', '.join(map(str, numbers))})")
        return cls(*numbers)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields and the name: integers, strings and lists of them."""
        return {"name": self.name, **asdict(self)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Builds the transform from a record of `to_dict`; raises InvalidInput for any other."""
        names = [field.name for field in fields(cls)]
        cls.check_keys(record, "name", *names)
        return cls(*(record[name] for name in names))

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
        """Returns the transformed uint8 pixels of a batch of images of one size, on their device."""

    @classmethod
    def refusal(cls, found: str) -> InvalidInput:
        """Returns the error for a text or record that is not of this transform."""
        return InvalidInput(f"bad transform {cls.name!r}", expected=cls.form, found=found)

    def check_pixels(self, what: str, value: object, *, most: int, do: str) -> None:
        """Raises InvalidInput unless `value`, called `what`, is a number of pixels from 1 to `most`."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refusal(f"{self.name}({value!r})")
        if not 1 <= value <= most:
            expected, found = f"a {what} from 1 to {most} pixels", f"{self.name}({value})"
            raise InvalidInput(f"bad transform {self.name!r}", expected=expected, found=found, do=do)

    @classmethod
    def check_keys(cls, record: Mapping[str, Any], *keys: str) -> None:
        """Raises InvalidInput unless the record has exactly these keys."""
        if set(record) != set(keys):
            raise cls.refusal(f"a record with the keys {', '.join(sorted(map(str, record)))}")


def check_order(transforms: Sequence[Transform]) -> None:
    """Raises InvalidInput unless these can form a plan: at least one, in rising stages, each once."""
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
    ordered = [transform.name for transform in sorted(transforms, key=lambda transform: transform.stage)]
    if names != ordered:
        raise InvalidInput(
            "transforms out of order", expected=", ".join(ordered), found=found, do="write them in that order"
        )

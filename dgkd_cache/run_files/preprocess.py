"""The constants by which a view's uint8 pixels are resized and normalised for one network, as its card stores them.

They belong to the model and not to the view, so that guides of different input size share one view. Loads no torch:
`dgkd_cache.models.preprocessing` computes with them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from dgkd_cache.errors import InvalidInput

__all__ = ["Preprocess", "Resizing", "describe_resizing"]


class Resizing(BaseModel):
    """The resizing of published transforms, which round to uint8 after it: for a model that was adopted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interpolation: Literal["bilinear", "bicubic"]
    arithmetic: Literal["torchvision", "pillow"]  # of torchvision on tensors, or of Pillow in integers
    short_side: int = Field(ge=1, le=2**17)  # pixels: of a test image before the centre is cut out of it
    squash: bool = False  # both sides of a test image are resized to `short_side`


class Preprocess(BaseModel):
    """Resizing and normalising constants; numbers are decimal strings, which all readers parse alike."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: tuple[str, ...]  # per channel, of pixels scaled to 0..1
    std: tuple[str, ...]  # per channel, likewise
    input_size: int | None = Field(default=None, ge=1, le=2**16)  # side in pixels to resize to; None: not resized
    resizing: Resizing | None = None  # how; None: bilinear with antialiasing, without rounding, test images as views

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.mean or len(self.mean) != len(self.std):
            raise ValueError(f"expected one mean and one std a channel, found {len(self.mean)} and {len(self.std)}")
        if any(not _parse(text).is_finite() for text in self.mean):
            raise ValueError(f"expected finite means, found {', '.join(self.mean)}")
        if any(not _parse(text).is_finite() or _parse(text) <= 0 for text in self.std):
            raise ValueError(f"expected positive standard deviations, found {', '.join(self.std)}")
        if self.resizing is not None and self.input_size is None:
            raise ValueError("expected an input size beside the resizing")
        return self

    @model_serializer(mode="wrap")
    def _without_default(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves out a resizing that is None, so that a card that has none stays as it was."""
        content: dict[str, Any] = handler(self)
        return content if self.resizing is not None else {k: v for k, v in content.items() if k != "resizing"}

    @classmethod
    def build(
        cls,
        *,
        mean: Sequence[str],
        std: Sequence[str],
        input_size: int | None = None,
        resizing: Resizing | None = None,
    ) -> Preprocess:
        """Returns a checked `Preprocess`; raises InvalidInput (exit 2) for invalid values."""
        try:
            return cls(mean=tuple(mean), std=tuple(std), input_size=input_size, resizing=resizing)
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}".lstrip(": ") for item in error.errors()]
            # What is checked here says itself what is expected.
            told = re.fullmatch("Value error, expected (.*), found (.*)", problems[0])
            raise InvalidInput(
                "a preprocessing that cannot be used",
                expected=told[1] if told else "mean and std as decimal strings, and a side in pixels or None",
                found=told[2] if told else "; ".join(problems),
                do="correct these numbers",
            ) from error

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """Returns height and width, in pixels, of the network's input for a view of `height` x `width`."""
        return (height, width) if self.input_size is None else (self.input_size, self.input_size)


def describe_resizing(height: int, width: int, input_size: int | None) -> str:
    """Describes the resizing of a view, as "input 32 -> 224"; "" if it is not resized."""
    if input_size is None or (height, width) == (input_size, input_size):
        return ""
    return f"input {height if height == width else f'{height}x{width}'} -> {input_size}"


def _parse(text: str) -> Decimal:
    """Returns the number that a constant stands for. Raises ValueError for any other text."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"expected a decimal number, found {text!r}") from None

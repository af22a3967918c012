"""A data set: a training split, a test split and the normalisation of its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from dgkd_cache.datasets.images import Images
from dgkd_cache.errors import InvalidInput
from dgkd_stores.arguments import refusal, require_kind

__all__ = ["Dataset", "decoding_record"]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Two splits with the same classes and channels. The first image of each is checked against its declared shape.

    Raises InvalidInput if the splits or the constants do not match.
    """

    train: Images
    """The training split."""
    test: Images
    """The test split."""
    mean: tuple[str, ...]
    """The mean of each channel of pixels scaled to [0, 1], decimal strings."""
    std: tuple[str, ...]
    """The standard deviation of each channel, as `mean`."""
    class_words: tuple[tuple[str, ...], ...] = ()
    """Further names of each class, in words, the one to show first; none where classes are called by words anyway.

    No digest covers them. A model's published classes may be called by one of them, too."""

    def __post_init__(self) -> None:
        for split in ("train", "test"):
            expected = "the images of one split (dgkd_cache.Images)"
            require_kind("Dataset", split, getattr(self, split), Images, expected=expected, do="use TensorImages")
        for name in ("mean", "std"):
            _check_constants(name, getattr(self, name))
        if self.train.classes != self.test.classes:
            raise InvalidInput(
                f"the splits of {self.name} have different classes",
                expected=f"those of the training split, {list(self.train.classes)}",
                found=str(list(self.test.classes)),
                do="name the same classes in the same order for both",
            )
        _check_words(self.class_words, len(self.train.classes))
        if self.train.channels != self.test.channels:
            raise InvalidInput(
                f"the splits of {self.name} have different channels",
                expected=f"{self.train.channels} as in the training split",
                found=str(self.test.channels),
            )
        for images in (self.train, self.test):
            next(images.each(images.samples_N[:1]))
        if not len(self.mean) == len(self.std) == self.train.channels:
            raise InvalidInput(
                f"the normalisation of {self.name} does not fit its images",
                expected=f"a mean and a standard deviation for each of {self.train.channels} channels",
                found=f"{len(self.mean)} and {len(self.std)}",
            )

    @property
    def name(self) -> str:
        """The name of the data set."""
        return self.train.name

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the C classes, in the order of labels and logits."""
        return self.train.classes

    @property
    def decoding(self) -> dict[str, dict[str, int]]:
        """The numbered decoding rules of the splits, as records hold them."""
        return decoding_record(self.train, self.test)


def _check_constants(name: str, given: object) -> None:
    """Raises InvalidInput unless they are decimal strings, and `std` is above 0."""
    positive = name == "std"
    constants = given if isinstance(given, tuple | list) else [None]
    if not all(_fits(text, positive=positive) for text in constants):
        expected = "a tuple of decimal strings, one a channel" + (", each above 0" if positive else "")
        numbers = all(isinstance(one, int | float) for one in constants)
        do = f"write {name}={tuple(map(str, constants))}" if numbers else ""
        raise refusal("Dataset", name, given, expected=expected, do=do)


def _check_words(given: object, classes: int) -> None:
    """Raises InvalidInput unless they are texts for each of the classes, or none at all."""
    words = given if isinstance(given, tuple | list) else None
    if words is None or not all(
        isinstance(one, tuple | list) and all(isinstance(w, str) for w in one) for one in words
    ):
        raise refusal("Dataset", "class_words", given, expected="a tuple with a tuple of texts for each class, or ()")
    if words and len(words) != classes:
        raise InvalidInput(
            "the words for the classes do not fit",
            expected=f"some for each of {classes} classes, or none at all",
            found=f"words for {len(words)}",
        )


def _fits(text: object, *, positive: bool) -> bool:
    try:
        number = Decimal(text) if isinstance(text, str) else Decimal("NaN")
    except InvalidOperation:
        return False
    return number.is_finite() and (number > 0 or not positive)


def decoding_record(train: Images, test: Images | None) -> dict[str, dict[str, int]]:
    """Returns the numbered decoding rules of both splits; a split that needs none, or is None, has no key."""
    rules = {"decoding": train.decoding, "test_decoding": test.decoding if test is not None else {}}
    return {key: dict(value) for key, value in rules.items() if value}

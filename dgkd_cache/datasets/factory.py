"""Loads module:factory, the user's own data set: a function without arguments, imported by name and called.

It returns a Dataset, or (train, test), each of them Images or a tuple (pixels, labels) or (pixels, labels, classes)
with uint8 pixels [N, I, H, W]. Importing a module runs it: the name must come from the user.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.datasets.images import Images, TensorImages
from dgkd_cache.datasets.labels import number_classes
from dgkd_cache.datasets.normalisation import mean_and_std
from dgkd_cache.datasets.remarks import say_source
from dgkd_cache.errors import DataUnreadable, DgkdError, InvalidInput
from dgkd_cache.user_code import RAISED, accepted_keywords, describe_exception, import_factory
from dgkd_stores.arguments import describe_value

__all__ = ["load_factory"]

_SPLITS = ("train", "test")
_RETURNS = "a Dataset, or (train, test) of Images or of (uint8 pixels [N, I, H, W], labels[, class names])"


def load_factory(name: str) -> Dataset:
    """Returns the data set that `module:factory` makes; the module is installed or lies in the current folder.

    Without class names in either split they are the numbers up to the largest label, each of which occurs in training;
    normalisation is computed.

    Raises InvalidInput for a missing module or function and for a result of another form, DataUnreadable if the
    function fails.
    """
    made = _call(name)
    if isinstance(made, Dataset):
        return made
    if not isinstance(made, tuple | list) or len(made) != 2:
        raise _no_dataset(name, _kind(made))
    parts = [_part(name, part, split) for part, split in zip(made, _SPLITS, strict=True)]
    named = [part.classes for part in parts if part.classes is not None]
    classes = named[0] if named else number_classes(name, *(part.labels_N for part in parts))
    train, test = (
        part if isinstance(part, Images) else part.images(name, split, classes)
        for part, split in zip(parts, _SPLITS, strict=True)
    )
    mean, std = mean_and_std(train)
    return Dataset(train=train, test=test, mean=mean, std=std)


@dataclass(frozen=True)
class _Arrays:
    """One split as it was returned, not checked before `images`."""

    pixels_NIHW: Any
    labels_N: Any
    classes: Sequence[str] | None

    def images(self, name: str, split: str, classes: Sequence[str]) -> TensorImages:
        own = classes if self.classes is None else self.classes
        return TensorImages(self.pixels_NIHW, self.labels_N, classes=own, name=name, split=split)


def _call(name: str) -> object:
    factory = import_factory(name, kind="data set", define=f"() there, returning {_RETURNS}", otherwise="folder:PATH")
    module = sys.modules[name.partition(":")[0]]
    if module.__file__:
        say_source(name, Path(module.__file__))
    accepted_keywords(name, factory, {})
    try:
        return factory()
    except DgkdError:
        raise
    except RAISED as error:
        raise DataUnreadable(
            f"the data set factory {name} failed", found=describe_exception(error), do="call it by hand and mend it"
        ) from error


def _part(name: str, part: object, split: str) -> Images | _Arrays:
    if isinstance(part, Images):
        return part
    if not isinstance(part, tuple | list) or len(part) not in (2, 3):
        raise _no_dataset(name, f"{_kind(part)} as the {split} split")
    if len(part) == 3 and (isinstance(part[2], str) or not isinstance(part[2], Iterable)):
        raise _no_dataset(name, f"a {split} split whose class names are {describe_value(part[2])}")
    return _Arrays(part[0], part[1], tuple(part[2]) if len(part) == 3 else None)


def _kind(made: object) -> str:
    return f"{type(made).__name__} of {len(made)}" if isinstance(made, tuple | list) else type(made).__name__


def _no_dataset(name: str, found: str) -> InvalidInput:
    return InvalidInput(f"{name} made no data set", expected=_RETURNS, found=found, do="return one of these")

"""The preprocessing and the classes of a model that is adopted: what is published, changed by what the user gives."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from dgkd_cache.datasets.class_map import map_classes, read_class_map
from dgkd_cache.datasets.dataset import Dataset
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.models.published import Published
from dgkd_cache.run_files.preprocess import Preprocess, Resizing
from dgkd_stores import parse_strictly

__all__ = [
    "AdoptRequest",
    "NamedClasses",
    "check_preprocessing",
    "class_columns",
    "preprocess_for",
    "read_class_names",
    "require_number",
]

Interpolation = Literal["bilinear", "bicubic"]

_MOST_BYTES = 2**24  # of a file of class names
_MOST_SIDE = 2**16


@dataclass(frozen=True, kw_only=True)
class AdoptRequest:
    """A request to adopt a model as the run `name`; what is None is that of the published model, or of the data set."""

    name: str
    architecture: str
    weights: Path | None
    """The file of the weights; None for the published ones."""
    mean: Sequence[str] | None = None
    """For each channel, of pixels scaled to 0..1; decimal strings."""
    std: Sequence[str] | None = None
    """Likewise."""
    size: int | None = None
    """Pixels a side of the network's input."""
    crop: float | None = None
    """The share of a test image's resized short side that the centre crop keeps, above 0 and at most 1."""
    interpolation: Interpolation | None = None
    """The method that resizes a test image."""
    classes: Path | None = None
    """A file of the names of the model's classes, in the order of its logits."""
    class_map: Path | None = None
    """A file of the model's class names to those of the data set."""
    accept_accuracy: bool = False
    """True accepts a test accuracy below twice chance."""
    fresh: bool = False
    """True moves a run of that name to `aside/`, and writes the table [models.NAME] anew."""


class NamedClasses(Protocol):
    """The names of a data set's classes, such as a `Dataset` has."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names, in the order of labels."""

    @property
    def class_words(self) -> tuple[tuple[str, ...], ...]:
        """Further names of each class; empty if there are none."""


def preprocess_for(request: AdoptRequest, published: Published, dataset: Dataset) -> Preprocess:
    """Returns the preprocessing. Raises InvalidInput for values out of range, and where some are needed and missing."""
    return _preprocess(request, published, dataset.train.channels, dataset.mean, dataset.std)


def check_preprocessing(request: AdoptRequest, published: Published, *, channels: int) -> None:
    """Raises as `preprocess_for` for images of which nothing but the number of channels is known yet."""
    _preprocess(request, published, channels, ("0.5",) * channels, ("0.5",) * channels)


def _preprocess(
    request: AdoptRequest, published: Published, channels: int, own_mean: Sequence[str], own_std: Sequence[str]
) -> Preprocess:
    base = published.preprocess
    sized = request.size is not None or request.crop is not None or request.interpolation is not None
    named = request.architecture.startswith(("torchvision:", "timm:"))
    if base is None and named and (request.size is None or request.crop is None or request.interpolation is None):
        raise InvalidInput(
            f"the published preprocessing of {request.architecture} is not supported",
            expected="a square input, a centre crop, and bilinear or bicubic resizing; or all of --size, --crop and "
            "--interpolation",
            found="another one",
            do="give these three, and mean and deviation unless those of the data set fit",
        )
    mean = request.mean or (base.mean if base else own_mean)
    std = request.std or (base.std if base else own_std)
    for option, values in (("--mean", mean), ("--std", std)):
        if len(values) != channels:
            raise InvalidInput(
                f"the preprocessing of {request.architecture} does not fit these images",
                expected=f"{channels} value{'s' if channels > 1 else ''} of {option}, one a channel",
                found=", ".join(values),
                do=f"give {option} with {channels} of them",
            )
    old = base.resizing if base else None
    if not sized:
        return Preprocess.build(mean=mean, std=std, input_size=base.input_size if base else None, resizing=old)
    size = request.size if request.size is not None else base.input_size if base else None
    if size is None:
        raise InvalidInput(
            f"{request.architecture} has no published input size",
            expected="--size PIXELS beside --crop and --interpolation",
            found="none",
            do="give a size",
        )
    if not 1 <= size <= _MOST_SIDE or not (request.crop is None or 0.01 <= request.crop <= 1):
        raise InvalidInput(
            "this is no preprocessing",
            expected=f"a --size from 1 to {_MOST_SIDE} and a --crop from 0.01 to 1",
            found=f"--size {size}" + (f" and --crop {request.crop:g}" if request.crop is not None else ""),
            do="give a side and a share within these bounds",
        )
    share = 1.0 if old is None or base is None or base.input_size is None else base.input_size / old.short_side
    short_side = math.floor(size / (share if request.crop is None else request.crop) + 1e-9)
    return Preprocess.build(
        mean=mean,
        std=std,
        input_size=size,
        resizing=Resizing(
            interpolation=request.interpolation or (old.interpolation if old else "bilinear"),
            arithmetic=old.arithmetic if old else "pillow",
            short_side=short_side,
            squash=old.squash if old else False,
        ),
    )


def read_class_names(path: Path) -> tuple[str, ...]:
    """Returns the names in a file: a JSON list of texts, or one name a line. Raises InvalidInput."""
    try:
        data = path.read_bytes()
        if len(data) > _MOST_BYTES:
            raise ValueError("a file that is too large")
        text = data.decode("utf-8-sig")
        value: object = parse_strictly(data) if text.lstrip().startswith("[") else text.splitlines()
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"the class names {path} cannot be read",
            expected="a JSON list of texts, or one name a line, in UTF-8",
            found=str(error.strerror if isinstance(error, OSError) else error),
            do="check the path"
            if isinstance(error, OSError)
            else "correct the file: the names, in the order of the logits",
        ) from error
    names = [name.strip() if isinstance(name, str) else "" for name in value] if isinstance(value, list) else []
    if not names or not all(names) or len(set(names)) < len(names):
        twice = next((name for name in names if name and names.count(name) > 1), None)
        raise InvalidInput(
            f"the class names {path} cannot be used",
            expected="each class once, without empty names",
            found=f"{json.dumps(twice)} twice" if twice else "no names, or an empty one",
            do="correct the file: a name for each logit, in their order",
        )
    return tuple(names)


def class_columns(
    request: AdoptRequest, published: Published, dataset: NamedClasses, count: int | None
) -> tuple[NDArray[np.int64] | None, str]:
    """Returns for each class of the data set the model's class (None: the same ones), and how its names are known.

    `count` is the number of the model's classes, None if its weights do not tell. Raises Mismatch for another number of
    classes or other names, and what `map_classes` raises.
    """
    ours, known, how = dataset.classes, published.classes, f"published with {published.name or published.url}"
    if request.classes is not None:
        known, how = (read_class_names(request.classes),), "given by --classes"
    if request.class_map is None:
        require_number(count, len(ours))
    for names in known:
        if count is not None and len(names) != count:
            raise Mismatch(
                "the class names are not those of the weights",
                expected=f"{count} names, as the weights have classes",
                found=f"{len(names)} {how}",
                do="name every class of the model, in the order of its logits",
            )
    class_map = None if request.class_map is None else read_class_map(request.class_map)
    if class_map is not None and not known:
        raise InvalidInput(
            "a class map needs the names of the model's classes",
            expected="--classes FILE beside --class-map, in the order of the model's logits",
            found="weights without names",
            do="give the names, too",
        )
    if not known:
        return None, "assumed"
    if class_map is None and any(_same_words(names, dataset) for names in known):
        return None, how
    errors = []
    for names in known:
        try:
            return map_classes(class_map, theirs=names, ours=ours), how
        except Mismatch as error:
            errors.append(error)
    first = errors[0]
    if class_map is not None:
        raise first
    raise Mismatch(
        "the model has other classes than the data set, or another order of them",
        expected=first.expected,
        found=f"{first.found}, {how}",
        do="give a class map of the model's names to ours; or, if they are other words for the same classes in this "
        "order, the names in our words",
    )


def require_number(theirs: int | None, ours: int) -> None:
    """Raises Mismatch for weights of another number of classes than the data set has; None is not known."""
    if theirs is not None and theirs != ours:
        raise Mismatch(
            "the weights are for another number of classes",
            expected=f"{ours} classes, as the data set has them",
            found=f"{theirs}",
            do="choose weights for these classes; where they have these and more, give a class map and the model's "
            "names",
        )


def _same_words(theirs: Sequence[str], dataset: NamedClasses) -> bool:
    """Returns True if each of their names is our class of that place, by its name or by its words."""
    if not len(theirs) == len(dataset.class_words) == len(dataset.classes):
        return False
    ours = zip(dataset.classes, dataset.class_words, strict=True)
    return all(name in (own, *words) for name, (own, words) in zip(theirs, ours, strict=True))

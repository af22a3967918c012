"""Checks labels and class names; an error shows the line of code that converts them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgkd_cache.datasets.arrays import expression_of
from dgkd_cache.errors import InvalidInput
from dgkd_stores import is_utf8
from dgkd_stores.arguments import describe_value

__all__ = ["as_array", "check_classes", "check_labels", "label_count", "number_classes"]

Labels = Tensor | NDArray[Any] | Sequence[Any]


def as_array(labels: Labels) -> NDArray[Any]:
    """Returns the labels as a numpy array of any type. Raises InvalidInput if they cannot be an array."""
    try:
        if not isinstance(labels, Tensor):
            return np.asarray(labels)
        values = labels.detach().cpu().resolve_neg()
        return np.asarray(values.float() if values.dtype == torch.bfloat16 else values)  # numpy has no bfloat16
    # numpy raises ValueError for lists of several lengths; torch the others for sparse, meta and quantised tensors.
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise InvalidInput(
            "the labels are no array",
            expected="one integer for each image",
            found=f"{type(labels).__name__} ({' '.join(str(error).split())[:200]})",
            do="give the labels as a one-dimensional array in the order of the images",
        ) from error


def label_count(labels: Labels) -> int:
    """Returns the number of images that the labels are for, also as a column or a row. Raises as `as_array`."""
    given = as_array(labels)
    return given.size if given.ndim == 2 and 1 in given.shape else len(np.atleast_1d(given))


def check_classes(what: str, classes: Sequence[str]) -> tuple[str, ...]:
    """Returns the class names. Raises InvalidInput unless they are distinct texts in UTF-8."""
    no_list = isinstance(classes, np.ndarray | Tensor) and classes.ndim == 0
    if isinstance(classes, str | bytes) or not isinstance(classes, Iterable) or no_list:
        raise InvalidInput(
            f"the classes of {what} have no names",
            expected="a list with one text a class",
            found=describe_value(classes),
            do=f"write classes=[{classes!r}], if that is the only class" if isinstance(classes, str) else "",
        )
    names = tuple(classes)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise InvalidInput(f"the classes of {what} have no names", expected="one text a class", found=repr(names))
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput(
            f"two classes of {what} share a name", expected="distinct names", found=f"{twice!r} more than once"
        )
    if broken := [name for name in names if not is_utf8(name)]:
        raise InvalidInput(
            f"a class of {what} has a name that is not text",
            expected="text that UTF-8 can hold, as stores and cards do",
            found=ascii(broken[0]),
            do="rename that class",
        )
    return names


def check_labels(what: str, labels: Labels, classes: Sequence[str], *, samples: int | None = None) -> NDArray[np.int64]:
    """Returns the labels as int64. Raises InvalidInput unless they are `samples` integers in [0, C)."""
    given_N = as_array(labels)
    if samples is not None and given_N.shape != (samples,):
        raise InvalidInput(
            f"the labels of {what} do not fit its images",
            expected=f"one label for each of {samples} images",
            found=f"shape {list(given_N.shape)}",
            do=_mend(labels, given_N, samples)
            or "give the labels as a one-dimensional array in the order of the images",
        )
    if given_N.ndim != 1 or not len(given_N) or given_N.dtype.kind not in "iu":
        raise InvalidInput(
            f"the labels of {what} cannot be used",
            expected="a non-empty one-dimensional array of integers",
            found=describe_value(labels if isinstance(labels, Tensor) else given_N),
            do=_mend(labels, given_N, samples) or "number the classes from 0",
        )
    outside = np.flatnonzero((given_N < 0) | (given_N >= len(classes)))
    if len(outside):
        from_one = given_N.min() == 1 and given_N.max() == len(classes)
        raise InvalidInput(
            f"a label of {what} names no class",
            expected=f"labels from 0 to {len(classes) - 1}",
            found=f"{given_N[outside[0]]} at sample {outside[0]}",
            do=_from_zero(labels)
            if from_one
            else "number the classes from 0 in the order of their names, and alike in both splits",
        )
    return given_N.astype(np.int64)


def number_classes(what: str, train: Labels, test: Labels) -> tuple[str, ...]:
    """Returns the names "0" to the largest label, for classes without names.

    Raises InvalidInput unless each of these labels occurs in training: a missing number would be an unintended class.
    """
    train_N, test_M = as_array(train), as_array(test)
    if train_N.dtype.kind not in "iu" or train_N.ndim != 1 or not train_N.size:
        return ("0",)  # refused with its own hint when the labels are checked
    if test_M.dtype.kind not in "iu" or test_M.ndim != 1 or not test_M.size:
        test_M = train_N  # likewise
    largest = max(int(train_N.max()), int(test_M.max()), 0)
    if train_N.min() < 0:
        return tuple(map(str, range(min(largest, len(train_N)) + 1)))  # likewise
    occurring = {int(label) for label in np.unique(train_N)}
    lacking = [label for label in range(min(largest, len(occurring)) + 1) if label not in occurring]
    if lacking:
        raise InvalidInput(
            f"the labels of {what} leave numbers out, and its classes have no names",
            expected=f"each label from 0 to {largest} among the training labels, or class names",
            found=f"no training sample of class {lacking[0]}",
            do=_renumber(train, test, train_N, test_M, largest),
        )
    return tuple(map(str, range(largest + 1)))


def _renumber(train: object, test: object, train_N: NDArray[Any], test_M: NDArray[Any], largest: int) -> str:
    """Returns the hint for missing numbers, which only the user can know to be intended."""
    names = f"; if each number is a class, return (images, labels, class names) with {largest + 1} names"
    names = names if largest < 10_000 else ""
    if set(np.unique(test_M).tolist()) - set(np.unique(train_N).tolist()):
        (first, last), (low, high) = ((int(labels.min()), int(labels.max())) for labels in (test_M, train_N))
        if (first > low and last > high) or (first < low and last < high):  # silently wrong with class names
            return (
                "number the classes of both splits alike: the test split numbers its classes otherwise, from "
                f"{first} to {last} where the training labels go from {low} to {high}"
            )
        return f"number the classes of both splits alike: the test labels have others than the training labels{names}"
    if train_N.min() == 1 and len(np.unique(train_N)) == largest:
        return f"{_from_zero(train)} for both splits"
    both = ", ".join(
        f"{name}.cpu()" if isinstance(it, Tensor) else name for name, it in (("train", train), ("test", test))
    )
    return (
        "give the labels of both splits numbers without gaps, and return them with class names: "
        f"`classes, numbers = numpy.unique(numpy.concatenate([{both}]), return_inverse=True); "
        "train, test = numpy.split(numbers, [len(train)]); classes = [str(number) for number in classes]`" + names
    )


def _from_zero(labels: object) -> str:
    return f"number the classes from 0: `labels = {expression_of('labels', labels)} - 1`"


def _mend(labels: object, given: NDArray[Any], samples: int | None) -> str | None:
    name = expression_of("labels", labels)
    if not given.size:
        return None
    if given.ndim == 2 and (given.shape[1] == 1 or given.size == samples):
        return f"`labels = {name}.reshape(-1)`"
    if given.ndim == 2 and given.dtype.kind in "biuf" and ((given == 0) | (given == 1)).all():
        return f"one-hot: `labels = {name}.argmax(1)`" if (given.sum(axis=1) == 1).all() else None
    if given.ndim != 1:
        return None
    if given.dtype.kind == "b" or (given.dtype.kind == "f" and (given == given.round()).all()):
        return f"`labels = {name}" + (".long()`" if isinstance(labels, Tensor) else ".astype('int64')`")
    if given.dtype.kind == "U":
        return (
            "number the classes from 0: `labels = [classes.index(name) for name in labels]`, where classes is one list "
            "of all names, the same for both splits"
        )
    return None

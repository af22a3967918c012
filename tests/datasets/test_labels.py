"""Labels and class names: hints that are right when they are followed, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from support.arrays import (
    LABELS,
    PIXELS,
    hinted,
    through_library,
)

from dgkd_cache.datasets.images import Images
from dgkd_cache.datasets.registry import load_dataset
from dgkd_cache.errors import InvalidInput

LABEL_CASES: list[tuple[str, Any]] = [
    ("from one", np.array(LABELS) + 1),
    ("a list from one", [label + 1 for label in LABELS]),
    ("a tensor from one", torch.tensor(LABELS) + 1),
    ("floats", np.array(LABELS, float)),
    ("a float tensor", torch.tensor(LABELS).float()),
    ("bool", np.array(LABELS, bool)),
    ("a column", np.array(LABELS)[:, None]),
    ("a row", np.array(LABELS)[None]),
    ("a row in a tensor", torch.tensor(LABELS)[None]),
    ("bfloat16", torch.tensor(LABELS).bfloat16()),
    ("floats with a gradient", torch.tensor(LABELS).float().requires_grad_()),
    ("one-hot", np.eye(2, dtype=int)[LABELS]),
    ("a one-hot tensor", torch.eye(2)[LABELS]),
    ("texts", np.array(["no", "yes"])[LABELS]),
]


@pytest.mark.parametrize("given", [case[1] for case in LABEL_CASES], ids=[case[0] for case in LABEL_CASES])
@pytest.mark.parametrize("route", ["library", "module"])
def test_the_hint_makes_the_right_labels(given: Any, route: str, through_module: Callable[..., Images]) -> None:
    load = through_library if route == "library" else through_module
    with pytest.raises(InvalidInput) as caught:
        load(PIXELS, given)
    mended = hinted(str(caught.value), labels=given)
    assert load(PIXELS, mended).labels_N.tolist() == LABELS


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([1, 2, 3, 4], [1, 2], r"each label from 0 to 4 .*found no training sample of class 0; .*`labels = .* - 1`"),
        (
            [0, 1, 3, 3],
            [0, 1],
            r"each label from 0 to 3 .*no training sample of class 2; .*numpy.unique.*class names\) with 4 names",
        ),
        ([0, 1, 2, 2], [0, 3], r"each label from 0 to 3 .*found no training sample of class 3; number .* alike"),
        ([10**12, 0, 1, 2], [0], r"found no training sample of class 3; .*`classes, numbers = numpy.unique.*`$"),
        ([10**12] * 4, [10**12], r"found no training sample of class 0; .*`classes, numbers = numpy.unique.*`$"),
        ([100, 101, 102, 103], [100, 103], r"no training sample of class 0; .*numpy.unique.* with 104 names"),
        ([0, 1, 2, 3], [0, 10**12], r"number .* alike: the test labels have others than the training labels$"),
        ([0, 10**12, -1, 2], [0], r"a label of .* names no class: .* found 1000000000000 at sample 1"),
        ([[0], [2], [4], [6]], [0], r"found shape \[4, 1\]; `labels = numpy.asarray\(labels\).reshape\(-1\)`"),
        ([0, 1, 2, 3], [], "the labels of .*test.* do not fit|at least one image|non-empty"),
        ([0, 2, 4, 6], [0, 6], r"found no training sample of class 1; .*numpy.unique.* with 7 names"),
        (
            [0, 1, 2, 3],
            [1, 2, 3, 4],
            r"no training sample of class 4; number .* alike: .* from 1 to 4 where the training labels go from 0 to 3$",
        ),
    ],
)
def test_numbers_that_are_left_out_are_no_classes(
    through_module: Callable[..., Images], train: list[Any], test: list[Any], message: str
) -> None:
    import dgkd_test_arrays as made

    made.other = lambda: ((PIXELS[:4], train), (PIXELS[: len(test)], test))
    with pytest.raises(InvalidInput, match=message) as caught:
        load_dataset("dgkd_test_arrays:other")
    if train == [1, 2, 3, 4]:
        moved = [hinted(str(caught.value), labels=labels) for labels in (train, test)]
        made.other = lambda: ((PIXELS[:4], moved[0]), (PIXELS[:2], moved[1]))
        data = load_dataset("dgkd_test_arrays:other")
        assert data.classes == ("0", "1", "2", "3") and data.train.labels_N.tolist() == [0, 1, 2, 3]
    if "numpy.unique" in str(caught.value):
        (code,) = re.findall("`([^`]+)`", str(caught.value))
        found = {"numpy": np, "train": train, "test": test}
        exec(code, found)
        mended = [(PIXELS[: len(labels)], labels, found["classes"]) for labels in (found["train"], found["test"])]
        made.other = lambda: mended
        data = load_dataset("dgkd_test_arrays:other")
        assert data.classes == tuple(map(str, sorted(set(train))))
        assert [int(data.classes[label]) for label in data.train.labels_N] == train
        assert [int(data.classes[label]) for label in data.test.labels_N] == test
    names = [f"c{i}" for i in range(5)]
    if (
        np.ndim(train) == 1 and 0 <= min(train) <= max(train + test) < 5 and test
    ):  # with names, or with those of the other split, all of it is meant
        for one, other in (((names,), (names,)), ((names,), ()), ((), (names,))):
            made.other = lambda one=one, other=other: (
                (PIXELS[:4], train, *one),
                (PIXELS[: len(test)], test, *other),
            )
            assert len(load_dataset("dgkd_test_arrays:other").classes) == 5


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (torch.tensor([0.0, 1.0] * 5, requires_grad=True), r"float32 \[10\]; `labels = labels.long\(\)`"),
        (torch.tensor([0.0, 1.0] * 5).bfloat16(), r"found bfloat16 \[10\]; `labels = labels.long\(\)`"),
        (torch.tensor(LABELS).to_sparse(), "the labels are no array: expected one integer for each image"),
        (torch.tensor(LABELS, device="meta"), "the labels are no array"),
        ([object(), [1]] * 5, "the labels are no array"),
    ],
)
def test_labels_of_other_kinds_are_told(through_module: Callable[..., Images], labels: Any, words: str) -> None:
    for load in (through_library, through_module):
        with pytest.raises(InvalidInput, match=words):
            load(PIXELS, labels)


def test_a_class_name_that_utf_8_cannot_hold_is_refused(through_module: Callable[..., Images]) -> None:
    for load in (through_library, through_module):
        with pytest.raises(InvalidInput, match=r"a name that is not text.*found 'caf\\udce9'"):
            load(PIXELS, LABELS, ("tea", "caf\udce9"))

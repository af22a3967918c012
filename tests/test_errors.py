"""The errors of the training side: one exit code each, unknown names with the closest ones, and lack of memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import dgkd_stores
from dgkd_cache import errors
from dgkd_cache.errors import is_out_of_memory, unknown_name


def test_those_of_the_stores_are_the_same_classes() -> None:
    own = {
        "DataMissing",
        "DataUnreadable",
        "NothingBegun",
        "RankLost",
        "UnknownName",
        "is_out_of_memory",
        "natural",
        "unknown_name",
    }
    for name in set(errors.__all__) - own:
        assert getattr(errors, name) is getattr(dgkd_stores, name)


def test_an_unknown_name_is_answered_with_the_closest() -> None:
    error = unknown_name("model", "resnet21", ["vgg8", "resnet20", "resnet26", "plain2"])
    assert error.exit_code == 2
    assert (error.expected, error.found) == ("one of plain2, resnet20, resnet26, vgg8", "'resnet21'")
    assert error.do.startswith("did you mean resnet2")
    assert unknown_name("model", "x", ["vgg8"], do="list them").do == "list them"
    assert unknown_name("model", "x", []).expected == "one of none"


def test_what_the_caller_knows_to_be_meant_comes_first() -> None:
    assert unknown_name("model", "cats", ["cat", "dog"], meant=["folder:cats"]).do == "did you mean folder:cats or cat?"


def test_a_long_list_has_the_closest_first_and_is_cut() -> None:
    names = [f"model{number:03d}" for number in range(100)]
    listed = unknown_name("model", "model099x", names).expected
    assert listed.startswith("one of model099, ") and listed.endswith(" and 60 more")
    assert listed.count("model") == 40


@pytest.mark.parametrize("lack", [lambda: bytearray(2**62), lambda: np.empty(2**57), lambda: torch.empty(2**57)])
def test_lack_of_memory_whoever_tells_of_it(lack) -> None:
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        lack()
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_a_name_that_was_typed_is_said_once() -> None:
    assert str(unknown_name("model", "x", ["vgg8"])) == "unknown model 'x': expected one of vgg8"
    other = errors.InvalidInput("key 'lr' is wrong", expected="a number", found="'fast'")
    assert str(other) == "key 'lr' is wrong: expected a number, found 'fast'"
    assert str(errors.InvalidInput("ta1.h5 is newer", found="1")) == "ta1.h5 is newer: found 1"


def test_nothing_to_resume_is_exit_10() -> None:
    assert errors.NothingBegun("x").exit_code == 10

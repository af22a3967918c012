"""Methods as choices of guides, from the definitions in the papers."""

from __future__ import annotations

import pytest

from dgkd_cache.distillation.methods import guides_of, method_names, require_guides_of
from dgkd_cache.errors import InvalidInput, UnknownName


@pytest.mark.parametrize(
    ("method", "guides"),
    [("scratch", ()), ("kd", ("teacher",)), ("takd", ("ta2",)), ("dgkd", ("teacher", "ta1", "ta2"))],
)
def test_the_students_guides(method: str, guides: tuple[str, ...]) -> None:
    assert guides_of(method, ["teacher", "ta1", "ta2"]) == guides


def test_the_largest_model_has_none() -> None:
    assert {guides_of(method, []) for method in method_names()} == {()}


def test_unknown() -> None:
    with pytest.raises(UnknownName, match="did you mean dgkd"):
        guides_of("dkgd", [])


@pytest.mark.parametrize(
    ("method", "guides", "words"),
    [
        ("scratch", ("teacher",), "method scratch trains without guides"),
        ("kd", ("teacher", "ta1"), r"one guide \(the teacher\): expected one guide, found teacher, ta1"),
        ("takd", ("teacher", "ta1"), r"one guide \(the model before it\)"),
        ("kd", ("ta1",), "expected teacher, found ta1; name teacher, or choose takd"),
    ],
)
def test_guides_that_a_method_cannot_mean(method: str, guides: tuple[str, ...], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        require_guides_of(method, guides, ("teacher", "ta1", "student"))


@pytest.mark.parametrize("method", ["scratch", "kd", "takd", "dgkd"])
def test_the_guides_of_a_method_are_those_that_it_means(method: str) -> None:
    before = ("teacher", "ta1", "ta2")
    require_guides_of(method, guides_of(method, before), (*before, "student"))
    require_guides_of(method, guides_of(method, ()), before)
    if method != "scratch":
        require_guides_of(method, ("stranger",), before)

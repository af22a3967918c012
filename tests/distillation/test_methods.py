"""Methods as choices of guides, from the definitions in the papers."""

from __future__ import annotations

import pytest

from dgkd_cache.distillation.methods import guides_of, method_names
from dgkd_cache.errors import UnknownName


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

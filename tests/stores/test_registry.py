"""Registries: one name one object, and unknown names are told the closest."""

from __future__ import annotations

import pytest

from dgkd_stores import InvalidInput, Registry, closest_names, did_you_mean


def test_a_name_is_taken_once() -> None:
    colours = Registry[int]("colour", {"red": 1})
    colours.register("blue", 2)
    with pytest.raises(InvalidInput, match="^colour 'red' is registered already; give the new one another name$"):
        colours.register("red", 3)
    assert list(colours) == ["red", "blue"] and colours.find("red") == 1


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("blu", "^unknown colour: expected one of red, blue, found 'blu'; did you mean 'blue'[?]$"),
        ("x" * 99, f"^unknown colour: expected one of red, blue, found '{'x' * 64}'$"),
    ],
)
def test_an_unknown_name_is_told_the_known_ones_and_the_closest(name: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        Registry("colour", {"red": 1, "blue": 2}).find(name)


def test_a_registry_may_have_an_error_of_its_own() -> None:
    def unknown(kind: str, name: str, known: object) -> InvalidInput:
        return InvalidInput(f"no {kind} {name} in {known}")

    with pytest.raises(InvalidInput, match="^no colour green in {'red': 1}$"):
        Registry("colour", {"red": 1}, unknown=unknown).find("green")


def test_the_closest_come_first_and_the_far_not_at_all() -> None:
    assert closest_names("plain5", ["vgg8", "plain10", "plain4", "plain50"], most=2) == ["plain50", "plain4"]
    assert did_you_mean("plain5", ["vgg8"]) == ""

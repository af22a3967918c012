"""A store's inputs against those that are given: every difference is named, with both values, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgkd_stores import GuideIdentity, Mismatch, check_same_header, differing_keys
from dgkd_stores.writing.compare import check_same_identity

PATH = Path("guides/a.zarr")


def test_the_same_header_passes(recipe: Any) -> None:
    check_same_header(PATH, stored=recipe().header, given=recipe().header)


def test_other_keys_of_a_header_are_named_with_both_values(recipe: Any) -> None:
    stored = recipe().header
    given = replace(stored, temperature="2", guide=replace(stored.guide, name="ta2", training={"epochs": 3}))
    with pytest.raises(Mismatch) as caught:
        check_same_header(PATH, stored=stored, given=given)
    assert str(caught.value) == (
        "guides/a.zarr was made with another guide.name, guide.training.lr, temperature: "
        'expected guide.name "ta1", guide.training.lr "0.1", temperature "4", '
        'found guide.name "ta2", guide.training.lr missing, temperature "2"; '
        "give what it was made with, choose another path, or remove guides/a.zarr to begin again"
    )


def test_another_model_is_named_alone(recipe: Any) -> None:
    """Measures and training of the model differ because the model does, and are not named."""
    stored = recipe().header
    guide = replace(stored.guide, name="own", weights_digest="ab" * 32, accuracy="0.5", training={})
    with pytest.raises(Mismatch) as caught:
        check_same_header(PATH, stored=stored, given=replace(stored, guide=guide, temperature="2"))
    assert str(caught.value) == (
        "guides/a.zarr holds the logits of another model: "
        f"expected ta1 with the weights {stored.guide.weights_digest[:16]}, "
        "found own with the weights abababababababab; "
        "give that model, choose another path, or remove guides/a.zarr to begin again"
    )


def test_what_was_measured_is_named_only_by_itself(recipe: Any) -> None:
    """A forward pass that prepares the images in another way gives the same model other measures."""
    stored = recipe().header
    measured = replace(stored, fidelity={**stored.fidelity, "kl": "0.5"}, guide=replace(stored.guide, accuracy="0.5"))
    with pytest.raises(Mismatch, match="was made with another fidelity.kl, guide.accuracy: "):
        check_same_header(PATH, stored=stored, given=measured)
    with pytest.raises(Mismatch, match="was made with another temperature: "):
        check_same_header(PATH, stored=stored, given=replace(measured, temperature="2"))


def test_five_keys_are_named_and_the_others_counted(recipe: Any) -> None:
    stored = recipe().header
    compute = {**stored.compute, **{f"key{number}": number for number in range(8)}}
    with pytest.raises(Mismatch, match=r"another compute.key0, .*, compute.key4, 3 more: ") as caught:
        check_same_header(PATH, stored=stored, given=replace(stored, compute=compute))
    assert "key5" not in str(caught.value)


@pytest.mark.parametrize(
    ("stored", "given", "found"),
    [
        ({"a": 1, "b": {"c": "x"}}, {"b": {"c": "x"}, "a": 1}, {}),
        ({"a": 1}, {"a": "1"}, {"a": ("1", '"1"')}),
        ({"a": {"b": 1}}, {"a": {"c": 1}}, {"a.b": ("1", "missing"), "a.c": ("missing", "1")}),
        ({"a": {"b": 1}}, {"a": [1]}, {"a": ('{"b":1}', "(1)")}),
        ({"a": None}, {}, {"a": ("null", "missing")}),
        ({"a": 1}, {"a": True}, {"a": ("1", "true")}),
    ],
)
def test_differing_keys(stored: Any, given: Any, found: dict[str, tuple[str, str]]) -> None:
    assert differing_keys(stored, given) == found


def test_nothing_in_a_key_or_value_acts_on_a_terminal() -> None:
    (key, values), *more = differing_keys({"a\x1b[31m": "\u202e"}, {}).items()
    assert not more and "\x1b" not in key and "\u202e" not in "".join(values)


def test_the_same_arrays_pass() -> None:
    check_same_identity(PATH, stored={"label": np.arange(4)}, given={"label": np.arange(4)})


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("label", np.arange(4), "another label: expected row 2 to be 2, found 9"),
        ("digest", np.arange(8, dtype=np.uint8).reshape(4, 2), "another digest: expected row 2 to be 0405, found 0909"),
        ("logits", np.zeros((4, 2), np.float32), "another logits: expected row 2 to be .0. 0.., found .9. 9.."),
    ],
)
def test_the_first_row_of_an_array_that_differs_is_named(name: str, array: Any, message: str) -> None:
    given = array.copy()
    given[2:] = 9
    with pytest.raises(Mismatch, match=message):
        check_same_identity(PATH, stored={"same": array, name: array}, given={"same": array, name: given})


def test_a_negative_zero_differs() -> None:
    with pytest.raises(Mismatch, match="another logits: expected row 0"):
        check_same_identity(PATH, stored={"logits": np.zeros(2)}, given={"logits": -np.zeros(2)})


def test_given_logits_are_named_by_their_identity(recipe: Any) -> None:
    stored = recipe().header
    first, second = (
        replace(stored, guide=GuideIdentity.of_logits(name="given", identity={"version": number})) for number in (1, 2)
    )
    with pytest.raises(Mismatch) as caught:
        check_same_header(PATH, stored=first, given=replace(second, temperature="2"))
    assert str(caught.value) == (
        'guides/a.zarr holds other logits: expected given of the identity {"version":1}, found given of the identity '
        '{"version":2}; give those logits, choose another path, or remove guides/a.zarr to begin again'
    )
    with pytest.raises(Mismatch, match="the logits of another model: expected ta1 with the weights .*, found given of"):
        check_same_header(PATH, stored=stored, given=first)

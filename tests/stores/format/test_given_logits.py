"""The identity of given logits: kept as given, known again by its digest, and told from a setting of that name."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from dgkd_stores import GuideIdentity, InvalidInput, StoreHeader
from dgkd_stores.format.given_logits import MAX_IDENTITY_BYTES, identity_in, training_with_identity

IDENTITY = {"z": [1, True, None, {"é": "0.5"}], "a": "text"}
CANONICAL = '{"a":"text","z":[1,true,null,{"é":"0.5"}]}'.encode()


def test_the_digest_is_that_of_the_canonical_json() -> None:
    training, digest = training_with_identity({"epochs": 3}, IDENTITY)
    assert digest == hashlib.sha256(CANONICAL).hexdigest()
    assert training == {"epochs": 3, "identity": IDENTITY} and identity_in(training, digest) == IDENTITY


@pytest.mark.parametrize(
    ("training", "digest"),
    [
        ({}, "0" * 64),
        ({"identity": IDENTITY}, "0" * 64),  # a setting of a model with weights
        ({"identity": "text"}, hashlib.sha256(b'"text"').hexdigest()),
        ({"identity": {}}, hashlib.sha256(b"{}").hexdigest()),
        ({"identity": [1]}, hashlib.sha256(b"[1]").hexdigest()),
    ],
)
def test_everything_else_is_a_setting(training: dict[str, Any], digest: str) -> None:
    assert identity_in(training, digest) is None


def test_a_header_with_an_identity_is_of_version_1_and_read_again(recipe: Any) -> None:
    stored = recipe().header
    assert stored.guide.identity is None
    guide = GuideIdentity.of_logits(name="ta1", identity=IDENTITY, guides={"teacher": "ab" * 32})
    again = StoreHeader.from_dict(replace(stored, guide=guide).to_dict())
    assert again.version == 1 and again.guide == guide and again.guide.identity == IDENTITY
    assert set(guide.to_dict()) == set(stored.guide.to_dict())


def test_the_largest_identity() -> None:
    at_most = {"a": "x" * (MAX_IDENTITY_BYTES - len(b'{"a":""}'))}
    training_with_identity({}, at_most)
    with pytest.raises(InvalidInput, match="found 65,537 bytes; name files and tables by their SHA-256"):
        training_with_identity({}, {"a": at_most["a"] + "x"})


@pytest.mark.parametrize("identity", [None, 3, "text", [], {}, [("a", 1)]])
def test_what_says_nothing(identity: object) -> None:
    with pytest.raises(InvalidInput, match='write for example identity={"service": "classifier", "version": 3}'):
        training_with_identity({}, identity)

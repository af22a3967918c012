"""Provenance: a guide's identity is its maker's words and what the model itself tells."""

from __future__ import annotations

import pytest

from dgkd_cache.dump.provenance import Provenance
from dgkd_cache.errors import InvalidInput
from dgkd_cache.models.weights import weights_digest


def test_the_model_tells_the_rest(make_tiny) -> None:
    model, training, guides = make_tiny(1), {"epochs": 3}, {"teacher": "ab" * 32}
    found = Provenance(name="ta1", training=training, guides=guides).identity_of(model)
    assert found.to_dict() == {
        "name": "ta1",
        "architecture": "Sequential",
        "parameters": sum(one.numel() for one in model.parameters()),
        "weights_digest": weights_digest(model),
        "accuracy": "",
        "training": training,
        "guides": guides,
    }
    assert Provenance(name="ta1", architecture="tiny").identity_of(model).architecture == "tiny"


def test_the_header_refuses_a_name_that_no_guide_has(make_tiny) -> None:
    with pytest.raises(InvalidInput, match=r"guide.name"):
        Provenance(name="Ta 1").identity_of(make_tiny(1))


def test_given_logits_have_no_parameters_and_an_identity() -> None:
    found = Provenance(name="ta1", training={"epochs": 3}).identity_of_logits({"service": "a"})
    assert (found.architecture, found.parameters, found.accuracy) == ("logits", 0, "")
    assert found.training == {"epochs": 3, "identity": {"service": "a"}} and found.identity == {"service": "a"}
    assert Provenance(name="ta1", architecture="mean").identity_of_logits({"a": 1}).architecture == "mean"
    with pytest.raises(InvalidInput, match="says nothing"):
        Provenance(name="ta1").identity_of_logits({})

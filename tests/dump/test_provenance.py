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

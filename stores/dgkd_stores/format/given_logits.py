"""The identity of a guide without weights: an object that says which logits a program gave, with a digest.

The digest stands for that of weights. The object is kept in the header as `guide.training.identity`, so every reader
can compute the digest again. stores/FORMAT.md, Identity, has the rule.
"""

from __future__ import annotations

from collections.abc import Mapping

from dgkd_stores.arguments import describe_value
from dgkd_stores.coding.canonical import JsonValue, canonical_json, plain_json, sha256_hex
from dgkd_stores.coding.strict_json import deeper_than
from dgkd_stores.errors import InvalidInput
from dgkd_stores.format.limits import MAX_JSON_DEPTH

__all__ = ["IDENTITY", "MAX_IDENTITY_BYTES", "identity_in", "training_with_identity"]

IDENTITY = "identity"
"""The key in `guide.training`."""

MAX_IDENTITY_BYTES = 2**16
"""Bytes of an identity's canonical JSON: it names a source, such as files by their digests, and is no data itself."""

_LEVELS_ABOVE = 5  # zarr.json, attributes, dgkd, guide and training


def training_with_identity(training: Mapping[str, JsonValue], identity: object) -> tuple[dict[str, JsonValue], str]:
    """Returns `training` with the entry of an identity, and the digest that stands for weights.

    Raises InvalidInput for what is no JSON object, is empty or too large, holds a number that is no integer, or lies in
    `training` already.
    """
    if not isinstance(identity, Mapping) or not identity:
        raise InvalidInput(
            "the identity of given logits says nothing",
            expected="a JSON object that says which logits they are, with at least one key",
            found=describe_value(identity),
            do='write for example identity={"service": "classifier", "version": 3}',
        )
    try:
        plain = plain_json(identity)
        data = canonical_json(plain)
    except InvalidInput as error:
        raise InvalidInput(
            "the identity of given logits has no canonical JSON",
            expected=error.expected,
            found=error.found,
            do=error.do,
        ) from error
    if len(data) > MAX_IDENTITY_BYTES or deeper_than(MAX_JSON_DEPTH - _LEVELS_ABOVE, plain):
        raise InvalidInput(
            "the identity of given logits is too large",
            expected=f"at most {MAX_IDENTITY_BYTES:,} bytes of JSON, and {MAX_JSON_DEPTH - _LEVELS_ABOVE} levels",
            found=f"{len(data):,} bytes",
            do="name files and tables by their SHA-256 instead of their content",
        )
    if IDENTITY in training:
        raise InvalidInput(
            f"the training of a guide of given logits has the key {IDENTITY!r}",
            expected="another name: the identity is kept under this one",
            found=describe_value(training[IDENTITY]),
            do="rename that key, or move it into the identity",
        )
    return {**training, IDENTITY: plain}, sha256_hex(data)


def identity_in(training: Mapping[str, JsonValue], weights_digest: str) -> Mapping[str, JsonValue] | None:
    """Returns the identity of given logits in `training`: an object whose digest stands for weights; None without it.

    An entry of that name with another digest is a setting of a model with weights, and says nothing here.
    """
    found = training.get(IDENTITY)
    if isinstance(found, Mapping) and found and sha256_hex(canonical_json(found)) == weights_digest:
        return found
    return None

"""A store of some views has the signature of the published one, whose digests prove its rows."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from stores.support.signing import accepted, trusting
from stores.support.small_store import SmallStore

from dgkd_stores import GuideStore, GuideStoreWriter, IdentityArrays, Mismatch, subset, verify
from dgkd_stores.checking.origin import origin_path
from dgkd_stores.sharing.signatures import check_signature, describe_signature, sign_store, signature_path

NewKey = Callable[..., Path]


@pytest.fixture
def part(store: Path, new_key: NewKey, tmp_path: Path) -> Path:
    sign_store(store, new_key("lab"))
    subset(store, path := tmp_path / "part.zarr", views=range(1, 3))
    shutil.rmtree(store)
    signature_path(store).unlink()
    return path


def test_its_origin_is_signed(part: Path, new_key: NewKey) -> None:
    assert accepted(part, trusting(new_key("lab"))) and not accepted(part, trusting(new_key("other")))
    assert check_signature(verify(part), trusting(new_key("lab"))).signer
    with GuideStore.open(part) as opened:
        assert describe_signature(opened) == describe_signature(verify(part))
        assert describe_signature(opened).startswith("taken from a store that is signed by SHA256:")


def test_other_rows_beside_that_origin(part: Path, new_key: NewKey) -> None:
    """A forger keeps header and origin, writes other rows, and seals them again."""
    with GuideStore.open(part) as opened:
        names = {field.name for field in dataclasses.fields(IdentityArrays)} - {"condensed"}
        fields = {name: getattr(opened, name) for name in names}
        header, identity = opened.header, IdentityArrays(**fields)
    shutil.rmtree(part)
    with GuideStoreWriter(part, header, identity) as writer:
        for slot in writer.missing():
            writer.write(slot, -SmallStore().logits(slot.view)[slot.start : slot.stop])
        writer.seal()
    trusted = trusting(new_key("lab"))
    assert signature_path(origin_path(part)).exists() and not accepted(part, trusted)
    with pytest.raises(Mismatch, match="is not signed, and keys are required"):
        check_signature(verify(part), trusted)


def test_without_its_origin(part: Path, new_key: NewKey) -> None:
    shutil.rmtree(origin_path(part))
    assert not accepted(part, trusting(new_key("lab")))

"""Files beside a published store: signature and card go with it, last, and a required key is asked first."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from stores.support.small_store import tree
from stores.support.web import Web

from dgkd_stores import DgkdError, Mismatch, convert, pull, push
from dgkd_stores.sharing.signatures import sign_store
from dgkd_stores.sharing.trust import TrustedKeys

NewKey = Callable[..., Path]


def test_card_and_signature_are_published_last_and_replaced(path: Path, tmp_path: Path, new_key: NewKey) -> None:
    place = tmp_path / "place"
    assert push(path, str(place)).beside == ("README.md", "croissant.json")
    unsigned = tree(place)
    sign_store(path, new_key("lab"))
    assert push(path, str(place), data_licence="CC0-1.0").beside == ("a.zarr.sig", "README.md", "croissant.json")
    assert (place / "a.zarr.sig").read_bytes() == (path.parent / "a.zarr.sig").read_bytes()
    assert b"CC0-1.0" in (place / "README.md").read_bytes() and b"CC0-1.0" not in unsigned["README.md"]
    (place / "README.md").write_text("another card")
    before = (place / "a.zarr.sig").stat().st_mtime_ns
    push(path, str(place))
    assert b"resnet8" in (place / "README.md").read_bytes()
    assert (place / "a.zarr.sig").stat().st_mtime_ns == before, "what is the same is not sent"


@pytest.mark.parametrize("form", ["a.zarr", "a.h5"])
def test_a_required_key(path: Path, served: Web, tmp_path: Path, new_key: NewKey, form: str) -> None:
    store = path.parent / form
    if form == "a.h5":
        convert(path, store)
    served.root = tmp_path / "own"
    push(store, str(served.root))
    ours, theirs = (TrustedKeys.read(keys=[f"{new_key(name)}.pub"]) for name in ("lab", "foreign"))
    address = f"{served.address}/{form}"
    with pytest.raises(Mismatch, match="is not signed"):
        pull(address, tmp_path / "got", trusted=ours)
    sign_store(store, new_key("lab"))
    push(store, str(served.root))
    with pytest.raises(Mismatch, match="not by a key that is trusted") as refused:
        pull(address, tmp_path / "got", trusted=theirs)
    assert refused.value.exit_code == 13 and os.listdir(tmp_path / "got") == []
    assert not [path for path, _ in served.asked if "/c." in path], "no rows before the signature"
    found = pull(address, tmp_path / "got", trusted=ours)
    assert found.signature is not None and found.to_dict()["signature"]["fingerprint"].startswith("SHA256:")
    assert sorted(os.listdir(tmp_path / "got")) == [form, f"{form}.sig"]
    (tmp_path / "got" / f"{form}.sig").write_text("lost")
    assert pull(address, tmp_path / "got").signature is None
    assert (tmp_path / "got" / f"{form}.sig").read_bytes() == (path.parent / f"{form}.sig").read_bytes()


def test_a_server_without_ranges(path: Path, served: Web, tmp_path: Path, new_key: NewKey) -> None:
    served.ranges = False
    convert(path, path.parent / "a.h5")
    served.root = tmp_path / "own"
    push(path.parent / "a.h5", str(served.root))
    with pytest.raises(Mismatch, match="is not signed"):
        pull(f"{served.address}/a.h5", tmp_path / "got", trusted=TrustedKeys.read(keys=[f"{new_key('lab')}.pub"]))
    assert not (tmp_path / "got" / "a.h5").exists()


def test_a_forged_store_that_was_sealed_again(
    path: Path, other: Path, served: Web, tmp_path: Path, new_key: NewKey
) -> None:
    sign_store(path, new_key("lab"))
    served.root = tmp_path / "own"
    push(path, str(served.root))
    forged = tmp_path / "forged"
    push(other, str(forged))
    (forged / "a.zarr.sig").write_bytes((served.root / "a.zarr.sig").read_bytes())
    served.root = forged
    trusted = TrustedKeys.read(keys=[f"{new_key('lab')}.pub"])
    with pytest.raises(Mismatch, match="signature of another store"):
        pull(f"{served.address}/a.zarr", tmp_path / "got", trusted=trusted)
    assert pull(f"{served.address}/a.zarr", tmp_path / "got").path == tmp_path / "got" / "a.zarr"


@pytest.mark.parametrize("form", ["a.zarr", "a.h5"])
@pytest.mark.parametrize("text", ["README.md", "croissant.json"])
def test_a_text_that_is_no_card_is_left(path: Path, other: Path, tmp_path: Path, form: str, text: str) -> None:
    """The folder of a project that is given as a place by mistake keeps its README.md."""
    convert(path, path.parent / "a.h5")
    place = tmp_path / "project"
    place.mkdir()
    (place / text).write_text("# My project, which uses dgkd-cache" if text == "README.md" else '{"name": "pets"}')
    before = tree(place)
    for dry_run in (True, False):
        with pytest.raises(Mismatch, match=f"{text} that is no card of a guide") as refused:
            push(path.parent / form, str(place), dry_run=dry_run)
        assert refused.value.exit_code == 13 and tree(place) == before
    (place / text).unlink()
    push(path, str(place))
    shutil.rmtree(place / "a.zarr")
    seal = push(other, str(place)).seal
    assert seal.encode() in (place / "README.md").read_bytes(), "the card of an earlier guide is replaced"


def test_a_bucket_that_everybody_may_read_and_nobody_list(
    path: Path, served: Web, tmp_path: Path, new_key: NewKey
) -> None:
    """Such a one answers 403 instead of 404: a store without a signature is pulled from there nevertheless."""
    served.missing = 403
    address = f"{served.address}/a.zarr"
    trusted = TrustedKeys.read(keys=[f"{new_key('lab')}.pub"])
    with pytest.raises(Mismatch, match="is not signed"):
        pull(address, tmp_path / "got", trusted=trusted)
    pull(address, tmp_path / "got")
    assert os.listdir(tmp_path / "got") == ["a.zarr"]
    with pytest.raises(DgkdError, match="refuses access") as refused:
        pull(f"{served.address}/b.zarr", tmp_path / "got")
    assert refused.value.exit_code == 1
    sign_store(path, new_key("lab"))
    push(path, str(served.root))
    assert pull(address, tmp_path / "got", trusted=trusted).signature is not None

"""Guides from elsewhere: with keys in [sharing], no training starts from one that nobody trusted has signed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.ssh_keys import key_pair
from support.tiny_chain import Lines, train, workspace

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.workspace.foreign_guides import is_own
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore, convert, sign_store


@pytest.fixture
def theirs(done, tmp_path: Path) -> Path:
    """A copy of the teacher's store, as another lab would have published it."""
    ws, _ = done
    shutil.copytree(ws.store_path("teacher"), path := tmp_path / "theirs" / "teacher.zarr")
    return path


def ours(tmp_path: Path, **sharing: object) -> Workspace:
    ws = workspace(tmp_path / "ours", training__epochs=1)
    return ws.with_config(with_overrides(ws.config, {f"sharing.{key}": value for key, value in sharing.items()}))


def refused(ws: Workspace, store: Path, words: str) -> None:
    with pytest.raises(Mismatch, match=words) as caught:
        train(ws, "student", guides=[store])
    assert caught.value.exit_code == 13
    assert not ws.run_folder("student").exists(), "nothing was begun"


def test_without_keys_a_line_says_that_it_is_unsigned(theirs: Path, tmp_path: Path) -> None:
    train(ours(tmp_path), "student", guides=[theirs], progress=(progress := Lines()))
    assert f"{theirs} is unsigned" in progress.lines


def test_with_a_key_only_its_signature_counts(theirs: Path, tmp_path: Path) -> None:
    (private, public), (forger, _) = key_pair(tmp_path / "keys"), key_pair(tmp_path / "keys", "forger")
    ws = ours(tmp_path, keys=[str(public)])
    refused(ws, theirs, "is not signed, and keys are required")
    signature = sign_store(theirs, forger)
    refused(ws, theirs, "is not by a key that is trusted here")
    signature.unlink()
    sign_store(theirs, private)
    train(ws, "student", guides=[theirs], progress=(progress := Lines()))
    assert any(line.startswith(f"{theirs} is signed by lab@example.org on 20") for line in progress.lines)


def test_a_store_that_was_forged_and_sealed_again(done, theirs: Path, tmp_path: Path) -> None:
    """Of the right images, labels, classes and views, so that nothing but the signature tells."""
    private, public = key_pair(tmp_path / "keys")
    sign_store(theirs, private)
    shutil.rmtree(theirs)
    convert(done[0].store_path("ta1"), theirs)
    refused(ours(tmp_path, keys=[public.read_text()]), theirs, "is the signature of another store: expected seal")


def test_allowed_signers_are_a_path_from_the_workspace(theirs: Path, tmp_path: Path) -> None:
    private, public = key_pair(tmp_path / "keys")
    sign_store(theirs, private)
    ws = ours(tmp_path, allowed_signers="labs")
    key = " ".join(public.read_text().split()[:2])
    (ws.folder / "labs").write_text(f'lab@example.org valid-before="20200101Z" {key}\n')
    refused(ws, theirs, "line 1 of the allowed signers has expired")
    (ws.folder / "labs").write_text(f"lab@example.org {key}\n")
    train(ws, "student", guides=[theirs])


def test_keys_that_cannot_be_read_refuse_too(theirs: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no key at"):
        train(ours(tmp_path, keys=["nowhere.pub"]), "student", guides=[theirs])


def test_own_guides_need_no_signature(done, tmp_path: Path) -> None:
    ws = done[0]
    _, public = key_pair(tmp_path / "keys")
    strict = ws.with_config(with_overrides(ws.config, {"sharing.keys": [str(public)], "training.epochs": 1}))
    train(strict, "by-own", guides=[ws.store_path("teacher"), ws.store_path("ta1")], progress=(progress := Lines()))
    assert not any("signed" in line for line in progress.lines)


def test_what_is_own(done, theirs: Path, tmp_path: Path) -> None:
    ws = done[0]
    with GuideStore.open(ws.store_path("teacher")) as own, GuideStore.open(theirs) as foreign:
        assert is_own(ws, own) and not is_own(ws, foreign)
        other = workspace(tmp_path / "other")
        shutil.copytree(theirs, other.store_path("teacher"))
        with GuideStore.open(other.store_path("teacher")) as copied:
            assert not is_own(other, copied), "it lies in guides/, but no run here made it"


def test_the_setting_makes_no_run_stale(done, tmp_path: Path) -> None:
    from support.tiny_chain import run

    shutil.copytree(done[0].folder, tmp_path / "copy")
    ws = Workspace.open(tmp_path / "copy")
    _, public = key_pair(tmp_path / "keys")
    rows = run(ws.with_config(with_overrides(ws.config, {"sharing.keys": [str(public)]})))
    assert [row.state for row in rows] == [row.state for row in run(ws)]

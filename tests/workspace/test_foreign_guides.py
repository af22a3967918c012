"""Guides from elsewhere: with keys in [sharing], no training starts from one that nobody trusted has signed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from support.ssh_keys import key_pair
from support.tiny_chain import Lines, dump, train, workspace

from dgkd_cache.config.workspace_config import with_overrides
from dgkd_cache.errors import InvalidInput, Mismatch
from dgkd_cache.workspace.dumped_here import DUMPED_FILE, dumped_seals
from dgkd_cache.workspace.foreign_guides import is_own
from dgkd_cache.workspace.workspace import Workspace
from dgkd_stores import GuideStore, GuideStoreWriter, IdentityArrays, convert, sign_store, subset, verify


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
    """The store has the right images, labels, classes and views, so that nothing but the signature tells."""
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
    shutil.copytree(done[0].folder, tmp_path / "copy")
    ws = Workspace.open(tmp_path / "copy")
    _, public = key_pair(tmp_path / "keys")
    strict = ws.with_config(with_overrides(ws.config, {"sharing.keys": [str(public)], "training.epochs": 1}))
    train(strict, "by-own", guides=[ws.store_path("teacher"), ws.store_path("ta1")], progress=(progress := Lines()))
    assert not any("signed" in line for line in progress.lines)


def forge(source: Path, target: Path) -> None:
    """Writes a whole, sealed store with the header of `source` and other rows: those of the sample before."""
    with GuideStore.open(source) as store:
        names = ("label_N", "sample_digest_N16", "view_digest_V32", "probe")
        tests = ("test_logits_MC", "test_label_M", "test_sample_digest_M16")
        identity = IdentityArrays(**{name: getattr(store, name) for name in (*names, *tests)})
        count = len(store.label_N)
        with GuideStoreWriter(target, store.header, identity) as writer:
            for slot in list(writer.missing()):
                samples_S = (np.arange(slot.start, slot.stop) - 1) % count
                writer.write(slot, store.gather(np.full_like(samples_S, slot.view), samples_S).astype(np.float32))
            writer.seal()
    assert verify(target, full=True).exit_code == 0


@pytest.fixture
def strict(done, tmp_path: Path) -> tuple[Workspace, Path]:
    """A copy of the finished chain with a key in [sharing]; the path of its private part."""
    shutil.copytree(done[0].folder, tmp_path / "copy")
    private, public = key_pair(tmp_path / "keys")
    ws = Workspace.open(tmp_path / "copy")
    return ws.with_config(with_overrides(ws.config, {"sharing.keys": [str(public)], "training.epochs": 1})), private


def test_a_forged_store_that_was_copied_into_guides(strict: tuple[Workspace, Path]) -> None:
    """Its header names the weights of a run here, so that it is in no way stale."""
    ws, private = strict
    path = ws.store_path("teacher")
    ours = path.rename(path.with_name("ours.zarr"))
    forge(ours, path)
    with GuideStore.open(path) as forged, GuideStore.open(ours) as store:
        assert forged.header == store.header and forged.seal != store.seal
    with pytest.raises(Mismatch, match="is not signed, and keys are required"):
        train(ws, "by-forged", guides=[path])
    assert not ws.run_folder("by-forged").exists()
    assert dump(ws, "teacher").seal not in dumped_seals(ws.folder), "to find it finished is not to make it"
    with pytest.raises(Mismatch, match="is not signed, and keys are required"):
        train(ws, "by-forged", guides=[path])
    sign_store(path, private)
    train(ws, "by-signed", guides=[path])


def test_what_was_dumped_here_is_own_wherever_it_lies(strict: tuple[Workspace, Path], tmp_path: Path) -> None:
    ws, _ = strict
    other = workspace(tmp_path / "other")
    convert(ws.store_path("teacher"), tmp_path / "packed.h5")
    subset(ws.store_path("ta1"), tmp_path / "views.zarr", views=range(1, 2))
    for path in (tmp_path / "packed.h5", tmp_path / "views.zarr"):
        with GuideStore.open(path) as store:
            assert is_own(ws, store)
            assert not is_own(other, store), "another workspace made it"
    shutil.rmtree(tmp_path / "views.zarr.origin")
    with GuideStore.open(tmp_path / "views.zarr") as store:
        assert not is_own(ws, store), "nothing proves its rows"


def test_without_the_record_nothing_is_own(strict: tuple[Workspace, Path]) -> None:
    ws, _ = strict
    (ws.folder / DUMPED_FILE).unlink()
    with pytest.raises(Mismatch, match="sign it if it is yours"):
        train(ws, "by-own", guides=[ws.store_path("teacher")])


def test_the_setting_makes_no_run_stale(done, tmp_path: Path) -> None:
    from support.tiny_chain import run

    shutil.copytree(done[0].folder, tmp_path / "copy")
    ws = Workspace.open(tmp_path / "copy")
    _, public = key_pair(tmp_path / "keys")
    rows = run(ws.with_config(with_overrides(ws.config, {"sharing.keys": [str(public)]})))
    assert [row.state for row in rows] == [row.state for row in run(ws)]

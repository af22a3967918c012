"""Settings that are paths mean the same in another folder."""

from __future__ import annotations

from pathlib import Path

from support.tiny_chain import workspace

from dgkd_cache.workspace.absolute_paths import absolute_paths


def test_every_path_is_absolute_and_a_key_stays_as_it_is(tmp_path: Path) -> None:
    ws = workspace(
        tmp_path / "ws",
        dataset__name="folder:photos",
        dataset__root="../data",
        dataset__align="theirs",
        dataset__class_map="classes.json",
        sharing__keys=["ssh-ed25519 AAAA", "keys/lab.pub"],
        sharing__allowed_signers="keys/signers",
    )
    here = tmp_path.resolve() / "ws"
    assert absolute_paths(ws) == {
        "dataset.name": f"folder:{here / 'photos'}",
        "dataset.root": str(tmp_path.resolve() / "data"),
        "dataset.align": str(here / "guides" / "theirs.zarr"),
        "dataset.class_map": str(here / "classes.json"),
        "sharing.keys": ["ssh-ed25519 AAAA", str(here / "keys" / "lab.pub")],
        "sharing.allowed_signers": str(here / "keys" / "signers"),
    }


def test_a_store_may_be_named_by_its_path_and_what_is_not_set_is_left_out(tmp_path: Path) -> None:
    ws = workspace(tmp_path / "ws", dataset__name="digits", dataset__align="../theirs.zarr")
    assert absolute_paths(ws) == {"dataset.name": "digits", "dataset.align": str(tmp_path.resolve() / "theirs.zarr")}
    plain = workspace(tmp_path / "plain", dataset__name="digits")
    assert absolute_paths(plain) == {"dataset.name": "digits"}

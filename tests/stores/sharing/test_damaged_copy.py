"""Damaged copies at the target of a pull: only what is wrong is fetched, and no other store is taken for one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stores.support.small_store import tree
from stores.support.web import Web

from dgkd_stores import Mismatch
from dgkd_stores.coding.digests import seal_of
from dgkd_stores.containers import ZarrFolder
from dgkd_stores.sharing.pull import pull


def chunks(server: Web) -> list[str]:
    return [path for path, _ in server.asked if "/c." in path]


def test_a_damaged_copy_is_mended(served: Web, tmp_path: Path) -> None:
    pull(f"{served.address}/a.zarr", tmp_path / "got")
    copy = tmp_path / "got" / "a.zarr"
    for name in ("logits/c.0.1.0", "probe/c.0.0"):
        (copy / name).write_bytes(bytes((copy / name).stat().st_size))
    (copy / "digest" / "c.1.0.0").unlink()
    preview = pull(f"{served.address}/a.zarr", tmp_path / "got", dry_run=True)
    assert preview.fetched_files == 3 and not preview.was_there
    served.asked.clear()
    found = pull(f"{served.address}/a.zarr", tmp_path / "got")
    assert found.fetched_bytes == preview.fetched_bytes
    assert tree(copy) == tree(served.root / "a.zarr")
    expected = {"a.zarr/logits/c.0.1.0", "a.zarr/probe/c.0.0", "a.zarr/digest/c.1.0.0"}
    assert set(chunks(served)) == expected and found.fetched_files == 3


def lost(root: Path) -> None:
    root.unlink()


def no_json(root: Path) -> None:
    root.write_bytes(root.read_bytes()[:-40])


def another_seal(root: Path) -> None:
    change(root, lambda attributes: attributes.update(dgkd_seal="0" * 64))


def another_licence(root: Path) -> None:
    change(root, lambda attributes: attributes["dgkd"].update(licence="mine"))


def change(root: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads(root.read_text())
    edit(value["attributes"])
    root.write_text(json.dumps(value))


@pytest.mark.parametrize("damage", [lost, no_json, another_seal, another_licence])
def test_a_copy_whose_root_is_damaged(served: Web, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    pull(f"{served.address}/a.zarr", tmp_path / "got")
    copy = tmp_path / "got" / "a.zarr"
    damage(copy / "zarr.json")
    (copy / "logits" / "c.0.1.0").unlink()
    served.asked.clear()
    found = pull(f"{served.address}/a.zarr", tmp_path / "got")
    assert tree(copy) == tree(served.root / "a.zarr") and not found.was_there
    assert chunks(served) == ["a.zarr/logits/c.0.1.0"] and found.fetched_files == 1


def test_another_store_with_these_rows_is_left(served: Web, tmp_path: Path) -> None:
    """Its header differs, and it was sealed again: it is whole, and nobody's damaged copy."""
    pull(f"{served.address}/a.zarr", tmp_path / "got")
    root = tmp_path / "got" / "a.zarr" / "zarr.json"
    another_licence(root)
    header, seal = ZarrFolder.read_head(root.parent)
    assert seal is not None
    change(root, lambda attributes: attributes.update(dgkd_seal=seal_of(header.canonical, seal.arrays)))
    before = tree(root.parent)
    with pytest.raises(Mismatch, match="something else"):
        pull(f"{served.address}/a.zarr", tmp_path / "got")
    assert tree(root.parent) == before


@pytest.mark.parametrize("name", ["label/zarr.json", "digest/c.1.0.0"])
def test_one_damaged_file_of_a_copy(served: Web, tmp_path: Path, name: str) -> None:
    pull(f"{served.address}/a.zarr", tmp_path / "got")
    copy = tmp_path / "got" / "a.zarr"
    (copy / name).write_bytes((copy / name).read_bytes()[:-1] + b"\n\n"[: 2 - ("/c." in name)])
    served.asked.clear()
    found = pull(f"{served.address}/a.zarr", tmp_path / "got")
    assert tree(copy) == tree(served.root / "a.zarr") and not found.was_there
    assert chunks(served) == [f"a.zarr/{name}"] * ("/c." in name)

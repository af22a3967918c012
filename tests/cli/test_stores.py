"""The store that NAME or PATH means, and the workspace that it belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest

from dgkd_cache.errors import InvalidInput, StoreNotFound
from dgkd_cli.app import App
from dgkd_cli.stores import store_at, workspace_for

HERE = App(folder=Path("."), quiet=True)


def test_a_path_needs_no_workspace_and_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert store_at(HERE, "sub/x.zarr") == Path("sub/x.zarr")
    assert store_at(HERE, "x.h5") == Path("x.h5")
    with pytest.raises(InvalidInput, match="no workspace"):
        store_at(HERE, "teacher")


def test_a_name_is_a_store_of_the_workspace(guides: Path) -> None:
    assert store_at(HERE, "ta1").resolve() == guides / "ta1.zarr"
    with pytest.raises(StoreNotFound, match="'techer'"):
        store_at(HERE, "techer")


def test_a_store_belongs_to_the_workspace_it_lies_in(guides: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    other = App(folder=elsewhere, quiet=True)
    found = workspace_for(other, guides / "ta1.zarr")
    assert found is not None and found.folder.resolve() == guides.parent
    of_here = workspace_for(HERE, elsewhere / "guides" / "x.zarr")
    assert of_here is not None and of_here.folder.resolve() == guides.parent, "else the one of -w"
    with pytest.raises(InvalidInput, match="no workspace"):
        workspace_for(other, elsewhere / "x.zarr")


def test_without_any_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert workspace_for(HERE, tmp_path / "x.zarr") is None

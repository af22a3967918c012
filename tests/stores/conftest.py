"""Fixtures of the stores' tests: a small store's recipe, small chunks, and no waiting for the disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from stores.support.small_store import SmallStore, tree


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here cuts the power, and a busy disk makes it ten times slower; the order is tested."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def make_chunks_small(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("dgkd_stores.format.layout.ONE_CHUNK_BYTES", 400)
    patch.setattr("dgkd_stores.format.layout.TARGET_CHUNK_BYTES", 500)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several chunks a view, from stores of a few kilobytes."""
    make_chunks_small(monkeypatch)


@pytest.fixture(scope="session")
def recipe() -> type[SmallStore]:
    return SmallStore


@pytest.fixture(scope="session")
def _of_small_chunks(recipe: type[SmallStore], tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        make_chunks_small(patch)
        recipe().write(path := tmp_path_factory.mktemp("small_chunks") / "a.zarr")
    return path


@pytest.fixture
def path(_of_small_chunks: Path, small_chunks: None, tmp_path: Path) -> Path:
    """A finished store of several chunks a view."""
    return Path(shutil.copytree(_of_small_chunks, tmp_path / "a.zarr"))


@pytest.fixture
def whole(recipe: type[SmallStore], tmp_path: Path) -> tuple[SmallStore, Path]:
    """A finished store of views 2 to 4, as a recipe and on disk."""
    small = recipe(first_view=2)
    small.write(tmp_path / "a.zarr")
    return small, tmp_path / "a.zarr"


@pytest.fixture
def read_tree() -> Any:
    return tree

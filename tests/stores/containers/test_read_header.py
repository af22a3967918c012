"""The header and the seal of a store alone: those of the whole store, behind the same guard; no array is touched."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from stores.proofs.hostile import CORPUS, build
from stores.proofs.hostile.corpus import make_bases

from dgkd_stores import GuideStoreWriter, InvalidInput, StoreNotFound, convert, read_header

REFUSED = (
    *("link_for_the_metadata", "pipe_for_the_metadata", "metadata_of_a_terabyte", "json_nested", "json_that_is_cut"),
    *("link_for_an_array_folder", "program_beside_the_arrays", "version_2_beside_version_3", "consolidated_metadata"),
    *("newer_version", "guide_named_parent", "seal_too_short", "digest_missing", "digests_without_seal"),
    *("hdf5_soft_link", "hdf5_huge_header", "hdf5_more_arrays", "hdf5_without_a_seal", "hdf5_cut", "hdf5_pipe"),
)


def test_of_a_folder_and_of_a_file(recipe: Any, tmp_path: Path) -> None:
    small = recipe()
    seal = small.write(tmp_path / "store.zarr")
    convert(tmp_path / "store.zarr", tmp_path / "store.h5")
    for path in (tmp_path / "store.zarr", str(tmp_path / "store.h5")):
        found = read_header(path)
        assert (found.header, found.seal) == (small.header, seal)


def test_of_an_unfinished_store(recipe: Any, tmp_path: Path) -> None:
    small = recipe()
    with GuideStoreWriter(tmp_path / "store.zarr", small.header, small.identity):
        pass
    found = read_header(tmp_path / "store.zarr")
    assert (found.header, found.seal) == (small.header, None)


def test_no_array_is_read(recipe: Any, tmp_path: Path) -> None:
    seal = recipe().write(tmp_path / "store.zarr")
    for array in (path for path in (tmp_path / "store.zarr").iterdir() if path.is_dir()):
        shutil.rmtree(array)
    assert read_header(tmp_path / "store.zarr").seal == seal


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFound):
        read_header(tmp_path / "none.zarr")
    with pytest.raises(InvalidInput):
        read_header(3)  # type: ignore[arg-type]  # what the test is about


@pytest.fixture(scope="module")
def bases(recipe: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases")
    make_bases(recipe, folder / "bases")
    return folder / "bases"


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_ones_are_refused(name: str, bases: Path, tmp_path: Path) -> None:
    with pytest.raises(CORPUS[name].refused):
        read_header(build(name, bases, tmp_path))

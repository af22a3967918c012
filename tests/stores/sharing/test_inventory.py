"""The files of a store in their order, each of them once, and rows that do not fit are not sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from stores.support.small_store import SmallStore

from dgkd_stores import Damaged, Incomplete
from dgkd_stores.sharing.inventory import ROOT, Inventory


@pytest.mark.parametrize("encoding", ["float16", "uint8"])
@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_every_file_once_and_the_root_last(
    recipe: type[SmallStore], small_chunks: None, tmp_path: Path, encoding: str, codec: str
) -> None:
    recipe(encoding=encoding).write(tmp_path / "a.zarr", codec=codec)
    found = Inventory(tmp_path / "a.zarr")
    files = {str(path.relative_to(tmp_path / "a.zarr")) for path in (tmp_path / "a.zarr").rglob("*") if path.is_file()}
    rows = [name for each in found.rows() for name in each.names]
    order = [*found.first(), *rows, ROOT]
    assert sorted(order) == sorted(files) and len(order) == len(files)
    assert list(found.sizes) == order
    assert found.nbytes == sum((tmp_path / "a.zarr" / name).stat().st_size for name in files)
    assert all(name.startswith(("logits/c", "scale/c")) for name in rows)
    for each in found.rows():
        assert {name: bytes(data) for name, data in found.read_rows(each).items()} == {
            name: (tmp_path / "a.zarr" / name).read_bytes() for name in each.names
        }


def test_arrays_without_elements_have_no_files(recipe: type[SmallStore], tmp_path: Path) -> None:
    recipe(tests=0).write(tmp_path / "a.zarr")
    assert "test_label/c.0" not in Inventory(tmp_path / "a.zarr").sizes


def test_damaged_rows_are_not_given_out(path: Path) -> None:
    file = path / "logits" / "c.1.0.0"
    file.write_bytes(file.read_bytes()[:-1] + b"\x7f")
    found = Inventory(path)
    with pytest.raises(Damaged, match="view 1") as refused:
        [found.read_rows(each) for each in found.rows()]
    assert refused.value.exit_code == 12


def test_a_damaged_or_unfinished_store_is_refused(recipe: type[SmallStore], path: Path, tmp_path: Path) -> None:
    recipe().write(tmp_path / "b.zarr", chunks=2)
    with pytest.raises(Incomplete):
        Inventory(tmp_path / "b.zarr")
    (path / "label" / "c.0").write_bytes(bytes((path / "label" / "c.0").stat().st_size))
    with pytest.raises(Damaged, match="not sent"):
        Inventory(path)

"""A store's folder without its rows: Zarr opens it, whole arrays are there as plain bytes, and it is made only anew."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from dgkd_stores.coding.digests import Seal
from dgkd_stores.format.layout import StoreLayout
from dgkd_stores.writing.skeleton import write_skeleton

NAMES = ["digest", "label", "logits", "probe", "sample_digest", "test_label", "test_logits", "test_sample_digest"]


@pytest.fixture
def made(recipe: Any, tmp_path: Path) -> tuple[Any, StoreLayout, dict[str, Any], Path]:
    small = recipe()
    layout = StoreLayout(small.header, chunk_rows=16)
    arrays = small.identity.encoded(small.header, layout)
    write_skeleton(tmp_path / "a.zarr", small.header, layout, arrays)
    return small, layout, arrays, tmp_path / "a.zarr"


def test_what_lies_there(made: tuple[Any, StoreLayout, dict[str, Any], Path]) -> None:
    small, _, _, path = made
    names = {*NAMES, "view_digest"}
    files = {f"{name}/zarr.json" for name in names} | {"zarr.json", "label/c.0", "test_label/c.0"}
    whole = ("probe", "sample_digest", "view_digest", "test_logits", "test_sample_digest")
    files |= {f"{name}/c.0.0" for name in whole}
    assert {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()} == files
    assert (path / "label" / "c.0").read_bytes() == struct.pack("<50q", *small.identity.label_N)
    assert (path / "test_logits" / "c.0.0").read_bytes() == small.identity.test_logits_MC.astype("<f4").tobytes()


def test_zarr_reads_it(made: tuple[Any, StoreLayout, dict[str, Any], Path]) -> None:
    small, layout, arrays, path = made
    group = zarr.open_group(path, mode="r")
    assert set(group.attrs) == {"dgkd"} and group.attrs["dgkd"] == small.header.to_dict()
    for name, array in arrays.items():
        assert (group[name][...] == array).all(), name
    assert group["logits"].shape == (3, 50, 7) and group["logits"].chunks == (1, 16, 7)
    assert np.isnan(group["logits"][...]).all() and not group["digest"][...].any(), "no row is there yet"


def test_with_a_seal(recipe: Any, tmp_path: Path) -> None:
    small = recipe()
    layout = StoreLayout(small.header, chunk_rows=50)
    seal = Seal(digest="1" * 64, arrays={"label": "2" * 64})
    write_skeleton(tmp_path / "a", small.header, layout, small.identity.encoded(small.header, layout), seal=seal)
    attributes = zarr.open_group(tmp_path / "a", mode="r").attrs
    assert (attributes["dgkd_seal"], attributes["dgkd_digests"]) == ("1" * 64, {"label": "2" * 64})


def test_what_is_there_already_is_left(made: tuple[Any, StoreLayout, dict[str, Any], Path], read_tree: Any) -> None:
    small, layout, arrays, path = made
    before = read_tree(path)
    with pytest.raises(FileExistsError):
        write_skeleton(path, small.header, layout, arrays)
    assert read_tree(path) == before

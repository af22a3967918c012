"""Anything at the place that is not of the store is refused and stays. The order: `test_publication.py`."""

from __future__ import annotations

from pathlib import Path

import pytest
from stores.support.small_store import tree

from dgkd_stores import Mismatch
from dgkd_stores.sharing.folder import Folder
from dgkd_stores.sharing.inventory import Inventory
from dgkd_stores.sharing.object_publication import ObjectPublication
from dgkd_stores.sharing.parallel import Tally


@pytest.mark.parametrize("name", ["logits/c.9.9.9", "README.md", "logits/c.0.0.0"])
def test_what_is_not_of_the_store_is_refused(path: Path, tmp_path: Path, tally: Tally, name: str) -> None:
    foreign = tmp_path / "place" / "a.zarr" / name
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"x")
    with pytest.raises(Mismatch, match="not of this store"):
        ObjectPublication(Inventory(path), "a.zarr", Folder(tmp_path / "place"), tally).run({}, jobs=2)
    assert foreign.read_bytes() == b"x" and len(tree(tmp_path / "place")) <= 3

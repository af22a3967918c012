"""Names and metadata in a Zarr folder that no writer of ours makes, one by one; whole ones are in `proofs/hostile/`."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from dgkd_stores import Damaged, DgkdError, GuideStore, UnsafeStore
from dgkd_stores.format.limits import MAX_METADATA_BYTES


@pytest.fixture
def path(recipe: Any, small_chunks: None, tmp_path: Path) -> Path:
    recipe().write(tmp_path / "a.zarr")
    return tmp_path / "a.zarr"


def edit(file: Path, *keys: Any, value: Any) -> None:
    """Set one place in a JSON file; `...` takes it out."""
    content = json.loads(file.read_bytes())
    place = content
    for key in keys[:-1]:
        place = place[key]
    if value is ...:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    file.write_text(json.dumps(content))


def refused(path: Path, error: type[DgkdError] = UnsafeStore, match: str = ".") -> None:
    """Opening fails that way, and allocates next to nothing on the way there."""
    tracemalloc.start()
    try:
        for allow_incomplete in (False, True):
            with pytest.raises(error, match=match):
                GuideStore.open(path, allow_incomplete=allow_incomplete)
        assert tracemalloc.get_traced_memory()[1] < 2 * MAX_METADATA_BYTES
    finally:
        tracemalloc.stop()


def test_the_store_itself_may_be_reached_by_a_link(path: Path) -> None:
    (path.parent / "link").symlink_to(path)
    with GuideStore.open(path.parent / "link") as store:
        assert store.gather([0], [0]).shape == (1, 7)


@pytest.mark.parametrize(
    "name",
    [".zarray", "evil.py", "logits/c.3.0.0", "logits/c.0.0", "logits/c.00.0.0", "logits/c.0.0.0.partial"]
    + [
        "logits/c.0.0.0/0",
        "scale/zarr.json",
        "label/c.1",
        "label/C.0",
        "logits/c.-1.0.0",
        "zarr.json.bak",
        "c/0",
    ],
)
def test_names_that_do_not_belong(path: Path, name: str) -> None:
    if name.count("/") > 1:
        (path / name).parent.unlink(missing_ok=True)
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    (path / name).write_bytes(b"")
    refused(path, match="expected .*, found .*; do not use this store")


def test_what_other_zarr_libraries_may_leave_out_or_say(path: Path) -> None:
    for name in ("logits", "label", "digest"):
        edit(path / name / "zarr.json", "attributes", value=...)
        edit(path / name / "zarr.json", "storage_transformers", value=[])
    edit(path / "digest" / "zarr.json", "codecs", 0, "configuration", value={"endian": "little"})
    GuideStore.open(path).close()


@pytest.mark.parametrize("name", ["logits", "label", "digest"])
def test_lost_arrays_are_damage(path: Path, name: str) -> None:
    (path / name / "zarr.json").unlink()
    refused(path, Damaged, f"lost an array: expected {name}/zarr.json, found no such file; .*dgkd-cache repair")
    shutil.rmtree(path / name)
    refused(path, Damaged, f"lost an array: expected {name}/zarr.json")

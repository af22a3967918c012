"""Names and metadata in a Zarr folder that no writer of ours makes, one by one; whole ones are in `proofs/hostile/`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from stores.support.refusals import edit, refused

from dgkd_stores import Damaged, GuideStore


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

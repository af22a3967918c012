"""A store of some views against the published store beside it: each difference is found, and named by its view."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from stores.support.small_store import SmallStore, tree

from dgkd_stores import pull, push, subset, verify
from dgkd_stores.checking.origin import origin_path


@pytest.fixture
def part(path: Path, tmp_path: Path) -> Path:
    """Views 1 and 2 of a published store of views 0 to 2."""
    pytest.importorskip("cryptography", reason="the extra share is not installed")
    push(path, str(tmp_path / "place"))
    found = pull(str(tmp_path / "place"), tmp_path / "got", views=range(1, 3))
    assert found.path is not None
    return found.path


def test_whole(part: Path, path: Path) -> None:
    found = verify(part, full=True)
    assert (found.damage, found.exit_code, found.origin_seal) == ((), 0, verify(path).seal)
    assert found.to_dict()["origin_seal"] == found.origin_seal and verify(path).origin_seal is None
    assert set(tree(origin_path(part))) == {"zarr.json", "digest"} | {
        f"digest/{name}" for name in ("zarr.json", "c.0.0.0", "c.1.0.0", "c.2.0.0")
    }


def other_rows(part: Path, tmp_path: Path) -> None:
    """A store of the same header, whose rows are others, sealed again."""

    class Other(SmallStore):
        def logits(self, view: int) -> object:  # type: ignore[override]
            return super().logits(view) + (view == 2)

    Other().write(tmp_path / "other.zarr")
    origin = json.loads((origin_path(part) / "zarr.json").read_text())["attributes"]
    shutil.rmtree(part)
    subset(tmp_path / "other.zarr", tmp_path / "forged" / part.name, views=range(1, 3))
    shutil.move(tmp_path / "forged" / part.name, part)
    root = json.loads((part / "zarr.json").read_text())
    text = json.dumps(root).replace(
        root["attributes"]["dgkd"]["guide"]["training"]["derived_from"]["sources"][0]["seal"], origin["dgkd_seal"]
    )
    (part / "zarr.json").write_text(text)


def edit_root(part: Path, tmp_path: Path) -> None:
    file = origin_path(part) / "zarr.json"
    file.write_text(file.read_text().replace('"licence": ""', '"licence": "mine"'))


def edit_digest(part: Path, tmp_path: Path) -> None:
    file = origin_path(part) / "digest" / "c.0.0.0"
    file.write_bytes(bytes(file.stat().st_size))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (other_rows, "rows that were published"),
        (edit_root, "a header that its seal fits"),
        (edit_digest, "digests of SHA-256"),
        (lambda part, tmp_path: (origin_path(part) / "digest" / "c.2.0.0").unlink(), "digests of SHA-256"),
        (lambda part, tmp_path: (origin_path(part) / "zarr.json").unlink(), "the root of a published store"),
        (lambda part, tmp_path: shutil.copytree(tmp_path / "a.zarr", part, dirs_exist_ok=True), "origin"),
    ],
)
def test_differences(part: Path, tmp_path: Path, change: Callable[[Path, Path], None], text: str) -> None:
    change(part, tmp_path)
    found = verify(part)
    origins = [one for one in found.damage if one.kind == "origin"]
    assert origins and found.exit_code in (12, 15)
    assert text == "origin" or text in origins[0].expected
    if change is other_rows:
        assert [one.view for one in origins if one.view is not None] == [2]

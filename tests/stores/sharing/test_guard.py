"""Root and metadata of what is published: an unsafe, unfinished or other store is refused before its rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from stores.support.web import Web

from dgkd_stores import Damaged, DgkdError, Incomplete, Mismatch, StoreNotFound, UnsafeStore, pull, verify
from dgkd_stores.sharing.guard import not_whole


def edit(change: Callable[[dict[str, object]], object], file: str = "zarr.json") -> Callable[[Path], None]:
    def apply(store: Path) -> None:
        value = json.loads((store / file).read_text())
        change(value)
        (store / file).write_text(json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False) + "\n")

    return apply


def attributes(root: dict[str, object]) -> dict[str, object]:
    found = root["attributes"]
    assert isinstance(found, dict)
    return found


CASES: dict[str, tuple[Callable[[Path], None], type[DgkdError], int]] = {
    "no root": (lambda store: (store / "zarr.json").unlink(), StoreNotFound, 10),
    "no seal": (
        edit(lambda root: [attributes(root).pop(name) for name in ("dgkd_seal", "dgkd_digests")]),
        Incomplete,
        3,
    ),
    "another header": (edit(lambda root: attributes(root)["dgkd"].update(licence="mine")), Damaged, 12),  # type: ignore[attr-defined]
    "another seal": (edit(lambda root: attributes(root).update(dgkd_seal="0" * 64)), Damaged, 12),
    "a foreign attribute": (edit(lambda root: attributes(root).update(more=1)), UnsafeStore, 15),
    "a newer version": (edit(lambda root: attributes(root)["dgkd"].update(version=3)), Mismatch, 13),  # type: ignore[attr-defined]
    "no JSON": (lambda store: (store / "zarr.json").write_text("{"), UnsafeStore, 15),  # type: ignore[return-value, arg-type, func-returns-value]
    "a codec": (
        edit(lambda array: array["codecs"].append({"name": "pickle"}), "logits/zarr.json"),  # type: ignore[attr-defined]
        UnsafeStore,
        15,
    ),
    "no metadata": (lambda store: (store / "probe" / "zarr.json").unlink(), Damaged, 12),
    "other bytes": (edit(lambda array: array.pop("attributes"), "label/zarr.json"), Damaged, 12),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_before_any_chunk(served: Web, tmp_path: Path, case: str) -> None:
    change, error, code = CASES[case]
    change(served.root / "a.zarr")
    with pytest.raises(error) as refused:
        pull(f"{served.address}/a.zarr", tmp_path / "got")
    assert refused.value.exit_code == code
    assert served.address in str(refused.value) or case == "a newer version"
    assert ".writing" not in str(refused.value), "no path of an unfinished file"
    assert not [path for path, _ in served.asked if "/c." in path]
    assert list((tmp_path / "got").iterdir()) == []


def test_a_large_root_is_not_read(served: Web, tmp_path: Path) -> None:
    (served.root / "a.zarr" / "zarr.json").write_bytes(bytes(17 * 2**20))
    with pytest.raises(UnsafeStore, match="at most 16777216 bytes") as refused:
        pull(f"{served.address}/a.zarr", tmp_path / "got")
    assert refused.value.exit_code == 15
    with pytest.raises(UnsafeStore):  # as of the same folder here
        verify(served.root / "a.zarr")


def test_the_wanted_seal(served: Web, tmp_path: Path) -> None:
    with pytest.raises(Mismatch, match="asked for") as refused:
        pull(f"{served.address}/a.zarr", tmp_path / "got", seal="0" * 64)
    assert refused.value.exit_code == 13 and not [path for path, _ in served.asked if "/c." in path]


def test_a_store_that_is_being_published(place: Path, tmp_path: Path) -> None:
    (place / "a.zarr" / "zarr.json").unlink()
    with pytest.raises(Incomplete, match="not published yet"):
        pull(f"{place}/a.zarr", tmp_path / "got")


def test_what_is_not_whole_after_it_was_fetched(path: Path) -> None:
    file = path / "logits" / "c.1.0.0"
    file.write_bytes(bytes(file.stat().st_size))
    error = not_whole("it", verify(path, full=True))
    assert (type(error), error.exit_code, error.found) == (Damaged, 12, "digest of logits/c.1.0.0")
    (path / "note.txt").write_text("x")
    assert (type(error := not_whole("it", verify(path, full=True))), error.exit_code) == (UnsafeStore, 15)

"""The messages about damaged and unfinished folders; what holds for every container is in store_tests.py."""

from __future__ import annotations

import inspect
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgkd_stores import Damaged, GuideStore, Incomplete, StoreNotFound
from dgkd_stores.reading import proof

pytestmark = pytest.mark.usefixtures("small_chunks")


def test_a_block_is_hashed_once(whole: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []
    really = proof.block_digest
    monkeypatch.setattr(proof, "block_digest", lambda arrays: (hashed.append(len(arrays[0])), really(arrays))[1])
    with GuideStore.open(whole[1]) as store:
        store.gather([2, 2, 2, 3], [0, 7, 8, 0])
        store.gather([2, 3, 2], [1, 1, 48])
        assert hashed == [8, 8, 8, 2]


def test_a_flipped_bit_in_a_used_row(whole: tuple[Any, Path]) -> None:
    _, path = whole
    file = path / "logits" / "c.1.1.0"
    data = bytearray(file.read_bytes())
    data[9 * 28 + 3] ^= 1  # Sample 25 of view 3, in the block of samples 24 to 31.
    file.write_bytes(data)
    with GuideStore.open(path) as store:
        store.gather([3, 2], [16, 25])
        for sample in (25, 24, 31):
            with pytest.raises(
                Damaged, match="view 3, samples 24 to 31: damaged: expected SHA-256 .*, found"
            ) as caught:
                store.gather([3], [sample])
            assert caught.value.exit_code == 12 and f"dgkd-cache repair {path}" in caught.value.do


@pytest.mark.parametrize("array", ["logits", "digest", "label", "probe", "test_logits"])
@pytest.mark.parametrize("change", ["missing", "short", "long", "empty"])
def test_lost_files(whole: tuple[Any, Path], array: str, change: str) -> None:
    _, path = whole
    file = sorted((path / array).glob("c.*"))[-1]
    data = file.read_bytes()
    file.unlink()
    if change != "missing":
        file.write_bytes({"short": data[:-1], "long": data + b"\0", "empty": b""}[change])
    with pytest.raises(Damaged, match=f"expected .*{len(data)} bytes.*, found (no such file|another size)") as caught:
        GuideStore.open(path)
    assert caught.value.exit_code == 12


def test_an_unfinished_store(recipe: Any, tmp_path: Path) -> None:
    small, path = recipe(), tmp_path / "a.zarr"
    small.write(path, chunks=6)
    with pytest.raises(Incomplete, match="3 views, found no seal, and rows in 2 views; .*dump --model ta1") as caught:
        GuideStore.open(path)
    assert caught.value.exit_code == 3
    with GuideStore.open(path, allow_incomplete=True) as store:
        done = store.completeness()
        assert (done.views, done.views_done, done.blocks, done.blocks_missing) == (3, 1, 21, 10)
        assert not done.complete and store.seal is None
        assert (store.gather([0, 1], [49, 31]) == np.stack([small.logits(0)[49], small.logits(1)[31]])).all()
        with pytest.raises(Incomplete, match="found no rows for view 1, samples 32 to 39"):
            store.gather([0, 1], [0, 32])
    small.write(path)
    with GuideStore.open(path) as store:
        assert store.completeness().complete
        assert store.nbytes == sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def test_rows_that_are_no_numbers_under_a_valid_digest(
    recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("dgkd_stores.coding.encodings.Float32.encode", lambda self, logits_BC: {"logits": logits_BC})
        small = recipe()
        logits = small.logits
        small.logits = lambda view: np.where(np.arange(50)[:, None] == 20, np.nan, logits(view)).astype(np.float32)
        small.write(tmp_path / "a.zarr")
    with GuideStore.open(tmp_path / "a.zarr") as store:
        with pytest.raises(Damaged, match="samples 16 to 23: damaged: expected finite numbers"):
            store.gather([0], [16])


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFound, match="expected a Zarr folder or an HDF5 file, found nothing") as caught:
        GuideStore.open(tmp_path / "nothing")
    assert caught.value.exit_code == 10


def test_a_copy_of_an_unfinished_store(recipe: Any, tmp_path: Path) -> None:
    recipe().write(tmp_path / "b.zarr", chunks=1)
    assert pickle.loads(pickle.dumps(GuideStore.open(tmp_path / "b.zarr", allow_incomplete=True))).seal is None


def test_every_public_attribute_is_described(recipe: Any, tmp_path: Path) -> None:
    recipe().write(tmp_path / "a.zarr")
    with GuideStore.open(tmp_path / "a.zarr") as store:
        named = {name for name in vars(store) if not name.startswith("_")}
    described = re.findall(r'^ +(?:self\.)?(\w+)(?:: | = ).*\n +"""', inspect.getsource(GuideStore), flags=re.MULTILINE)
    assert named - set(described) == set()


def test_a_store_is_shown_in_a_line(recipe: Any, tmp_path: Path) -> None:
    small, path = recipe(), tmp_path / "a.zarr"
    header = small.header
    size = f"{header.dataset.samples} samples, {header.classes} classes, {header.encoding}"
    views = f"views {header.first_view} to {header.first_view + header.views - 1}"
    small.write(path, chunks=2)
    with GuideStore.open(path, allow_incomplete=True) as store:
        assert repr(store) == f"<GuideStore {path}: guide ta1, {views}, {size}, not finished>"
    small.write(path)
    with GuideStore.open(path) as store:
        assert repr(store) == f"<GuideStore {path}: guide ta1, {views}, {size}>"

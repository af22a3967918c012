"""Stores of versions 1 and 2 that were written once and are read for ever: rows by formula, published seals."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from stores.fixtures import make_v1, make_v2
from stores.proofs import independent_reader
from stores.proofs.test_independent import zarrs_own

from dgkd_stores import GuideStore, verify

FLOAT32 = "f952e202647ccc97853cb291f7953d6debe4cfdd3cc2624840f415faf74c59f3"
FLOAT16 = "5aba9c88673bc6bc334bd43cc99e1807a1d3b12b884cf2797773b19422ce8fc3"
UINT8 = "8fa485ed2f96e79bf69dbe68bd8ae25c808670735f61fa2ac2738d3fd4e58cb8"
FACTORED = "547dd484fd7804d70b84f746a9e90c31a991c0b3aede7a8da5965cdf027e816e"
TOPK = "d0e63507a3d76bd9e2d477af722b8d212f29b0252dd1b93ecfe8f8dbdf30cc2f"
SEALS = {
    "float32.zarr": FLOAT32,
    "float16.zarr": FLOAT16,
    "uint8.zarr": UINT8,
    "float16-zstd.zarr": FLOAT16,
    "uint8-blosc.zarr": UINT8,
    "float16.h5": FLOAT16,
    "uint8-gzip.h5": UINT8,
    "factored.zarr": FACTORED,
    "factored-zstd.zarr": FACTORED,
    "factored.h5": FACTORED,
    "factored-gzip.h5": FACTORED,
    "topk.zarr": TOPK,
    "topk-blosc.zarr": TOPK,
    "topk.h5": TOPK,
    "topk-gzip.h5": TOPK,
}
FILES = {  # SHA-256 over the names and bytes of all files: nothing rewrites them
    "float32.zarr": "522d27581da30679e976b4a586cb25fa51d5bebfa4879779c613ee8710d55009",
    "float16.zarr": "2ae5a7523d1aa7b2c9b9793ad4f630e1bb2dec7aa15b7d67481cd526bc1f7a7b",
    "uint8.zarr": "9be1c3d4675ade53c6b3ba71117409cf9c60d70bd92ed2fad4da7cba085788cc",
    "float16-zstd.zarr": "8d536c2b07a561b22825e808791fdefa19947f430f1877fe207566fe4bbf491e",
    "uint8-blosc.zarr": "05efd80efd73adda7a960c32fb795772dfd65ea8d7d006aeb9a4d0f092f50ea9",
    "float16.h5": "4e1a8d5d3a40649487b222a8f8c97135f2cf0fd99e69c136082b4b8ef7414231",
    "uint8-gzip.h5": "95c229d1b8203e2330d03d37a7c5a7b4dbf61cfa77dd5de308c9cf5b89fb3a60",
    "factored.zarr": "a13998be3fe6ff8072b7b0b37dc77294f131843f07bcceee7226861b8c60d3a9",
    "factored-zstd.zarr": "58ad5c5c9cbf57e356eefcaab4891db4fb906c3fbc1af7c8df955e239e320c50",
    "factored.h5": "09fee1618dac11a6b6c11e29dc110ec5d7237596b4d0076dcf78298d55909623",
    "factored-gzip.h5": "0d523e192f958b5bd0f6b97b97da8c27a35bdb97ab6c5dbf0e8863d84dc0421a",
    "topk.zarr": "6a5c73e56c6b68a84a0d0cd4b95da4dd2d95a72ecc98fbcc8141f5933138575e",
    "topk-blosc.zarr": "200baeb4525d3c2807cfc2a0466c511a349bd852578f2e55502215731d77dea7",
    "topk.h5": "7b91d0911daa258db6dd61357f04be63476729e3e270d544a6141139ddada0a3",
    "topk-gzip.h5": "e7196d352e0607867a5f462cca423695ff2919a5e0b1606aa1e4d9ee537daf25",
}
VERSIONS = {name: make_v1 if name in make_v1.STORES else make_v2 for name in SEALS}


@pytest.fixture(params=SEALS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def expected_rows(encoding: str, view: int) -> np.ndarray[Any, Any]:
    """Returns the decoded rows of a view, float32: the formulas of make_v1.py, through 256 levels for uint8, and v2."""
    if encoding == "factored":
        sample, number = np.indices((10, 3))
        q = ((37 * view + 11 * sample + 5 * number**2) % 101 - 50) / 8
        signs = [(1, 1, 1), (1, -1, 1), (1, 1, -1), (1, -1, -1)]
        columns = [sum(sign * q[:, i] for i, sign in enumerate(row)) / 2 for row in signs]
        return np.stack([b + each for b, each in zip((0.5, -1.25, 0, 3), columns, strict=True)], 1).astype(np.float32)
    sample, label = np.indices((10, 4))
    rows = (((37 * view + 11 * sample + 5 * label**2) % 101 - 50) / 8).astype(np.float32)
    if encoding == "topk":
        for row in rows:
            first, second = sorted(range(4), key=lambda label, row=row: (-row[label], label))[2:]
            together = np.float32(math.log(math.exp(row[first]) + math.exp(row[second])))
            row[[first, second]] = together - np.float32(math.log(2))
        return rows
    if encoding != "uint8":
        return rows
    offset = rows.min(axis=1, keepdims=True)
    scale = (rows.max(axis=1, keepdims=True) - offset) / np.float32(255)
    return np.rint((rows - offset) / scale) * scale + offset


def fingerprint(path: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            content = file.read_bytes()
            digest.update(f"{file.relative_to(path.parent).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def test_all_of_them_are_there() -> None:
    assert set(SEALS) == set(FILES) == {*make_v1.STORES, *make_v2.STORES}
    for version in (make_v1, make_v2):
        assert set(version.STORES) == {path.name for path in version.FOLDER.iterdir()}


def test_nothing_has_changed_them(name: str) -> None:
    assert fingerprint(VERSIONS[name].FOLDER / name) == FILES[name]


def test_rows_by_formula_and_the_published_seal(name: str) -> None:
    encoding, _ = VERSIONS[name].STORES[name]
    with GuideStore.open(VERSIONS[name].FOLDER / name) as store:
        assert store.seal == SEALS[name] and store.views == range(3, 5)
        for view in (3, 4):
            rows = store.gather(np.full(10, view), np.arange(10))
            assert rows.astype(np.float32).tobytes() == expected_rows(encoding, view).tobytes()
        assert store.label_N.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1] and store.test_label_M.tolist() == [2, 1, 0]
        assert store.sample_digest_N16[7].tobytes() == hashlib.sha256(b"sample 7").digest()[:16]
        assert store.header.dataset.classes == ("cat", "dog", "Käfer", 'a "b"\\')
        assert store.header.plan["seed"] == 2**63 - 1 and store.header.plan["naïve"] == "é\n\t\u2028"
        assert store.header.to_dict()["version"] == (2 if encoding in ("factored", "topk") else 1)
        if encoding == "factored":
            assert store.test_logits_MC[1].tolist() == [0.5 + 1.5, -1.25 + 0.5, 0.25, 3 - 0.75]
        elif encoding == "topk":
            even = math.log((math.exp(1) + math.exp(1.25)) / 2)
            assert store.test_logits_MC[1].tolist() == pytest.approx([even, even, 1.5, 1.75], abs=1e-6)
            sharp = store.encoding.at(0.5).decode(store.test_stored)[1] * 8
            even = math.log((math.exp(8) + math.exp(10)) / 2)
            assert sharp.tolist() == pytest.approx([even, even, 12, 14], abs=1e-5)
        elif encoding != "uint8":
            assert (store.test_logits_MC == np.arange(12).reshape(3, 4) / 4).all()


def test_the_second_reader_reads_them(name: str) -> None:
    encoding, _ = VERSIONS[name].STORES[name]
    path = VERSIONS[name].FOLDER / name
    if name.endswith(".h5"):
        with h5py.File(path) as file:
            other = independent_reader.read_hdf5(file)
    else:
        other = independent_reader.read(path, decode=zarrs_own)
    assert other.seal == SEALS[name] and other.written.all()
    for index, view in enumerate((3, 4)):
        assert other.rows[index].astype("<f4").tobytes() == expected_rows(encoding, view).tobytes()


def test_nothing_is_wrong_with_them(name: str) -> None:
    found = verify(VERSIONS[name].FOLDER / name, full=True)
    assert (found.exit_code, found.damage, found.seal) == (0, (), SEALS[name])
    assert found.blocks_checked == found.blocks == 6


def test_the_same_store_is_written_today(name: str, tmp_path: Path) -> None:
    """Raw folders byte for byte; what a library compresses or writes may change with it, its content not."""
    _, codec = VERSIONS[name].STORES[name]
    assert VERSIONS[name].make(name, tmp_path) == SEALS[name]
    if name.endswith(".h5"):
        with h5py.File(tmp_path / name) as ours, h5py.File(VERSIONS[name].FOLDER / name) as kept:
            assert set(ours) == set(kept)
            for array in kept:
                found, expected = ours[array], kept[array]
                assert (found.dtype, found.shape, found.chunks) == (expected.dtype, expected.shape, expected.chunks)
                assert found[...].tobytes() == expected[...].tobytes()
                assert np.array(found.fillvalue).tobytes() == np.array(expected.fillvalue).tobytes()
                assert (found.compression, found.compression_opts) == (expected.compression, expected.compression_opts)
    elif codec == "none":
        assert fingerprint(tmp_path / name) == FILES[name]

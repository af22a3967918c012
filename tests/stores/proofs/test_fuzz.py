"""Any bytes, and good metadata changed in any place, end in a store that means the same or in a refusal."""

from __future__ import annotations

import functools
import json
import random
import tracemalloc
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from stores.proofs.fuzz_targets import OUTCOMES, decode_chunk, hdf5_blocks, open_hdf5, open_with
from support.mutations import VALUES, as_json, mutate, mutate_text
from support.scripts import run_script

from dgkd_stores import StoreHeader, UnsafeStore, convert
from dgkd_stores.coding.codecs import Blosc, Zstd
from dgkd_stores.errors import DgkdError

FILES = ["zarr.json", "logits/zarr.json", "digest/zarr.json", "label/zarr.json"]
CAP = 32 * 2**20

fuzzing = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def store(recipe: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fuzz") / "a.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda handle: None)
        recipe(views=2, samples=24, classes=3, tests=5).write(path)
    return Path(path)


@pytest.fixture(scope="module")
def second(recipe: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A store of version 2 in an encoding, made once."""

    @functools.cache
    def made(encoding: str) -> Path:
        path = tmp_path_factory.mktemp("fuzz") / "a.zarr"
        recipe(views=2, samples=24, classes=3, tests=5, width=2, encoding=encoding).write(path)
        return Path(path)

    return made


@pytest.fixture(scope="module")
def hdf5(store: Path) -> dict[str, Any]:
    """Good HDF5 files by codec, with their blocks of metadata, and a path for others."""
    made: dict[str, Any] = {"path": store.with_name("changed.h5")}
    for codec in ("none", "gzip"):
        convert(store, store.with_name(f"{codec}.h5"), codec=codec)
        good = store.with_name(f"{codec}.h5").read_bytes()
        made[codec] = good, hdf5_blocks(good)
        assert len(made[codec][1]) >= 16
    return made


@pytest.fixture
def capped() -> Iterator[None]:
    """No input takes more memory than that, as far as Python and numpy take it."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < CAP


@pytest.mark.parametrize("name", FILES)
@fuzzing
@given(chance=st.randoms(use_true_random=False))
def test_metadata_changed_in_a_few_places(store: Path, capped: None, name: str, chance: random.Random) -> None:
    open_with(store, name, as_json(mutate(json.loads((store / name).read_bytes()), chance)))


@pytest.mark.parametrize("name", FILES)
@fuzzing
@given(chance=st.randoms(use_true_random=False))
def test_metadata_as_text(store: Path, capped: None, name: str, chance: random.Random) -> None:
    open_with(store, name, mutate_text((store / name).read_bytes(), chance))


@fuzzing
@given(data=st.binary(max_size=400))
def test_any_bytes_for_metadata(store: Path, capped: None, data: bytes) -> None:
    open_with(store, "zarr.json", data)


@pytest.mark.parametrize("codec", ["none", "gzip"])
@fuzzing
@given(chance=st.randoms(use_true_random=False))
def test_hdf5_metadata_under_checksums_that_fit(
    hdf5: dict[str, Any], capped: None, codec: str, chance: random.Random
) -> None:
    open_hdf5(hdf5["path"], *hdf5[codec], chance)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["factored", "topk"])
@pytest.mark.parametrize("text", [False, True])
@fuzzing
@given(chance=st.randoms(use_true_random=False))
def test_metadata_of_version_2(second: Callable[[str], Path], encoding: str, text: bool, chance: random.Random) -> None:
    store = second(encoding)
    name = chance.choice(sorted(str(file.relative_to(store)) for file in store.rglob("zarr.json")))
    good = (store / name).read_bytes()
    open_with(store, name, mutate_text(good, chance) if text else as_json(mutate(json.loads(good), chance)))


@pytest.mark.parametrize("encoding", ["float32", "factored", "topk"])
@fuzzing
@given(chance=st.randoms(use_true_random=False))
def test_headers(recipe: Any, encoding: str, chance: random.Random) -> None:
    changed = mutate(recipe(encoding=encoding).header.to_dict(), chance)
    try:
        assert StoreHeader.from_dict(changed).to_dict() == changed
    except DgkdError as error:
        assert error.exit_code in (13, 15) and str(error).isprintable()


@fuzzing
@given(st.binary(max_size=300))
def test_any_bytes_for_a_chunk(data: bytes) -> None:
    decode_chunk(data)


@fuzzing
@given(chance=st.randoms(use_true_random=False), zstd=st.booleans(), nbytes=st.integers(1, 5000))
def test_chunks_with_a_few_bytes_changed(chance: random.Random, zstd: bool, nbytes: int) -> None:
    raw = np.frombuffer(chance.randbytes(10), dtype=np.uint8).repeat(nbytes // 10 + 1)[:nbytes]
    stored = bytearray((Zstd() if zstd else Blosc()).encode(raw, 4))
    for _ in range(chance.randint(0, 3)):
        stored[chance.randrange(len(stored))] = chance.randrange(256)
    decode_chunk(bytes([zstd]) + (nbytes - 1).to_bytes(2, "little") + bytes(stored))


def test_the_fuzzers_reach_all_of_it(store: Path) -> None:
    """A fixed sequence gets through at times, and is refused for many reasons otherwise."""
    OUTCOMES.clear()
    chance = random.Random(1)
    for name in FILES:
        good = json.loads((store / name).read_bytes())
        for _ in range(60):
            open_with(store, name, as_json(mutate(good, chance)))
    assert OUTCOMES["opened"] and len(OUTCOMES) > 20, OUTCOMES


def test_mutations_leave_the_values_that_they_draw_from_alone() -> None:
    """A list that is shared grows from input to input, and a table that gets itself never ends."""
    before, chance = json.dumps(VALUES), random.Random(1)
    for _ in range(3000):
        mutate({"a": {"b": [1, {}]}}, chance)
    assert json.dumps(VALUES) == before


def test_a_header_is_refused_as_unsafe(recipe: Any) -> None:
    with pytest.raises(UnsafeStore):
        StoreHeader.from_dict({**recipe().header.to_dict(), "views": 0})


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("atheris"), reason="atheris is not installed: no coverage-guided fuzzing")
@pytest.mark.parametrize("target", ["metadata", "chunk", "hdf5"])
def test_coverage_guided(target: str, tmp_path: Path) -> None:
    """A minute, or 200,000 inputs, of `fuzz_metadata.py`."""
    limits = ["-runs=200000", "-max_total_time=60", f"-artifact_prefix={tmp_path}/"]
    printed = run_script(Path(__file__).with_name("fuzz_metadata.py"), target, *limits)
    assert ("decoded" if target == "chunk" else "opened") in printed


@pytest.mark.slow
def test_what_the_reader_takes_is_sound_for_the_library(tmp_path: Path) -> None:
    """`hdf5_library.py`: h5py reads each changed file that our reader takes, and finds no other value."""
    printed = run_script(Path(__file__).with_name("hdf5_library.py"), tmp_path / "files", 1, 2000)
    assert "of the opened files read" in printed

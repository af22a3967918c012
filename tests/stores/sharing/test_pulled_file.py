"""HDF5 files: inspected first, verified whole, and of a damaged one only the damaged chunks are fetched again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from stores.support.small_store import SmallStore
from stores.support.web import Answer, Web

from dgkd_stores import Damaged, Incomplete, Mismatch, UnsafeStore, convert, pull, push
from dgkd_stores.containers.hdf5_file import Hdf5File


@pytest.fixture
def file(path: Path, served: Web, tmp_path: Path) -> Path:
    convert(path, tmp_path / "a.h5")
    served.root = tmp_path / "own"
    push(tmp_path / "a.h5", str(served.root))
    return served.root / "a.h5"


@pytest.mark.parametrize("codec", ["none", "gzip"])
@pytest.mark.parametrize("encoding", ["float16", "uint8", "factored", "topk"])
def test_round_trip(
    recipe: type[SmallStore], small_chunks: None, served: Web, tmp_path: Path, encoding: str, codec: str
) -> None:
    seal = recipe(encoding=encoding).write(tmp_path / "b.zarr")
    convert(tmp_path / "b.zarr", tmp_path / "b.h5", codec=codec)
    served.root = tmp_path / "own"
    push(tmp_path / "b.h5", str(served.root))
    found = pull(f"{served.address}/b.h5", tmp_path / "got")
    assert (tmp_path / "got" / "b.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert found.seal == seal and found.verification is not None and found.verification.full
    assert pull(f"{served.address}/b.h5", tmp_path / "got").fetched_files == 0
    assert os.listdir(tmp_path / "got") == ["b.h5"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_damaged_chunk_is_fetched_again(served: Web, file: Path, tmp_path: Path, ranges: bool) -> None:
    served.ranges = ranges
    held = Hdf5File.inspect(file)
    offset, _ = held.places["logits"][1, 1, 0].tolist()
    whole = list[int]()

    def flip(answer: Answer) -> None:
        if answer.path == "a.h5" and answer.range is None:
            whole.append(1)
            if len(whole) == 3 - ranges:  # the first one finds the size, and is not read
                body = bytearray(answer.body)
                body[offset] ^= 1
                answer.body = bytes(body)

    served.fault = flip
    pull(f"{served.address}/a.h5", tmp_path / "got")
    assert (tmp_path / "got" / "a.h5").read_bytes() == file.read_bytes()
    assert not ranges or served.asked[-1] == ("a.h5", offset)


def test_refusals(served: Web, file: Path, tmp_path: Path) -> None:
    right = file.read_bytes()
    with pytest.raises(Mismatch):
        pull(f"{served.address}/a.h5", tmp_path / "got", seal="0" * 64)
    file.write_bytes(b"no HDF5 file at all" * 1000)
    with pytest.raises(UnsafeStore):
        pull(f"{served.address}/a.h5", tmp_path / "got")
    held = Hdf5File.inspect(served.root.parent / "a.h5")
    for at in (held.places["logits"][1, 1, 0].tolist()[0], held.places["label"].reshape(-1).tolist()[0]):
        file.write_bytes(right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :])
        with pytest.raises(Damaged) as refused:
            pull(f"{served.address}/a.h5", tmp_path / "got")
        assert refused.value.exit_code == 12
    assert os.listdir(tmp_path / "got") == []


@pytest.mark.parametrize("answer_of", ["longer", "shifted", "none"])
def test_another_part_than_the_one_asked_for(served: Web, file: Path, tmp_path: Path, answer_of: str) -> None:
    """The file is then taken whole, as from a server without Range."""

    def change(answer: Answer) -> None:
        if answer.range and answer_of == "longer":
            answer.body = file.read_bytes()[answer.start :] + b"more"
            answer.range = f"bytes {answer.start}-{answer.start + len(answer.body) - 1}/{answer.total + 4}"
        elif answer.range:
            answer.range = f"bytes {answer.start + 1}-{answer.total}/{answer.total}" if answer_of == "shifted" else None

    served.fault = change
    pull(f"{served.address}/a.h5", tmp_path / "got")
    assert (tmp_path / "got" / "a.h5").read_bytes() == file.read_bytes() and len(served.asked) < 6


def test_a_lost_connection_is_not_its_makers_fault(served: Web, file: Path, tmp_path: Path) -> None:
    def fail(answer: Answer) -> None:
        answer.status = 503 if answer.range else 200

    served.fault = fail
    with pytest.raises(Incomplete, match="run the same command again") as stopped:
        pull(f"{served.address}/a.h5", tmp_path / "got")
    assert stopped.value.exit_code == 3 and "whoever published" not in str(stopped.value)

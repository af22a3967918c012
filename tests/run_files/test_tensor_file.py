"""Safetensors files: the same bytes as the format's own library reads, and no trust in what a header says."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from dgkd_cache.errors import Damaged, UnsafeStore
from dgkd_cache.models.weights import read_tensors, tensors_digest
from dgkd_cache.run_files.tensor_file import DTYPES, open_tensors

TYPES = [getattr(torch, name) for name, _ in DTYPES.values()]


def tensors_of_all_types() -> dict[str, torch.Tensor]:
    made = {str(dtype): torch.arange(12).reshape(3, 4).to(dtype) for dtype in TYPES}
    return made | {"scalar": torch.tensor(2.5), "empty": torch.empty(0, 3), "ä/b": torch.ones(1, 1, 2)}


def raw(path: Path, header: object, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def one(**changes: object) -> dict[str, object]:
    return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes}


def test_it_reads_what_the_library_reads(tmp_path: Path) -> None:
    made = tensors_of_all_types()
    save_file(made, tmp_path / "t", metadata={"k": "v"})
    with open_tensors(tmp_path / "t") as file:
        assert file.metadata == {"k": "v"}
        before = file.digest()
        found = read_tensors(file)
        assert before == file.digest() == tensors_digest(made)
    expected = load_file(tmp_path / "t")
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
        assert found[name].reshape(-1).view(torch.uint8).equal(value.reshape(-1).view(torch.uint8)), name


def test_every_type_of_this_torch_is_known(tmp_path: Path) -> None:
    """A model may have buffers of any type: what safetensors saves has to be read back, but four-bit numbers."""
    saved = set()
    for name in dir(torch):
        dtype = getattr(torch, name)
        if isinstance(dtype, torch.dtype) and dtype is not torch.float4_e2m1fn_x2:
            try:
                save_file({"a": torch.zeros(16, dtype=torch.uint8).view(dtype)}, tmp_path / "t")
            except (KeyError, RuntimeError, TypeError, ValueError, SafetensorError):
                continue  # not of the format
            with open_tensors(tmp_path / "t") as file:
                assert file.entries["a"].dtype == str(dtype).removeprefix("torch.")
            saved.add(dtype)
    assert saved >= {torch.float32, torch.bfloat16, torch.float8_e4m3fn, torch.int64, torch.uint16, torch.bool}


def test_tensors_that_do_not_begin_at_their_own_multiple_are_read(tmp_path: Path) -> None:
    """Files as another program may write them."""
    header = {
        "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "b": {"dtype": "F32", "shape": [1], "data_offsets": [1, 5]},
    }
    path = raw(tmp_path / "t", header, b"\x07" + torch.tensor([1.5]).numpy().tobytes())
    with open_tensors(path) as file:
        assert {name: value.tolist() for name, value in read_tensors(file).items()} == {"a": [7], "b": [1.5]}


@pytest.mark.parametrize(
    ("header", "data"),
    [
        (one(), bytes(7)),
        (one(), bytes(9)),
        (one(shape=[3]), bytes(8)),
        (one(shape=[2**62, 4], data_offsets=[0, 0]), b""),
        (one(shape=[-2]), bytes(8)),
        (one(shape=[2.0]), bytes(8)),
        (one(shape=[True, 2]), bytes(8)),
        (one(shape=[1] * 65, data_offsets=[0, 4]), bytes(4)),
        (one(dtype="F33"), bytes(8)),
        (one(dtype=["F32"]), bytes(8)),
        (one(data_offsets=[4, 12]), bytes(12)),
        (one(data_offsets=[8, 0]), bytes(8)),
        (one(data_offsets=[0]), bytes(8)),
        (one(more=1), bytes(8)),
        ({"a": 1}, b""),
        ([], b""),
        (one() | {"b": one()["a"]}, bytes(8)),
        ({"__metadata__": {"a": 1}}, b""),
        ({"__metadata__": []}, b""),
        (b"{}\xff", b""),
        (b'{"a": {}, "a": {}}', b""),
        (b"[" * 100_000, b""),
    ],
    ids=repr,
)
def test_a_header_that_lies_is_damage(tmp_path: Path, header: object, data: bytes) -> None:
    raw(tmp_path / "t", header, data)
    with pytest.raises(Damaged) as caught, open_tensors(tmp_path / "t"):
        pass
    assert caught.value.exit_code == 12 and len(str(caught.value)) < 1000


@pytest.mark.parametrize("size", [0, 7, 8, 9, 2 * 2**30, 2**40])
def test_zeros_of_any_size_cost_nothing(tmp_path: Path, size: int) -> None:
    (tmp_path / "t").touch()
    os.truncate(tmp_path / "t", size)
    with pytest.raises(Damaged), open_tensors(tmp_path / "t"):
        pass


def test_a_sound_header_over_a_sparse_file_is_hashed_in_little_memory(tmp_path: Path) -> None:
    """64 MiB stand for more: the whole of it is never held."""
    size = 64 * 2**20
    raw(tmp_path / "t", {"a": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}})
    os.truncate(tmp_path / "t", (tmp_path / "t").stat().st_size + size)
    with open_tensors(tmp_path / "t") as file:
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        file.digest()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used
    assert grown < 16 * 2**10, f"{grown} KiB"


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_plain_file_is_unsafe(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "t"
    if kind == "link":
        save_file({"a": torch.zeros(1)}, tmp_path / "behind")
        path.symlink_to("behind")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(UnsafeStore), open_tensors(path):
        pass


def test_a_file_that_is_cut_while_it_is_open_is_damage(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1000)}, tmp_path / "t")
    with open_tensors(tmp_path / "t") as file:
        os.truncate(tmp_path / "t", 2000)
        with pytest.raises(Damaged, match="a file of 2000 bytes"):
            file.digest()
        with pytest.raises(Damaged):
            read_tensors(file)

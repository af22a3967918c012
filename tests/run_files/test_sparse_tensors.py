"""Sparse tensors in a safetensors file: read by another reader, exact to the bit, and refused if they do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from dgkd_cache.errors import Damaged
from dgkd_cache.models.weights import pack_zeros, read_dense, tensors_digest
from dgkd_cache.run_files.sparse_tensors import DenseTensors
from dgkd_cache.run_files.tensor_file import open_tensors


def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(4)
    weight = torch.randn(37, 11) * (torch.rand(37, 11) > 0.8)
    weight[0, :2] = torch.tensor([-0.0, float("nan")])
    return {
        "conv.weight": weight,
        "half": torch.zeros(9, 5, 13, dtype=torch.bfloat16),
        "bias": torch.zeros(3),
        "full": torch.randn(40, 40),
        "count": torch.zeros((), dtype=torch.int64),
        "none": torch.zeros(0, 4),
    }


def write(path: Path, **changes: object) -> Path:
    stored, metadata = pack_zeros(tensors())
    for name, value in changes.items():
        if name == "metadata":
            metadata = value  # type: ignore[assignment]
        else:
            stored[name] = value  # type: ignore[assignment]
    path.write_bytes(safetensors.torch.save(stored, metadata=metadata))
    return path


def test_a_file_reads_back_to_the_bit_and_is_smaller(tmp_path: Path) -> None:
    given = tensors()
    path = write(tmp_path / "weights.safetensors")
    assert path.stat().st_size < len(safetensors.torch.save(given))
    with open_tensors(path) as file:
        held = DenseTensors(file)
        assert held.shapes == {name: tuple(value.shape) for name, value in given.items()}
        found, digest = read_dense(held), held.digest()
    assert digest == tensors_digest(given)
    for name, value in given.items():
        assert found[name].dtype == value.dtype
        assert found[name].reshape(-1).view(torch.uint8).tolist() == value.reshape(-1).view(torch.uint8).tolist(), name


def test_another_reader_that_follows_the_text(tmp_path: Path) -> None:
    """Reads a bitmap by the words of the module's docstring: element i is bit i mod 8 of byte i div 8."""
    path = write(tmp_path / "weights.safetensors")
    with safetensors.safe_open(path, "np") as file:
        sizes = json.loads(file.metadata()["sparse"])
        assert set(sizes) == {"conv.weight", "half"}, "what is small or full stays as it is"
        values, bitmap = file.get_tensor("conv.weight:values"), file.get_tensor("conv.weight:bitmap")
    left, dense = iter(values.tolist()), []
    for i in range(37 * 11):
        dense.append(next(left) if bitmap[i // 8] >> (i % 8) & 1 else 0.0)
    assert next(left, None) is None
    expected = tensors()["conv.weight"].numpy()
    assert np.array_equal(np.array(dense, np.float32).reshape(37, 11), expected, equal_nan=True)


def bits(change: int) -> torch.Tensor:
    bitmap = pack_zeros(tensors())[0]["conv.weight:bitmap"].clone()
    bitmap[change] = bitmap[change] ^ 128
    return bitmap


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"conv.weight:bitmap": bits(0)}, "does not fit its values"),
        ({"conv.weight:bitmap": bits(-1)}, "does not fit its values"),
        ({"conv.weight:bitmap": torch.zeros(50, dtype=torch.uint8)}, "entries of other sizes"),
        ({"conv.weight:bitmap": torch.zeros(51, dtype=torch.int8)}, "entries of other sizes"),
        ({"conv.weight:values": torch.zeros(2, 2)}, "entries of other sizes"),
        ({"conv.weight": torch.zeros(2)}, "no sparse tensor 'conv.weight'"),
        ({"metadata": {"sparse": '{"lost": [2]}'}}, "no sparse tensor 'lost'"),
        ({"metadata": {"sparse": '{"conv.weight": [37, -11]}'}}, "no sparse tensor"),
        ({"metadata": {"sparse": '{"conv.weight": 407}'}}, "no sparse tensor"),
        ({"metadata": {"sparse": "[]"}}, "list"),
        ({"metadata": {"sparse": "no JSON"}}, "."),
    ],
)
def test_what_does_not_fit_is_damaged(tmp_path: Path, changes: dict[str, object], found: str) -> None:
    path = write(tmp_path / "weights.safetensors", **changes)
    with open_tensors(path) as file, pytest.raises(Damaged, match=found) as caught:
        read_dense(DenseTensors(file))
    assert caught.value.exit_code == 12


def test_a_file_without_zeros_is_as_it_was(tmp_path: Path) -> None:
    given = {"full": torch.ones(40, 40), "bias": torch.zeros(3)}
    stored, metadata = pack_zeros(given)
    assert (metadata, set(stored)) == ({}, {"full", "bias"})


def test_a_name_that_is_taken_is_stored_whole() -> None:
    given = {"w": torch.zeros(900), "w:values": torch.ones(1)}
    assert set(pack_zeros(given)[0]) == {"w", "w:values"}

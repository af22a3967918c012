"""Checkpoints: the same bits back, one whole file or none, and nothing pickled."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from dgkd_cache.errors import DamagedStore, NoSpace
from dgkd_cache.training.checkpoint import load_checkpoint, random_state, read_record, save_checkpoint

CPU = torch.device("cpu")


def trained(make_tiny, optimizer_of, steps: int = 3):
    model = make_tiny(1).train()
    optimizer = optimizer_of(model.parameters())
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.rand(8, 1, 8, 8, generator=generator)).square().mean().backward()
        optimizer.step()
    return model, optimizer


@pytest.mark.parametrize(
    "optimizer_of",
    [
        lambda p: torch.optim.SGD(p, lr=0.1),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: torch.optim.AdamW(p, lr=0.1),
    ],
)
def test_the_same_next_step_after_a_round_trip(make_tiny, optimizer_of, tmp_path: Path) -> None:
    model, optimizer = trained(make_tiny, optimizer_of)
    save_checkpoint(tmp_path / "c", model, optimizer, {"step": 3}, [random_state(CPU)])
    expected_draw = torch.rand(4)
    other = make_tiny(2).train()
    other_optimizer = optimizer_of(other.parameters())
    load_checkpoint(tmp_path / "c", other, other_optimizer, CPU)
    assert torch.equal(torch.rand(4), expected_draw)
    batch = torch.rand(8, 1, 8, 8)
    for m, o in ((model, optimizer), (other, other_optimizer)):
        o.zero_grad()
        m(batch).square().mean().backward()
        o.step()
    for key, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key
    assert read_record(tmp_path / "c") == {"step": 3}


def test_it_is_a_safetensors_file_that_others_read(make_tiny, tmp_path: Path) -> None:
    model, optimizer = trained(make_tiny, lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9))
    save_checkpoint(tmp_path / "c", model, optimizer, {}, [random_state(CPU)])
    with safe_open(tmp_path / "c", framework="np") as file:
        assert (file.get_tensor("model.0.weight") == model.state_dict()["0.weight"].numpy()).all()
        momentum = optimizer.state_dict()["state"][0]["momentum_buffer"]
        assert (file.get_tensor("optimizer.0.momentum_buffer") == momentum.numpy()).all()


@pytest.mark.parametrize("keep", [0, 5, 200])
def test_a_file_cut_short_is_refused(make_tiny, tmp_path: Path, keep: int) -> None:
    model, optimizer = trained(make_tiny, lambda p: torch.optim.SGD(p, lr=0.1))
    path = tmp_path / "c"
    save_checkpoint(path, model, optimizer, {}, [random_state(CPU)])
    path.write_bytes(path.read_bytes()[:keep])
    for read in (lambda: read_record(path), lambda: load_checkpoint(path, model, optimizer, CPU)):
        with pytest.raises(DamagedStore, match="expected a whole safetensors.*; start over with --fresh") as caught:
            read()
        assert caught.value.exit_code == 12


def test_a_full_disk_keeps_the_last_checkpoint(make_tiny, tmp_path: Path, monkeypatch) -> None:
    model, optimizer = trained(make_tiny, lambda p: torch.optim.SGD(p, lr=0.1))
    save_checkpoint(tmp_path / "c", model, optimizer, {"step": 1}, [random_state(CPU)])

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoSpace, match="what was finished is kept") as caught:
        save_checkpoint(tmp_path / "c", model, optimizer, {"step": 2}, [random_state(CPU)])
    assert caught.value.exit_code == 14
    assert read_record(tmp_path / "c") == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_tied_weights_are_saved(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    model[1].weight = model[0].weight
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    save_checkpoint(tmp_path / "c", model, optimizer, {}, [random_state(CPU)])
    before = model[0].weight.detach().clone()
    with torch.no_grad():
        model[0].weight.zero_()
    load_checkpoint(tmp_path / "c", model, optimizer, CPU)
    assert torch.equal(model[1].weight, before)

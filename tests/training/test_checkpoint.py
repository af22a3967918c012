"""Checkpoints: the same bits back, one whole file or none, and nothing pickled."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dgkd_cache.errors import Damaged, NoSpace
from dgkd_cache.training.checkpoint import (
    load_checkpoint,
    load_state,
    random_state,
    read_checkpoint,
    read_record,
    save_checkpoint,
    save_state,
)

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
    load_checkpoint(read_checkpoint(tmp_path / "c", other), other, other_optimizer, CPU)
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
    for read in (lambda: read_record(path), lambda: read_checkpoint(path, model)):
        with pytest.raises(Damaged, match="expected a whole safetensors.*; start over with .* --fresh") as caught:
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
    load_checkpoint(read_checkpoint(tmp_path / "c", model), model, optimizer, CPU)
    assert torch.equal(model[1].weight, before)


def saved(make_tiny, path: Path) -> torch.nn.Module:
    model, optimizer = trained(make_tiny, lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9))
    save_checkpoint(path, model, optimizer, {"step": 3}, [random_state(CPU)])
    return model


def test_its_digest_is_what_the_description_says(make_tiny, tmp_path: Path) -> None:
    saved(make_tiny, tmp_path / "c")
    total = hashlib.sha256()
    with safe_open(tmp_path / "c", framework="np") as file:
        for name in sorted(file.keys()):
            array = file.get_tensor(name)
            total.update(name.encode() + b"\0" + str(array.dtype).encode() + b"\0")
            total.update(struct.pack(f"<{array.ndim + 1}q", array.ndim, *array.shape) + array.tobytes())
        metadata = file.metadata()
    expected = hashlib.sha256(metadata["dgkd"].encode() + b"\0" + total.hexdigest().encode()).hexdigest()
    assert metadata["digest"] == expected


def test_a_changed_step_is_noticed(make_tiny, tmp_path: Path) -> None:
    """A checkpoint as another program would write it: sound safetensors and JSON, only not what was written."""
    model = saved(make_tiny, tmp_path / "c")
    with safe_open(tmp_path / "c", framework="pt") as file:
        metadata = file.metadata()
    text = json.loads(metadata["dgkd"])
    text["record"]["step"] = 2
    save_file(load_file(tmp_path / "c"), tmp_path / "c", metadata=metadata | {"dgkd": json.dumps(text)})
    assert read_record(tmp_path / "c") == {"step": 2}
    with pytest.raises(Damaged, match="has changed since it was written.*SHA-256.*--fresh") as caught:
        read_checkpoint(tmp_path / "c", model)
    assert caught.value.exit_code == 12


def test_every_flipped_bit_is_noticed(make_tiny, tmp_path: Path) -> None:
    """In the header, in each tensor and at both ends, each bit by itself."""
    path = tmp_path / "c"
    model = saved(make_tiny, path)
    content = path.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    places = {
        *range(12),
        *range(12, header, 37),
        header - 1,
        header,
        *range(header, len(content), 211),
        len(content) - 1,
    }
    for place in sorted(places):
        for bit in range(8):
            path.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
            with pytest.raises(Damaged):
                read_checkpoint(path, model)
    path.write_bytes(content)
    assert read_checkpoint(path, model).record == {"step": 3}


def test_a_checkpoint_without_a_digest_is_of_an_older_version_and_only_then(make_tiny, tmp_path: Path) -> None:
    model = saved(make_tiny, tmp_path / "c")
    with safe_open(tmp_path / "c", framework="pt") as file:
        text = file.metadata()["dgkd"]
    save_file(load_file(tmp_path / "c"), tmp_path / "c", metadata={"dgkd": text})
    assert read_checkpoint(tmp_path / "c", model).record == {"step": 3}
    save_file(load_file(tmp_path / "c"), tmp_path / "c", metadata={"dgkd": text, "digesu": "0" * 64})
    with pytest.raises(Damaged, match="metadata"):
        read_checkpoint(tmp_path / "c", model)


def test_the_weights_of_the_best_epoch_are_held_to_their_digest(make_tiny, tmp_path: Path) -> None:
    model, other = make_tiny(1), make_tiny(2)
    save_state(tmp_path / "b", model)
    load_state(tmp_path / "b", other)
    assert all(value.equal(other.state_dict()[name]) for name, value in model.state_dict().items())
    content = bytearray((tmp_path / "b").read_bytes())
    content[-1] ^= 4
    (tmp_path / "b").write_bytes(content)
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(Damaged, match="has changed"):
        load_state(tmp_path / "b", other)
    assert all(value.equal(before[name]) for name, value in other.state_dict().items())
    with pytest.raises(Damaged, match="no such file"):
        load_state(tmp_path / "nothing", other)


def test_a_checkpoint_of_another_model_is_refused_before_it_is_read(make_tiny, tmp_path: Path) -> None:
    saved(make_tiny, tmp_path / "c")
    with pytest.raises(Damaged, match="expected the tensors of this model"):
        read_checkpoint(tmp_path / "c", make_tiny(1, width=7))


@pytest.mark.parametrize("change", ["index", "name", "random", "scalar"])
def test_content_that_fits_no_optimiser_is_refused(make_tiny, tmp_path: Path, change: str) -> None:
    """An older checkpoint has no digest: whatever is in it, there is no traceback."""
    model = saved(make_tiny, tmp_path / "c")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    with safe_open(tmp_path / "c", framework="pt") as file:
        text = json.loads(file.metadata()["dgkd"])
    tensors = load_file(tmp_path / "c")
    if change == "index":
        tensors["optimizer.99.momentum_buffer"] = torch.zeros(1)
    elif change == "name":
        tensors["optimizer.x"] = torch.zeros(1)
    elif change == "random":
        tensors["random.0.cpu"] = torch.zeros(3)
    else:
        text["optimizer_scalars"] = {"x": 1}
    save_file(tensors, tmp_path / "c", metadata={"dgkd": json.dumps(text)})
    with pytest.raises(Damaged, match="state of this model and optimiser"):
        load_checkpoint(read_checkpoint(tmp_path / "c", model), model, optimizer, CPU)


def test_a_checkpoint_that_lost_its_digest_is_not_taken_for_an_older_one(make_tiny, tmp_path: Path) -> None:
    model, optimizer = trained(make_tiny, lambda p: torch.optim.SGD(p, lr=0.1))
    for record, refused in (({"step": 1, "inputs": "a" * 64}, True), ({"step": 1}, False)):
        path = tmp_path / f"{refused}.safetensors"
        save_checkpoint(path, model, optimizer, record, [random_state(CPU)])
        content = path.read_bytes()
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        del header["__metadata__"]["digest"]
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])
        if refused:
            with pytest.raises(Damaged, match="a digest of its own"):
                read_checkpoint(path, model)
        else:
            read_checkpoint(path, model)


class OnGPU(torch.Tensor):
    """A tensor that gives its elements to numpy only once it is copied to the CPU, as one of a GPU does."""

    def numpy(self, *, force: bool = False) -> np.ndarray:
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")

    def cpu(self, *args: Any) -> torch.Tensor:
        return self.as_subclass(torch.Tensor)


def test_the_optimizer_of_a_gpu_is_copied_to_the_cpu_first(make_tiny, tmp_path: Path) -> None:
    model, optimizer = trained(make_tiny, lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9))
    save_checkpoint(tmp_path / "cpu", model, optimizer, {}, [random_state(CPU)])
    for state in optimizer.state.values():
        state["momentum_buffer"] = state["momentum_buffer"].as_subclass(OnGPU)
    with pytest.raises(TypeError):
        next(iter(optimizer.state.values()))["momentum_buffer"].reshape(-1).numpy()
    save_checkpoint(tmp_path / "gpu", model, optimizer, {}, [random_state(CPU)])
    gpu, cpu = load_file(tmp_path / "gpu"), load_file(tmp_path / "cpu")
    assert gpu.keys() == cpu.keys() and all(torch.equal(gpu[name], cpu[name]) for name in cpu)
    read_checkpoint(tmp_path / "gpu", model)  # its digest is that of its tensors

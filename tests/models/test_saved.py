"""Models on disk: read back by another reader, refused when changed, and never lost on a full disk."""

from __future__ import annotations

import errno
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from support.saved_models import card_of, edit, network, refused, save_network
from torch import nn

from dgkd_cache.errors import (
    Damaged,
    DgkdError,
    Incomplete,
    Mismatch,
    NoSpace,
    UnknownName,
    UnsafeStore,
)
from dgkd_cache.models import load_model, load_weights, save_model, weights_digest
from dgkd_cache.models.preprocessing import Preprocessing
from dgkd_cache.models.registry import build_model
from dgkd_cache.run_files.preprocess import Preprocess


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_network(tmp_path / "run")


def test_what_was_saved_comes_back(saved: Path) -> None:
    model, card = load_model(saved)
    assert card == card_of(network())
    assert not model.training
    images = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model(images), network().eval()(images))
    assert sorted(path.name for path in saved.iterdir()) == ["card.json", "weights.safetensors"]


def test_the_files_are_plain_safetensors_and_json(saved: Path) -> None:
    arrays = safetensors.numpy.load_file(saved / "weights.safetensors")
    expected = {name: value.numpy() for name, value in network().state_dict().items()}
    assert arrays.keys() == expected.keys()
    assert all(np.array_equal(arrays[name], expected[name]) for name in expected)
    card = json.loads((saved / "card.json").read_text(encoding="utf-8"))
    assert (card["format"], card["version"]) == ("dgkd-model-card", 1)
    assert card["classes"] == ["zero", "one", "zwölf"]
    assert card["preprocess"] == {"mean": ["0.5"], "std": ["0.25"], "input_size": None}


def test_a_recorded_input_size_is_what_the_network_is_built_for(tmp_path: Path) -> None:
    model = build_model("plain2", channels=1, classes=3, height=12, width=12, seed=0)
    sized = Preprocess(mean=("0.5",), std=("0.25",), input_size=12)
    save_model(tmp_path, model, card_of(model, preprocess=sized))
    again, card = load_model(tmp_path)
    pixels = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    assert again(Preprocessing(card.preprocess)(pixels)).shape == (2, 3)


def test_tied_weights_are_kept(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    save_model(tmp_path, model, card_of(model, architecture="tied"))
    again = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    again[1].weight = again[0].weight
    load_weights(again, tmp_path)
    assert torch.equal(again[1].weight, model[0].weight)


def test_every_changed_byte_of_the_weights_is_noticed(saved: Path) -> None:
    path = saved / "weights.safetensors"
    content = path.read_bytes()
    for position in (9, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        refused(Damaged, 12, lambda: load_model(saved))
    path.write_bytes(content[:-1])
    assert "cannot be read" in refused(Damaged, 12, lambda: load_model(saved))
    path.unlink()
    assert "train the model again" in refused(Damaged, 12, lambda: load_model(saved))


def test_other_weights_beside_the_card_are_noticed(saved: Path, tmp_path: Path) -> None:
    other = network(seed=1)
    save_model(tmp_path / "other", other, card_of(other))
    os.replace(tmp_path / "other" / "weights.safetensors", saved / "weights.safetensors")
    message = refused(Damaged, 12, lambda: load_model(saved))
    assert weights_digest(network())[:16] in message and weights_digest(other)[:16] in message


def test_a_pickle_in_place_of_the_weights_is_not_opened(saved: Path, tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.mkdir, (str(tmp_path / "executed"),))

    (saved / "weights.safetensors").write_bytes(pickle.dumps(Payload()))
    refused(Damaged, 12, lambda: load_model(saved))
    torch.save(Payload(), saved / "weights.safetensors")
    refused(Damaged, 12, lambda: load_model(saved))
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("changes", "tensor"),
    [
        ({"architecture": "resnet8"}, "stem.weight"),
        ({"classes": ["zero", "one"]}, "classifier.1.weight"),
        ({"channels": 3, "preprocess": {"mean": ["0"] * 3, "std": ["1"] * 3}}, "features.0.weight"),
        ({"height": 16}, "classifier.1.weight"),
        ({"parameters": 5}, "expected 5 parameters"),
    ],
)
def test_a_card_of_another_network_is_refused(saved: Path, changes: dict[str, Any], tensor: str) -> None:
    edit(saved, **changes)
    message = refused(Mismatch, 13, lambda: load_model(saved))
    assert tensor in message and "found" in message and "as its card says" in message


def test_a_refused_load_leaves_the_model_as_it_was(saved: Path) -> None:
    model = network(seed=4, classes=5)
    before = weights_digest(model)
    refused(Mismatch, 13, lambda: load_weights(model, saved))
    assert weights_digest(model) == before


def test_a_network_of_another_program_is_loaded_by_hand(tmp_path: Path) -> None:
    own = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    save_model(tmp_path, own, card_of(own, architecture="our lab's net"))
    message = refused(UnknownName, 2, lambda: load_model(tmp_path))
    assert 'found "our lab\'s net"' in message and "load_weights(model, folder)" in message
    again = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    assert load_weights(again, tmp_path).architecture == "our lab's net"
    assert torch.equal(again[1].weight, own[1].weight)


def test_a_card_that_is_not_of_the_model_is_not_written(tmp_path: Path) -> None:
    model = network()
    card = card_of(model, weights_digest=weights_digest(network(seed=1)))
    assert "weights" in refused(Mismatch, 13, lambda: save_model(tmp_path / "run", model, card))
    card = card_of(model, parameters=5)
    refused(Mismatch, 13, lambda: save_model(tmp_path / "run", model, card))
    assert not (tmp_path / "run").exists()


def test_a_full_disk_keeps_the_old_model(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    new = network(seed=1)
    card = card_of(new)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert "no space left" in refused(NoSpace, 14, lambda: save_model(saved, new, card))
    assert load_model(saved)[1] == card_of(network())
    assert sorted(path.name for path in saved.iterdir()) == ["card.json", "weights.safetensors"]


@pytest.mark.parametrize("step", range(3))
def test_stopped_anywhere_there_is_an_old_model_a_new_one_or_none(
    saved: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    new = network(seed=1)
    old_card, new_card = card_of(network()), card_of(new)
    calls: list[str] = []
    replace = os.replace

    def stops(source: Path, target: Path) -> None:
        if len(calls) == step:
            raise KeyboardInterrupt
        calls.append(str(target))
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stops)
        if step < 2:
            with pytest.raises(KeyboardInterrupt):
                save_model(saved, new, new_card)
        else:
            save_model(saved, new, new_card)
    if (saved / "card.json").exists():
        assert load_model(saved)[1] in (old_card, new_card)
    else:
        refused(Incomplete, 3, lambda: load_model(saved))
    save_model(saved, new, new_card)
    assert load_model(saved)[1] == new_card


@pytest.mark.parametrize("name", ["card.json", "weights.safetensors"])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_plain_file_is_unsafe(saved: Path, name: str, kind: str) -> None:
    path = saved / name
    path.rename(saved / "behind")
    if kind == "link":
        path.symlink_to("behind")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    refused(UnsafeStore, 15, lambda: load_model(saved))


def test_weights_that_may_not_be_read_are_not_called_damaged(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.open

    def denied(path: Any, *arguments: Any, **more: Any) -> int:
        if str(path).endswith("weights.safetensors"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return really(path, *arguments, **more)

    monkeypatch.setattr(os, "open", denied)
    try:
        load_model(saved)
    except OSError as error:
        assert error.errno == errno.EACCES
    except DgkdError as error:
        assert error.exit_code == 1 and "ermission" in str(error)
    else:
        raise AssertionError("read")


@pytest.mark.parametrize("changes", [{"height": 10**9, "width": 10**9}, {"channels": 10**12}, {"parameters": 10**4000}])
def test_a_card_of_an_impossible_model_takes_no_memory(saved: Path, changes: dict[str, Any]) -> None:
    edit(saved, **changes)
    with pytest.raises(DgkdError) as caught:
        load_model(saved)
    assert caught.value.exit_code in (12, 13)

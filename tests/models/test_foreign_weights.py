"""Files of weights from elsewhere: wrappers, prefixes, and everything that is more than tensors."""

from __future__ import annotations

import argparse
import os
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from dgkd_cache.errors import Damaged, InvalidInput, UnsafeStore
from dgkd_cache.models.foreign_weights import read_foreign_weights

STATE = {"head.weight": torch.arange(6.0).reshape(2, 3), "head.bias": torch.ones(2)}


def under(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in STATE.items()}


@pytest.mark.parametrize(
    ("content", "taken"),
    [
        (STATE, ()),
        (OrderedDict(STATE), ()),
        ({"state_dict": STATE, "epoch": 3, "best": 0.5}, ("state_dict",)),
        ({"model": under("module."), "optimizer": {"lr": 0.1}}, ("model", "module.")),
        ({"model": STATE, "ema": under("_orig_mod."), "arch": "net"}, ("ema", "_orig_mod.")),
        (under("module._orig_mod."), ("module.", "_orig_mod.")),
        (under("_orig_mod.module."), ("_orig_mod.", "module.")),
        ({"state_dict": {"model": STATE, "step": 1}}, ("state_dict", "model")),
    ],
)
def test_wrappers_and_prefixes(tmp_path: Path, content: object, taken: tuple[str, ...]) -> None:
    torch.save(content, tmp_path / "w.pt")
    found = read_foreign_weights(tmp_path / "w.pt")
    assert found.taken == taken
    assert found.tensors.keys() == STATE.keys()
    assert all(torch.equal(found.tensors[name], value) for name, value in STATE.items())


def test_an_average_of_weights_is_without_its_counter(tmp_path: Path) -> None:
    average = AveragedModel(nn.Linear(3, 2))
    torch.save(average.state_dict(), tmp_path / "w.pt")
    assert read_foreign_weights(tmp_path / "w.pt").tensors.keys() == {"weight", "bias"}


def sparse_file(path: Path, bits: int) -> dict[str, torch.Tensor]:
    """Writes a file as a pruned run has it, with elements 1, 8 and 17 of a weight of 3 x 6, and returns its tensors."""
    weight = torch.zeros(3, 6)
    weight[0, 1], weight[1, 2], weight[2, 5] = 1.5, -2.5, 3.5
    stored = {
        "head.weight:values": torch.tensor([1.5, -2.5, 3.5]),
        "head.weight:bitmap": torch.tensor([0b10, 0b1, bits], dtype=torch.uint8),
        "head.bias": torch.ones(3),
    }
    safetensors.torch.save_file(stored, path, metadata={"sparse": '{"head.weight": [3, 6]}'})
    return {"head.weight": weight, "head.bias": torch.ones(3)}


def test_the_file_of_a_pruned_run_has_the_tensors_of_its_model(tmp_path: Path) -> None:
    expected = sparse_file(tmp_path / "w.safetensors", 0b10)
    found = read_foreign_weights(tmp_path / "w.safetensors").tensors
    assert found.keys() == expected.keys() and all(torch.equal(found[name], value) for name, value in expected.items())
    sparse_file(tmp_path / "w.safetensors", 0b11)
    with pytest.raises(Damaged, match="a bitmap of 'head.weight' that does not fit its values; get the file again"):
        read_foreign_weights(tmp_path / "w.safetensors")


def test_metadata_of_another_program_says_nothing(tmp_path: Path) -> None:
    safetensors.torch.save_file(STATE, tmp_path / "w.safetensors", metadata={"sparse": "no"})
    assert read_foreign_weights(tmp_path / "w.safetensors").tensors.keys() == STATE.keys()


def test_safetensors_and_the_old_form_of_torch_save(tmp_path: Path) -> None:
    safetensors.torch.save_file(STATE, tmp_path / "w.safetensors")
    torch.save(STATE, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "link.safetensors").symlink_to(tmp_path / "w.safetensors")
    for name in ("w.safetensors", "old.pth", "link.safetensors"):
        found = read_foreign_weights(tmp_path / name)
        assert {key: value.tolist() for key, value in found.tensors.items()} == {
            key: value.tolist() for key, value in STATE.items()
        }


class Runs:
    """An object that runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.system, ("touch ran",)


@pytest.mark.parametrize("content", [{"model": STATE, "args": argparse.Namespace(lr=1)}, {**STATE, "x": Runs()}])
@pytest.mark.parametrize("new", [True, False])
def test_a_pickle_of_more_than_tensors_is_refused_and_not_run(
    tmp_path: Path, content: object, new: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(content, "w.pt", _use_new_zipfile_serialization=new)
    with pytest.raises(UnsafeStore, match="holds more than tensors.*found (argparse.Namespace|posix.system)") as e:
        read_foreign_weights(Path("w.pt"))
    assert e.value.exit_code == 15 and not Path("ran").exists()


def test_a_module_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(3, 2), tmp_path / "w.pt")
    with pytest.raises(UnsafeStore, match="torch.nn.modules.linear.Linear"):
        read_foreign_weights(tmp_path / "w.pt")


def test_a_packed_archive_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "w.pt")
    with zipfile.ZipFile(tmp_path / "w.pt") as old, zipfile.ZipFile(tmp_path / "p.pt", "w") as new:
        for one in old.infolist():
            new.writestr(one.filename, old.read(one), compress_type=zipfile.ZIP_DEFLATED)
    with pytest.raises(UnsafeStore, match="is packed"):
        read_foreign_weights(tmp_path / "p.pt")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"epoch": 3}, "holds no weights of a model: expected a table of tensors .*found the keys 'epoch'"),
        ([torch.ones(2)], "holds no weights of a model.*found a list"),
        ({}, "holds no weights"),
        ({**STATE, "steps": 3}, "holds more than weights.*a int under 'steps'"),
        ({"a": torch.ones(2).to_sparse()}, "sparse_coo under 'a'"),
        ({3: torch.ones(2)}, "holds no weights"),
        ({"model": {"model": {"model": {"model": {"model": STATE}}}}}, "holds no weights of a model under"),
    ],
)
def test_what_has_no_state_dict(tmp_path: Path, content: object, problem: str) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(InvalidInput, match=problem):
        read_foreign_weights(tmp_path / "w.pt")


@pytest.mark.parametrize("data", [b"", b"not a pickle", b"\x80\x02}q\x00.", b"PK\x03\x04 cut short", bytes(64)])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_damaged_files(tmp_path: Path, data: bytes, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(data)
    with pytest.raises((InvalidInput, UnsafeStore, Exception)) as caught:
        read_foreign_weights(path)
    assert getattr(caught.value, "exit_code", None) in (2, 12, 15), caught.value
    assert "--fresh" not in str(caught.value)


def test_a_text_is_no_pickle(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_text("import torch")
    with pytest.raises(InvalidInput, match="cannot be read.*found a file of another kind; get the file again"):
        read_foreign_weights(tmp_path / "w.pt")


def test_what_torch_refuses_is_named_without_its_advice(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"\x80\x02i")  # the opcode INST, which builds an instance of any class
    with pytest.raises(UnsafeStore, match=r"found Unsupported operand 105; where you trust its origin"):
        read_foreign_weights(tmp_path / "w.pt")


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file or directory; check the path"):
        read_foreign_weights(tmp_path / "none.pt")
    os.mkfifo(tmp_path / "pipe.pt")
    for name in ("pipe.pt", "."):
        with pytest.raises(UnsafeStore, match="another kind of file"):
            read_foreign_weights(tmp_path / name)

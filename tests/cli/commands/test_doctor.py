"""`doctor`: what this machine can do, and what to do where it cannot."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import torch
from click.testing import Result

from dgkd_cache.datasets import decoders
from dgkd_cli.commands import doctor as doctor_verb

Command = Callable[..., Result]


def test_doctor(command: Command, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = command("doctor", "--json")
    assert result.exit_code == 0, result.output
    found = {finding["what"]: finding for finding in json.loads(result.stdout)}
    assert torch.__version__.startswith(found["torch"]["found"])
    assert found["memory mapping"] == {
        "what": "memory mapping",
        "found": "works",
        "state": "ok",
        "do": "",
        "figures": {},
    }
    bf16 = torch.cpu.get_capabilities().get("avx512_bf16") and torch.backends.cpu.get_cpu_capability() == "AVX512"
    auto = found['"auto" on cpu']
    assert auto["figures"] == {"precision": "bf16" if bf16 else "float32", "channels_last": True}
    assert "channels_last = true (AVX" in auto["found"] or not torch.cpu.get_capabilities().get("avx2")
    assert list(workspace.iterdir()) == [workspace / "dgkd.toml"], "the trial files are gone"
    monkeypatch.setenv("COLUMNS", "400")  # wide enough for the path of this folder
    assert "memory mapping" in command("doctor").stdout


def test_doctor_tells_who_decodes_images(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {finding["what"]: finding for finding in json.loads(command("doctor", "--json").stdout)}
    assert found["decoder pillow"]["found"].startswith(f"pillow {version('pillow')} (jpg ")
    one = found["decoder torchcodec"]
    if one["state"] != "note":  # of an extra, which may be for another version of torch
        assert one["found"].startswith(f"torchcodec {version('torchcodec')}") and one["state"] == "ok"

    def lacking() -> str:
        raise LookupError("torchcodec is not installed")

    usual = decoders._JPEG_DECODERS["torchcodec"]
    monkeypatch.setitem(decoders._JPEG_DECODERS, "torchcodec", replace(usual, version=lacking))
    result = command("doctor", "--json")
    one = {finding["what"]: finding for finding in json.loads(result.stdout)}["decoder torchcodec"]
    assert result.exit_code == 0 and (one["found"], one["state"]) == ("torchcodec is not installed", "note")
    assert one["do"].startswith('only decoder = "torchcodec" needs it: `pip install ')


def test_doctor_says_what_to_do(command: Command, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(number: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", no_room)
    result = command("doctor", "--json")
    assert result.exit_code == 1
    found = {finding["what"]: finding for finding in json.loads(result.stdout)}
    assert found["memory mapping"]["state"] == "problem"
    assert "No space left" in found["memory mapping"]["found"]


def test_doctor_does_without_what_only_readers_need(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(package: str) -> str:
        if package in ("zarr", "h5py"):
            raise PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr(doctor_verb, "version", lacking)
    result = command("doctor", "--json")
    assert result.exit_code == 0, result.output
    found = {finding["what"]: finding for finding in json.loads(result.stdout)}
    assert [found[name]["state"] for name in ("zarr", "h5py", "numcodecs")] == ["note", "note", "ok"]
    assert "`pip install zarr`" in found["zarr"]["do"]


def test_doctor_tells_what_is_kept_of_images(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DGKD_CACHE_DIR", str(tmp_path / "kept"))
    (tmp_path / "kept" / "pixels").mkdir(parents=True)
    (tmp_path / "kept" / "pixels" / "one.pixels").write_bytes(bytes(2_500_000))
    found = {finding["what"]: finding for finding in json.loads(command("doctor", "--json").stdout)}["kept files"]
    assert found["figures"] == {"index of image files": 0, "decoded pixels": 2_500_000, "mean and deviation": 0}
    assert found["found"].startswith("index of image files 0 B, decoded pixels 2.5 MB, mean and deviation 0 B in ")
    assert str(tmp_path / "kept") in found["found"]

"""The lists that are kept as files: what computing them anew gives, and that printing them loads no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from dgkd_cache.models.registry import build_model
from dgkd_cli.catalogue import CLASSES, IMAGE, LISTS, read_list, write_lists


@pytest.mark.parametrize("name", LISTS)
def test_the_file_is_what_is_computed(name: str) -> None:
    computed = json.loads(json.dumps(LISTS[name]()))
    assert read_list(name) == computed, f"`make catalogue` writes:\n{json.dumps(computed, indent=2)}"


def test_the_sizes_are_those_that_hooks_count_in_each_network() -> None:
    """Every output element of a convolution or a linear layer takes as many multiply-adds as its filter has weights."""
    channels, height, width = IMAGE
    for row in read_list("models")["models"]:
        model = build_model(row["name"], channels=channels, height=height, width=width, classes=CLASSES, seed=0).eval()
        counted = [0]

        def count(layer: nn.Module, _: object, out: torch.Tensor, counted: list[int] = counted) -> None:
            assert isinstance(layer.weight, torch.Tensor)
            counted[0] += out[0].numel() * layer.weight[0].numel()

        for layer in model.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.register_forward_hook(count)
        with torch.no_grad():
            model(torch.zeros(1, *IMAGE))
        parameters = sum(tensor.numel() for tensor in model.parameters())
        assert (row["parameters"], row["multiply_adds"]) == (parameters, counted[0]), row["name"]


def test_writing_gives_the_bytes_of_the_files(tmp_path: Path) -> None:
    write_lists(tmp_path)
    kept = Path(str(sys.modules["dgkd_cli.catalogue"].__file__)).parent
    for name in LISTS:
        assert (tmp_path / f"{name}.json").read_bytes() == (kept / f"{name}.json").read_bytes()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["models"],
        ["models", "resnet20"],
        ["datasets"],
        ["recipes"],
        ["recipes", "official"],
        ["ls"],
        ["info", "teacher"],
        ["init", "--help"],
    ],
    ids=" ".join,
)
def test_no_torch_is_loaded(arguments: list[str], workspace: Path, teacher: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "dgkd_cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert {"dgkd_cli.main", "click"} <= loaded
    assert not {"torch", "torchvision", "sklearn", "PIL", "zarr", "h5py"} & loaded

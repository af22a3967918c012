"""The lists that are kept as files: what computing them anew gives, and that printing them loads no torch."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import torch
from torch import nn

from dgkd_cache.models.registry import build_model
from dgkd_cli.catalogue import CLASSES, IMAGE, LISTS, read_list, write_lists


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


def test_the_files_are_what_is_computed(tmp_path: Path) -> None:
    write_lists(tmp_path)
    kept = Path(str(sys.modules["dgkd_cli.catalogue"].__file__)).parent
    for name in LISTS:
        assert (tmp_path / f"{name}.json").read_bytes() == (kept / f"{name}.json").read_bytes(), "see `make catalogue`"


def test_no_torch_is_loaded(workspace: Path, teacher: Path) -> None:
    """By any of these, one after the other in a process of their own."""
    script = """
import sys
from dgkd_cli.main import main

for words in sys.argv[1:]:
    main(words.split(), standalone_mode=False)
    heavy = {"torch", "torchvision", "sklearn", "PIL", "zarr", "h5py"} & set(sys.modules)
    assert not heavy, f"{words} loads {heavy}"
    print("done:", words)
"""
    verbs = ["--help", "models", "models resnet20", "datasets", "recipes", "recipes official", "ls", "info teacher"]
    verbs += ["init --help", "transforms"]
    done = subprocess.run([sys.executable, "-c", script, *verbs], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert re.findall("^done: (.*)$", done.stdout, re.MULTILINE) == verbs


def test_a_process_of_the_program_loads_no_torch_to_say_what_it_takes() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "dgkd_cli", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert {"dgkd_cli.main", "click"} <= loaded
    assert not {"torch", "torchvision", "sklearn", "PIL", "zarr", "h5py"} & loaded
